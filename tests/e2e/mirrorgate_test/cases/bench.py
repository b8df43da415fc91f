"""A gateway on the bench, mirrorgate or another, and what every case has in common.

The settings are those of the end-to-end tests: the policy of gateway.policy(), the CA's revocation
list, one second of patience with the store. Connections come from `gate` and `scripted_gate`, each
with .port, .tcp(), .connect(who, version=, alpn=) and .over(sock, who, ...) as gateway.Gateway has.
"""

import dataclasses
import pathlib
import typing


@dataclasses.dataclass
class Bench:
    name: str  # mirrorgate, nginx, haproxy or apache
    world: typing.Any  # the certificates: pki.World
    gate: typing.Any  # stands in front of `store`
    store: typing.Any  # an upstream-stub with the sample artifacts, which logs every byte
    scripted: typing.Any  # a store.ScriptedStore; each case sets what it does by .play(script)
    scripted_gate: typing.Any  # the same gateway in front of `scripted`
    folder: pathlib.Path  # for files of the cases; names there must not collide
    # For the cases of revocation_lists only: .gate, in front of `store`, .replace(list), which
    # installs the bytes of a list, or takes the file away for None, and has the gateway reload, and
    # .restart(list), which tells whether the gateway starts again with it.
    revocation: typing.Any = None
    # For the flood of refusals: the gate with its limits as they come, where `gate` has none on
    # refusals, so that many cases in a second are not one too many.
    limited_gate: typing.Any = None

    @property
    def is_mirrorgate(self):
        return self.name == "mirrorgate"


@dataclasses.dataclass
class Case:
    """What the tables' own classes derive from."""

    group: str
    name: str
    house: bool = dataclasses.field(default=False, kw_only=True)

    def __str__(self):
        return f"{self.group}: {self.name}"

    def attempt(self, bench, strict):
        raise NotImplementedError
