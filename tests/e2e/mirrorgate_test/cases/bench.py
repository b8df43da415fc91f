"""A gateway on the bench: what a case may ask of any gateway, mirrorgate or another.

    name            mirrorgate, nginx, haproxy, apache
    world           the certificates (pki.World)
    gate            in front of `store`: has .port, .tcp(), .connect(who, version=, alpn=) and
                    .over(sock, who, ...), as gateway.Gateway does
    store           an upstream-stub with the sample artifacts, which logs every byte it receives
    scripted        a store.ScriptedStore whose script each case sets: scripted.play(script)
    scripted_gate   the same gateway, with the same settings, in front of `scripted`

The settings are those of the end-to-end tests: the policy of gateway.policy(), the CA's revocation
list, and the timeouts that the gateway was given by whoever made the bench.
"""

import dataclasses
import typing


@dataclasses.dataclass
class Bench:
    name: str
    world: typing.Any
    gate: typing.Any
    store: typing.Any
    scripted: typing.Any
    scripted_gate: typing.Any

    @property
    def is_mirrorgate(self):
        return self.name == "mirrorgate"
