"""The program under test: its files, its process, what it prints and logs.

`Gateway` writes mirrorgate.yaml and policy.yaml into a folder of its own, starts mirrorgate, and
takes it down again with SIGTERM. Taking it down is a test too: exit code 0, the same workers as at
the start, no sanitizer report, and no refused request in the store's log.
"""

import copy
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from . import client, common, pki, yaml

_LISTENING = re.compile(r"mirrorgate: info: listening on (\S+):(\d+)")
_GENERATION = re.compile(
    r"mirrorgate: info: generation (\d+) live on (\d+)/(\d+) workers: kept (\d+), cut (\d+)"
)
_REFUSED = re.compile(r"mirrorgate: error: reload refused, generation (\d+) stays in force: (.+)")

# The leak check at the end of a loader that is killed meanwhile, because its supervisor ended; and a
# worker's handshakes change stacks, of which AddressSanitizer is told.
_SANITIZERS_OWN = re.compile(
    r"==\d+==(Unable to get registers from thread \d+\."
    r"|WARNING: ASan doesn't fully support makecontext/swapcontext functions .*)"
)

# Reasons that end a request before the store may hear of it.
_NEVER_AT_STORE = {
    "malformed-request", "malformed-path", "body-not-allowed", "unknown-subject", "not-licensed",
    "licence-expired", "licence-not-started", "certificate-revoked", "not-permitted",
    "method-not-allowed", "request-timeout", "length-required", "snapshot-too-large",
    "uri-too-long", "unsupported-media-type", "expectation-failed", "misdirected",
    "snapshot-invalid", "too-many", "headers-too-large", "method-unknown",
}  # fmt: skip


def policy(serial=1, **changes):
    """The policy that most tests use, as a dictionary for yaml.dump(); CHANGES replace keys."""
    core = {"id": "step-core", "paths": ["/artifacts/step-core/"]}
    core["except"] = ["/artifacts/step-core/internal/"]
    products = [core] + [
        {"id": f"step-{name}", "paths": [f"/artifacts/step-{name}/"]}
        for name in ("plus", "old", "next")
    ]
    acme = [
        {"id": "step-core", "from": "2020-01-01", "until": "2999-12-31"},
        {"id": "step-old", "until": "2020-12-31"},
        {"id": "step-next", "from": "2999-01-01"},
    ]
    return {
        "serial": serial,
        "products": products,
        "customers": [
            customer("acme", acme),
            customer("globex", ["step-plus"]),
            customer("initech", ["step-core", "step-plus"]),
        ],
        "probes": [pki.SUBJECTS["probe"]],
        "observers": [pki.SUBJECTS["ops"]],
        **changes,
    }


def customer(name, licences, **limits):
    """A customers entry; LICENCES are entries, or just product ids."""
    products = [{"id": entry} if isinstance(entry, str) else entry for entry in licences]
    return {"id": name, "subjects": [pki.SUBJECTS[name]], "products": products, **limits}


def merged(base, changes):
    """A copy of BASE with CHANGES laid over it, mapping by mapping; None takes a key away."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


class Gateway(client.Reachable):
    def __init__(self, world, folder, stores, *, config=None, policy_data=None):
        self.world = world
        self.folder = pathlib.Path(folder)
        self.stores = stores
        self.crash_expected = False
        self.first_workers = None
        self.process = None
        self.config_file = self.folder / "mirrorgate.yaml"
        self.policy_file = self.folder / "policy.yaml"
        self.access_log = self.folder / "access.log"
        self.write_config(config or {})
        self.write_policy(policy_data or policy())

    # --- files

    def write_config(self, changes):
        ca = self.world.authority.folder
        base = {
            "listen": [{"address": "127.0.0.1", "port": 0}],
            "workers": 1,
            "tls": {
                "certificate": str(ca / "server.crt"),
                "key": str(ca / "server.key"),
                "client_ca": str(ca / "ca.crt"),
                "crl": str(ca / "ca.crl"),
            },
            "policy": "policy.yaml",
            "store": {"servers": [store.url for store in self.stores]},
            # A test may stop a worker, or be long between two requests, and a machine be slow.
            "timeouts": {"worker": "10m", "idle": "10m"},
            "drain": {"timeout": "5s"},
            "log": {"access": "access.log"},
        }
        self.config_file.write_text(yaml.dump(merged(base, changes)))

    def write_policy(self, data):
        """Writes a policy: a dictionary, the text of a file, or the bytes of an image."""
        if isinstance(data, bytes):
            self.policy_file.write_bytes(data)
        else:
            self.policy_file.write_text(data if isinstance(data, str) else yaml.dump(data))

    # --- the process

    def command(self, *flags):
        return [str(common.MIRRORGATE), "-c", str(self.config_file), *flags]

    def run(self, *flags):
        """Runs mirrorgate with FLAGS to its end; returns the finished process."""
        return subprocess.run(
            self.command(*flags), capture_output=True, text=True, check=False,
            timeout=30 * common.PATIENCE, env=_environment(),
        )  # fmt: skip

    def start(self, shell=None, *, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
        """Starts it and waits until it is ready. SHELL are commands for sh to run before it
        becomes mirrorgate; a STDOUT that is given is read by the caller, not here."""
        before = ["sh", "-c", shell + '; exec "$@"', "sh"] if shell else []
        self.process = subprocess.Popen(
            [*before, *self.command("--unsafe-any-port")],
            stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=_environment(),
        )  # fmt: skip
        self.stdout = common.Lines(self.process.stdout or io.BytesIO())
        self.stderr = common.Lines(self.process.stderr)
        _, self.generation = self.wait_generation(0)
        self.ports = [
            int(match[2])
            for line in self.stderr.since()
            if (match := _LISTENING.fullmatch(line))
        ]
        # The key holder is named when it first runs.
        common.wait_until(lambda: not (names := self.children().values()) or
                          any(name.endswith("key-holder\n") for name in names),
                          "the key holder has its name")  # fmt: skip
        self.first_workers = self.workers()
        return self

    @property
    def port(self):
        return self.ports[0]

    def wait_line(self, pattern, start=0, timeout=common.LONG):
        """Waits for a line of stderr that matches PATTERN as a whole; returns the match."""

        def found():
            ended = self.stderr.has_ended()  # not the process: another may have taken over
            for line in self.stderr.since(start):
                if match := re.fullmatch(pattern, line):
                    return match
            assert not ended, f"it ended without a line like {pattern!r}"
            return None

        try:
            return common.wait_until(found, f"a line like {pattern!r}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.stderr.text()}") from None

    def wait_generation(self, start):
        match = self.wait_line(_GENERATION.pattern, start)
        assert match[2] == match[3], f"not live on all workers: {match[0]}"
        return match, int(match[1])

    def reload(self, data=None):
        """Writes the policy DATA, sends SIGHUP, waits for the next generation; its number."""
        if data is not None:
            self.write_policy(data)
        start = len(self.stderr)
        self.signal(signal.SIGHUP)
        _, number = self.wait_generation(start)
        assert number == self.generation + 1
        self.generation = number
        return number

    def reload_refused(self, data):
        """Like reload(), for a policy that must be refused; returns the lines that say why."""
        self.write_policy(data)
        start = len(self.stderr)
        self.signal(signal.SIGHUP)
        match = self.wait_line(_REFUSED.pattern, start)
        assert int(match[1]) == self.generation
        assert not any(_GENERATION.fullmatch(line) for line in self.stderr.since(start))
        return self.stderr.since(start)

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=common.LONG):
        return self.process.wait(timeout=timeout * common.PATIENCE)

    def children(self):
        """The supervisor's children by their parent field in /proc, as PID -> command line."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = _text(entry / "stat")
                command = _text(entry / "cmdline") + _text(entry / "comm")
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == self.process.pid and state != "Z":
                found[int(entry.name)] = command
        return found

    def workers(self):
        """The workers' process ids; the key holder and a loader are no workers."""
        return sorted(
            pid for pid, command in self.children().items()
            if not command.endswith(("loader\n", "key-holder\n"))
        )  # fmt: skip

    def private_memory(self):
        """Bytes of private memory of all workers: RssAnon, without pages they share."""
        return sum(status_field(pid, "RssAnon") for pid in self.workers())

    def cpu_ticks(self):
        """CPU time of all workers, in ticks of the clock."""
        return sum(cpu_ticks(pid) for pid in self.workers())

    def wait_rest(self, timeout=common.LONG):
        """Waits for half a second in which the workers have next to nothing to do."""
        seen = []

        def at_rest():
            now = time.monotonic()
            seen.append((now, self.cpu_ticks()))
            since = [ticks for when, ticks in seen if when >= now - 0.5]
            return now - seen[0][0] > 0.5 and since[-1] - since[0] <= 5

        common.wait_until(at_rest, "the workers come to rest", timeout)

    def stop(self):
        """Ends it if it still runs, and makes the checks that every run must pass."""
        if self.process is None:
            return
        workers = self.workers() if self.process.poll() is None else None
        if workers is not None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait_exit()
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)
            code = self.wait_exit()
        self.stdout.join()
        self.stderr.join()
        text = self.stderr.text()
        print(f"--- mirrorgate in {self.folder}, exit code {code}\n{text}\n{self.stdout.text()}")
        for trace in ("Sanitizer", "runtime error:", "Assertion"):
            assert trace not in text, text
        assert code == 0, f"exit code {code}\n{text}"
        if workers is not None and not self.crash_expected:
            assert workers == self.first_workers, f"a worker was replaced\n{text}"
        for line in self.stderr.since():
            known = line.startswith("mirrorgate: ") or common.SANITIZED and _SANITIZERS_OWN.match(line)
            assert known, f"a line of no known form: {line}"
        self._audit()

    def _audit(self):
        """No request that was refused here is in a store's log; one that was cut later may be."""
        refused = {
            line["request_id"]: line["reason"]
            for line in self.log_lines()
            if line["reason"] in _NEVER_AT_STORE and line["status"] not in (200, 206)
        }
        for store in self.stores:
            for request in getattr(store, "requests", list)():
                identifier = request["headers"].get("x-request-id")
                assert identifier not in refused, (refused[identifier], request)

    # --- the access log

    def log_lines(self):
        if not self.access_log.exists():
            return []
        return [json.loads(line) for line in self.access_log.read_text("utf-8").split("\n")[:-1]]

    def log_line(self, request_id):
        """The one line of the access log about REQUEST_ID."""

        def found():
            return [line for line in self.log_lines() if line.get("request_id") == request_id]

        lines = common.wait_until(found, f"an access log line of {request_id}")
        assert len(lines) == 1
        return lines[0]


def _text(path):
    """A file below /proc; any process may have any bytes in its name and arguments."""
    return path.read_text("utf-8", "replace")


def status_field(pid, name):
    """A field of /proc/PID/status; kB come as bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            words = value.split()
            return int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    raise AssertionError(f"no {name} in the status of {pid}")


def cpu_ticks(pid):
    """CPU time of PID, its own and the kernel's for it, in ticks of 10 ms."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii")
    return sum(map(int, stat.rpartition(")")[2].split()[11:13]))


def _environment():
    """Ours, with sanitizers told not to hoard freed memory, so that growth means something."""
    options = "quarantine_size_mb=1:thread_local_quarantine_size_kb=16"
    given = os.environ.get("ASAN_OPTIONS")
    return {
        **os.environ,
        "ASAN_OPTIONS": f"{given}:{options}" if given else options,
        "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1"),
    }


class MemoryWatch:
    """Notes the peak of the workers' private memory while its block runs."""

    def __init__(self, gateway):
        self._gateway = gateway
        self._pids = gateway.workers()
        self._done = threading.Event()
        self.before = self.peak = self._now()

    def _now(self):
        return sum(status_field(pid, "RssAnon") for pid in self._pids)

    def _watch(self):
        while not self._done.wait(0.005):
            self.peak = max(self.peak, self._now())

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, self._now())

    @property
    def growth(self):
        return self.peak - self.before


def timed(action):
    """Runs ACTION; returns (its result, the seconds it took)."""
    start = time.monotonic()
    result = action()
    return result, time.monotonic() - start


def open_port_closed(port):
    """True when connecting to PORT on loopback is refused."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=common.LONG).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it came just before the listening socket was closed
        return False
    return False
