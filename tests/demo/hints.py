"""What `make run` prints: commands to paste into another terminal."""

import json
import shlex

import stage as stages
from checks import snapshot


def _line(*words):
    return "  " + " ".join(shlex.quote(str(word)) for word in words)


def _curl(stage, who, path, *options):
    return _line("curl", *stage.credentials(who), *options, stage.url(path))


def _spot(stage, *words):
    return _line(stages.SPOT, "-c", stage.spot_file, *words)


def text(stage):
    """The whole guide to STAGE, which runs. Leaves snapshot.json in the stage's folder."""
    upload = stage.folder / "snapshot.json"
    upload.write_text(json.dumps(snapshot(), indent=2) + "\n")
    patch, image = stage.folder / "patch.zip", stage.folder / "core.img"
    drop_licence = f"s/^serial: .*/serial: 2/; /{stages.LICENCE_CORE}/d"
    parts = (
        ("A download, and the 1 GiB file with a progress meter:",
         _curl(stage, "acme", stages.PATCH, "--output", patch),
         _curl(stage, "acme", stages.IMAGE, "--output", image)),
        ("The first 1,000 bytes by Range, then the rest; compared with the store:",
         _curl(stage, "acme", stages.PATCH, "--range", "0-999", "--output", patch),
         _curl(stage, "acme", stages.PATCH, "--continue-at", "-", "--output", patch),
         _line("sha256sum", patch, stage.file(stages.PATCH))),
        ("Refused: not licensed, another customer, no certificate, plain HTTP:",
         _curl(stage, "acme", stages.PLUS),
         _curl(stage, "globex", stages.PATCH),
         _curl(stage, None, stages.PATCH),
         _line("curl", f"http://{stages.HOST}:{stage.port}/")),
        ("A snapshot saved, and what the store then has:",
         _curl(stage, "acme", "/snapshots/prod-1", "--request", "PUT", "--header",
               "Content-Type: application/json", "--data-binary", f"@{upload}"),
         _line("find", stage.root / "snapshots", "-type", "f")),
        ("The same with spot, the update client: a verified version, a snapshot and its receipt:",
         _spot(stage, "list"),
         _spot(stage, "fetch", "step-docs", "--to", stage.folder / "docs"),
         _spot(stage, "snapshot", "prod-1", "--from", upload, "--dry-run"),
         _spot(stage, "snapshot", "prod-1", "--from", upload)),
        ("What acme has licensed, and the health check of a load balancer:",
         _curl(stage, "acme", "/licence"),
         _curl(stage, "probe", "/healthz")),
        ("acme's licence for step-core withdrawn: any edit with a higher serial, then SIGHUP:",
         _line("sed", "-i", drop_licence, stage.policy_file),
         _line(stages.BUILD / "mirrorgate-policy", "check", stage.policy_file),
         _line("kill", "-HUP", stage.gateway.pid)),
        ("The access log, and a drain (the health check says so for 3 s):",
         _line("tail", "-f", stage.folder / "access.log"),
         _line("kill", "-TERM", stage.gateway.pid)),
    )
    return "\n\n".join("\n".join(part) for part in parts)
