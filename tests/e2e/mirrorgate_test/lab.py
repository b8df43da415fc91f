"""A laboratory: starts stores and gateways for a test, and takes all of them down after it.

Its folder has a short name below /tmp, because the path of a Unix socket may have 107 bytes.
"""

import pathlib
import shutil
import tempfile

from . import gateway, pki, spot, store


class Lab:
    def __init__(self, world):
        self.world = world
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mg-"))
        self.folder.chmod(0o755)
        self._running = []
        self._folders = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def new_folder(self, name):
        self._folders += 1
        folder = self.folder / f"{name}{self._folders}"
        folder.mkdir()
        return folder

    def root(self):
        """A folder filled with the sample artifacts, for a store to serve."""
        root = self.new_folder("root")
        store.fill(root)
        return root

    def keep(self, running):
        """Has close() stop RUNNING; returns it."""
        self._running.append(running)
        return running

    def stub(self, root=None, **options):
        folder = self.new_folder("stub")
        return self.keep(store.UpstreamStub(root or self.root(), folder, **options))

    def nginx(self, root=None, **options):
        return self.keep(store.Nginx(root or self.root(), self.new_folder("nginx"), **options))

    def store(self, kind, root=None):
        return {"stub": self.stub, "nginx": self.nginx}[kind](root)

    def scripted(self, script, *, unix=False):
        path = self.new_folder("scripted") / "sock" if unix else None
        return self.keep(store.ScriptedStore(script, path))

    def tls_scripted(self, script, context):
        return self.keep(store.TlsStore(script, context))

    def server(self, script, identity=None, clients=None, **options):
        """An update server of SCRIPT, with the world's own certificate unless IDENTITY is given."""
        ca = self.world.authority
        own = pki.Identity("server", "", ca.folder / "server.crt", ca.folder / "server.key")
        made = spot.ScriptedServer(script, identity or own, clients or ca.certificate, **options)
        return self.keep(made)

    def spot(self, *servers, **keys):
        """An installation of spot that asks SERVERS: gateways, or servers of a script."""
        return spot.Spot(self.world, self.new_folder("spot"), *servers, **keys)

    def prepared(self, *stores, config=None, policy=None):
        """A gateway whose files are written, but which does not run."""
        return gateway.Gateway(
            self.world, self.new_folder("gate"), list(stores), config=config, policy_data=policy
        )

    def gateway(self, *stores, config=None, policy=None, **start):
        """A running gateway in front of STORES; a new stub when none are named. START goes to
        Gateway.start()."""
        made = self.prepared(*(stores or [self.stub()]), config=config, policy=policy)
        return self.start(made, **start)

    def start(self, prepared, **options):
        """Starts a gateway that was prepared, and keeps it."""
        return self.keep(prepared).start(**options)

    def close(self):
        """Stops everything, the latest first, and then fails if anything ended badly."""
        failures = []
        for running in reversed(self._running):
            try:
                running.stop()
            except AssertionError as failure:
                failures.append(str(failure))
        shutil.rmtree(self.folder)
        assert not failures, "\n".join(failures)
