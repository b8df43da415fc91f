"""Programs that watch a gate or stand in front of it, each in the foreground, in a folder of its own and on loopback."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import yaml
from mirrorgate_test import client, common, pki

PROMETHEUS_DIR = common.REPOSITORY / "packaging/prometheus"


class Watcher:
    """COMMAND, run until stop(); its output is kept."""

    def __init__(self, folder, command, **options):
        self.folder = folder
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **options,
        )  # fmt: skip
        self.output = common.Lines(self.process.stdout)

    def wait_line(self, pattern):
        def found():
            for line in self.output.since():
                if match := re.search(pattern, line):
                    return match
            assert self.process.poll() is None, self.output.text()
            return None

        return common.wait_until(found, f"a line like {pattern!r}", 30)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.output.join()


class Prometheus(Watcher):
    """Scrapes GATES each second with the certificate of WHO, by the configuration that is shipped."""

    def __init__(self, folder, gates, who="ops"):
        world = gates[0].world
        identity = world.identity(who)
        config = yaml.safe_load((PROMETHEUS_DIR / "prometheus.yml").read_text())
        [job] = config["scrape_configs"]
        job["scrape_interval"] = "1s"
        job["tls_config"] = {
            "ca_file": str(world.authority.certificate),
            "cert_file": str(identity.cert),
            "key_file": str(identity.key),
            "server_name": pki.SERVER_NAME,
        }
        job["static_configs"][0]["targets"] = [f"127.0.0.1:{gate.port}" for gate in gates]
        shutil.copy(PROMETHEUS_DIR / "mirrorgate.rules.yml", folder)
        config["rule_files"] = ["mirrorgate.rules.yml"]
        (folder / "prometheus.yml").write_text(yaml.dump(config))
        super().__init__(folder, [
            "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=1h",
        ])  # fmt: skip
        self.address = self.wait_line(r'msg="Listening on" address=(\S+)')[1]
        self.wait_line("Server is ready to receive web requests")

    def get(self, path, **arguments):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=15) as answer:
            reply = json.load(answer)
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def targets(self):
        return self.get("targets")["activeTargets"]


class Balancer(Watcher, client.Reachable):
    """A load balancer that passes TCP on to GATE, and listens at `port`. It is given the socket, so that
    nobody can take the port before, by its number in the environment."""

    variable, form = "LISTENER", "{}"

    def __init__(self, folder, gate, command):
        self.world = gate.world
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            self.port = listener.getsockname()[1]
            self.write_config(folder, gate)
            number = listener.fileno()
            variables = {self.variable: self.form.format(number)}
            super().__init__(
                folder, command, pass_fds=[number], env={**os.environ, **variables}
            )


def haproxy_servers(path):
    """The rows of the statistics of the HAProxy whose socket is PATH, by server."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(b"show stat\n")
        with sock.makefile() as answer:
            text = answer.read()
    return {row["svname"]: row for row in csv.DictReader(text.splitlines())}


class Haproxy(Balancer):
    """OPTIONS stand on the server's line, LINES in its section."""

    def __init__(self, folder, gate, options="", lines=()):
        self.options, self.lines = options, lines
        super().__init__(folder, gate, ["haproxy", "-db", "-f", "haproxy.cfg"])
        common.wait_until(self._listens, "HAProxy is there", 30)

    def _listens(self):
        assert self.process.poll() is None, self.output.text()
        return (self.folder / "stats.sock").exists()

    def write_config(self, folder, gate):
        (folder / "haproxy.cfg").write_text("\n".join([
            "global",
            "  stats socket unix@stats.sock mode 600 level admin",
            "defaults",
            "  mode tcp",
            "  timeout connect 10s",
            "  timeout client 1m",
            "  timeout server 1m",
            "  timeout check 10s",
            "listen edge",
            '  bind "fd@${LISTENER}"',
            *(f"  {line}" for line in self.lines),
            f"  server gate 127.0.0.1:{gate.port} inter 200ms fall 1 rise 1 {self.options}",
            "",
        ]))  # fmt: skip

    def server(self):
        """The row of its statistics."""
        return haproxy_servers(self.folder / "stats.sock")["gate"]

    def wait_status(self, status):
        def reached():
            assert self.process.poll() is None, self.output.text()
            row = self.server()
            return row if row["status"] == status and "INI" not in row["check_status"] else None

        return common.wait_until(reached, f"the gate is {status} for HAProxy", 30)


NGINX_STREAM = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
stream {{
  upstream gates {{
    server 127.0.0.1:{gate.port};
  }}
  server {{
    listen 127.0.0.1:{port};
    proxy_pass gates;
    {lines}
  }}
}}
"""


class NginxStream(Balancer):
    """nginx that passes TCP on; LINES stand in its server. Which PROXY header it sends, version 1, is theirs
    to say."""

    variable, form = "NGINX", "{};"

    def __init__(self, folder, gate, lines=""):
        self.lines = lines
        super().__init__(folder, gate, [
            "/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr",
        ])  # fmt: skip
        common.wait_until(self._listens, "nginx is there", 30)

    def _listens(self):
        assert self.process.poll() is None, self.output.text()
        return (self.folder / "nginx.pid").exists()

    def write_config(self, folder, gate):
        (folder / "nginx.conf").write_text(
            NGINX_STREAM.format(folder=folder, gate=gate, port=self.port, lines=self.lines))
