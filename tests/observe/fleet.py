"""A fleet: three gates, two HAProxies with keepalived, nginx as a store, each on a host of its own, by the
files of packaging/examples/fleet. Their addresses are those; only folders and users differ.
"""

import json
import os
import shutil
import signal
import socket

from mirrorgate_test import client, common, store
from network import Network
from test_upgrade import Upgradable
from watchers import Watcher, haproxy_servers

EXAMPLES = common.REPOSITORY / "packaging/examples/fleet"
NET = "192.0.2."
PORT = 443
NGINX = """\
user root;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
  access_log off;
  include {folder}/nginx-store.conf;
}}
"""


def install(name, folder, **replaced):
    """The example NAME in FOLDER, where the programs' folders are FOLDER, too."""
    text = (EXAMPLES / name).read_text()
    for old in ("/etc/haproxy", "/run/haproxy", "/var/lib/mirrorgate", "/run/mirrorgate", "/var/log/mirrorgate"):
        text = text.replace(old, str(folder))
    for old, new in replaced.values():
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    (folder / name).write_text(text)


class Edge(Upgradable):
    """The gate on HOST."""

    def __init__(self, lab, host, number, keys):
        self.host, self.name, self.keys = host, f"edge{number}", keys
        self.address = f"{NET}{10 + number}"
        super().__init__(lab.world, lab.new_folder(self.name), [])

    def write_config(self, changes):
        assert not changes
        install("mirrorgate.yaml", self.folder, user=("user: mirrorgate\n", ""))
        ca = self.world.authority.folder
        for file in (ca / "server.crt", ca / "server.key", ca / "ca.crt", ca / "ca.crl", self.keys):
            shutil.copy(file, self.folder)

    def command(self, *flags):
        return [*self.host.prefix(), *super().command(*flags)]

    def restart(self):
        """SIGTERM, and another after its end."""
        self.signal(signal.SIGTERM)
        assert self.wait_exit() == 0
        self.start()

    def kill(self):
        """Ends it and its workers at once, as far as the network can see."""
        workers = self.workers()
        for pid in (self.process.pid, *workers):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Balancer:
    """HAProxy and keepalived on HOST."""

    def __init__(self, lab, host, name):
        world = lab.world
        self.host, self.folder = host, lab.new_folder(name)
        self.folder.chmod(0o755)
        probe = world.identity("probe")
        (self.folder / "probe.pem").write_bytes(probe.cert.read_bytes() + probe.key.read_bytes())
        shutil.copy(world.authority.certificate, self.folder)
        for file in ("haproxy.cfg", "keepalived.conf"):
            install(file, self.folder)
        self.haproxy = self.keepalived = None
        self.start_haproxy()
        self.keepalived = Watcher(self.folder, [
            *host.prefix(), "keepalived", "--vrrp", "--dont-fork", "--log-console", "--use-file=keepalived.conf",
            "--pid=keepalived.pid", "--vrrp_pid=vrrp.pid",
        ])  # fmt: skip

    def start_haproxy(self):
        self.haproxy = Watcher(self.folder, [*self.host.prefix(), "haproxy", "-db", "-f", "haproxy.cfg"])
        common.wait_until(self.answers, "HAProxy is there")

    def answers(self):
        assert self.haproxy.process.poll() is None, self.haproxy.output.text()
        try:
            return self.servers()
        except OSError:
            return None

    def servers(self):
        return haproxy_servers(self.folder / "admin.sock")

    def has_address(self):
        return f"{NET}20/" in self.host.run("ip", "address", "show", "dev", "eth0")

    def stop(self):
        for program in (self.keepalived, self.haproxy):
            if program is not None:
                program.stop()


class Fleet(client.Reachable):
    """All of it, up; clients are on a host of their own."""

    port = PORT

    def __init__(self, lab):
        self.world = lab.world
        network = lab.keep(Network())
        self.clients = network.host(f"{NET}41/24")
        self.root = lab.new_folder("artifacts")
        store.fill(self.root)
        self.store = lab.keep(self._store(lab, network.host(f"{NET}31/24")))
        keys = lab.new_folder("keys") / "ticket.keys"
        lab.world.authority.run("ticket-keys", str(keys))
        hosts = [network.host(f"{NET}{11 + n}/24") for n in range(3)]
        self.gates = [lab.start(Edge(lab, host, n, keys)) for n, host in enumerate(hosts, 1)]
        self.balancers = [
            lab.keep(Balancer(lab, network.host(f"{NET}{20 + n}/24"), f"balancer{n}")) for n in (1, 2)
        ]
        for gate in self.gates:
            self.wait_status(gate, "UP")
        self.wait_balancer()

    def _store(self, lab, host):
        folder = lab.new_folder("store")
        install("nginx-store.conf", folder, root=("/srv/artifacts", str(self.root)))
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
        nginx = Watcher(folder, [
            *host.prefix(), "/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr",
        ])  # fmt: skip
        common.wait_until((folder / "nginx.pid").exists, "nginx is there")
        return nginx

    def tcp(self, **options):
        with self.clients.inside():
            return client.tcp_connect(PORT, host=f"{NET}20", **options)

    def wait_status(self, gate, status):
        """Waits until both balancers, as far as they are there, think STATUS of GATE."""

        def reached():
            rows = [balancer.servers()[gate.name] for balancer in self.balancers
                    if balancer.haproxy.process.poll() is None]  # fmt: skip
            return all(row["status"] == status and "INI" not in row["check_status"] for row in rows)

        common.wait_until(reached, f"{gate.name} is {status} for HAProxy")

    def wait_balancer(self):
        """The balancer that alone has the clients' address."""

        def found():
            having = [balancer for balancer in self.balancers if balancer.has_address()]
            return having if len(having) == 1 else None

        return common.wait_until(found, "one balancer has the address")[0]

    def takes_connections(self, gate):
        """Whether GATE has a listening socket; asked from a balancer's host."""
        with self.balancers[0].host.inside(), socket.socket() as sock:
            return sock.connect_ex((gate.address, PORT)) == 0

    def answered(self, request_id):
        """The gate that answered, and what it logged."""

        def found():
            for gate in self.gates:  # whose logs are long: what is not looked for is not parsed
                for line in gate.access_log.read_text("utf-8").splitlines():
                    if request_id in line:
                        return gate, json.loads(line)
            return None

        return common.wait_until(found, f"a line of {request_id}")
