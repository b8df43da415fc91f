"""A relay on loopback that counts the bytes that pass: what a download costs on the wire."""

import contextlib
import dataclasses
import socket
import threading


@dataclasses.dataclass
class Passed:
    """What went through since the last Wire.passed()."""

    up: int = 0  # bytes to the server
    down: int = 0  # and from it
    connections: int = 0


class Wire:
    """Relays every connection to PORT. It takes a gateway's place where a test names servers."""

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._passed = Passed()
        threading.Thread(target=self._accept, daemon=True).start()

    def passed(self):
        """What passed since it was asked last."""
        with self._lock:
            passed, self._passed = self._passed, Passed()
        return passed

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._passed.connections += 1
                for direction in ((client, server, "up"), (server, client, "down")):
                    threading.Thread(target=self._relay, args=direction, daemon=True).start()

    def _relay(self, source, target, direction):
        """Counts before it passes on: what has arrived has been counted."""
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                with self._lock:
                    setattr(self._passed, direction, getattr(self._passed, direction) + len(piece))
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
