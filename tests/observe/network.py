"""Hosts on one wire: network namespaces, each with an eth0 on a bridge. They need root and end with us.

A namespace lives as long as a process in it: here one that reads a pipe of ours, so that whatever ends us
ends them, too.
"""

import contextlib
import ctypes
import os
import subprocess

from mirrorgate_test import common

CLONE_NEWNET = 0x40000000
OURS = "/proc/self/ns/net"


class Namespace:
    def __init__(self):
        assert os.geteuid() == 0, "network namespaces are made by root: run this as root"
        self._holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        self.pid = self._holder.pid
        self.path = f"/proc/{self.pid}/ns/net"
        common.wait_until(lambda: os.readlink(self.path) != os.readlink(OURS), "a namespace", 30)
        self.run("ip", "link", "set", "lo", "up")

    def prefix(self):
        """What stands before a command to have it run here; its process is the command's own."""
        return ["nsenter", f"--net={self.path}"]

    def run(self, *command):
        done = subprocess.run([*self.prefix(), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    @contextlib.contextmanager
    def inside(self):
        """This thread is here while the block runs; a socket made in it stays here."""
        with open(OURS, "rb") as ours, open(self.path, "rb") as here:
            enter(here)
            try:
                yield
            finally:
                enter(ours)

    def close(self):
        self._holder.stdin.close()
        self._holder.wait(30)


def enter(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    def __init__(self):
        self._all = []
        self._wire = self._add(Namespace())
        self._wire.run("ip", "link", "add", "name", "wire", "up", "type", "bridge")

    def _add(self, namespace):
        self._all.append(namespace)
        return namespace

    def host(self, address):
        """A host that has ADDRESS, with a prefix length."""
        host = self._add(Namespace())
        end = f"end{len(self._all)}"
        self._wire.run("ip", "link", "add", "name", end, "master", "wire", "type", "veth",
                       "peer", "name", "eth0", "netns", str(host.pid))  # fmt: skip
        self._wire.run("ip", "link", "set", end, "up")
        host.run("ip", "address", "add", address, "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        return host

    def stop(self):
        for namespace in reversed(self._all):
            namespace.close()
