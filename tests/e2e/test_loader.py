"""While a large policy loads, in a process of its own, the supervisor goes on with its work.

The loader is stopped in the middle (SIGSTOP), so that nothing here depends on how long a load takes.
"""

import contextlib
import os
import signal

from mirrorgate_test import common, gateway, yaml
from mirrorgate_test.gateway import policy

SMALL = "/artifacts/step-core/small.txt"
PRODUCTS = 60_000  # enough to meet the loader before it is done


def large(serial):
    """The usual policy with so many products that it does not load at once."""
    more = "".join(f'  - {{id: p{n}, paths: ["/artifacts/p{n}/"]}}\n' for n in range(PRODUCTS))
    usual = policy(serial)
    products = yaml.dump({"products": usual.pop("products")}).rstrip("\n")
    assert products.startswith("products:\n  - ")
    return f"{yaml.dump(usual)}\n{products}\n{more}"


def find_loader(gate):
    found = [pid for pid, command in gate.children().items() if command.endswith("loader\n")]
    return found[0] if found else None


@contextlib.contextmanager
def stopped_load(gate, serial=2):
    """Starts a load and stops it; it goes on after the block, if it is still there."""
    gate.write_policy(large(serial))
    gate.signal(signal.SIGHUP)
    loader = common.wait_until(lambda: find_loader(gate), "a loader")
    os.kill(loader, signal.SIGSTOP)
    assert find_loader(gate) == loader
    yield loader
    with contextlib.suppress(ProcessLookupError):
        os.kill(loader, signal.SIGCONT)


def wait_no_loader(gate):
    common.wait_until(lambda: find_loader(gate) is None, "the loader ends")


def test_a_worker_that_dies_during_a_load_is_replaced(lab):
    gate = lab.gateway()
    gate.crash_expected = True
    start = len(gate.stderr)
    [victim] = gate.workers()
    with stopped_load(gate):
        os.kill(victim, signal.SIGKILL)
        common.wait_until(lambda: gate.workers() not in ([], [victim]), "a new worker")
        assert gate.get(SMALL).status == 200
    assert gate.wait_generation(start)[1] == 2
    assert gate.get(SMALL).status == 200
    wait_no_loader(gate)


def test_sigterm_during_a_load_drains_at_once(lab):
    gate = lab.gateway()
    with stopped_load(gate) as loader:
        gate.signal(signal.SIGTERM)
        assert gate.wait_exit() == 0
        assert not os.path.exists(f"/proc/{loader}")
    assert "generation 2" not in gate.stderr.text()


def test_sigquit_during_a_load_leaves_nothing_behind(lab):
    gate = lab.gateway()
    with stopped_load(gate) as loader:
        gate.signal(signal.SIGQUIT)
        assert gate.wait_exit() == 0
        assert not os.path.exists(f"/proc/{loader}")


def test_sighup_during_a_load_is_not_forgotten(lab):
    """What was written after the load had read its files comes into force with the next."""
    gate = lab.gateway()
    with stopped_load(gate):
        start = len(gate.stderr)
        gate.policy_file.unlink()  # a file of its own: what the load reads stays as it is
        gate.write_policy(policy(3, customers=[]))
        gate.signal(signal.SIGHUP)
        assert gate.get(SMALL).status == 200
    gate.wait_line(r"mirrorgate: info: policy: serial (1|2) -> 3: .*", start)
    common.wait_until(lambda: gate.get(SMALL).status == 403, "the last policy is in force")
    wait_no_loader(gate)


def test_a_loader_that_is_killed_leaves_the_old_generation_in_force(lab):
    gate = lab.gateway()
    start = len(gate.stderr)
    with stopped_load(gate) as loader:
        os.kill(loader, signal.SIGKILL)
        gate.wait_line(
            r"mirrorgate: error: the process that loads generation 2 was killed by signal 9: "
            r"reload refused", start,
        )  # fmt: skip
        assert gate.get(SMALL).status == 200
    assert gate.reload(large(2)) == 2
    wait_no_loader(gate)


def test_the_supervisor_does_not_keep_what_a_load_needed(lab):
    gate = lab.gateway()
    before = anonymous(gate)
    gate.reload(large(2))
    wait_no_loader(gate)
    assert anonymous(gate) - before < 4 << 20


def anonymous(gate):
    return gateway.status_field(gate.process.pid, "RssAnon")
