"""The fixtures of tests/e2e."""

import importlib.util
import pathlib
import sys

E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

pytest_sessionfinish = _e2e.pytest_sessionfinish
world, lab, module_lab, store, gate = (
    getattr(_e2e, name) for name in ("world", "lab", "module_lab", "store", "gate")
)
