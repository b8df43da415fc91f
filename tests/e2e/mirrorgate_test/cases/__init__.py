"""Everything known to have broken gateways, as tables of cases.

Each module here has a list CASES of objects with

    group       the heading it stands under in build/attack.md
    name        unique within its group; str(case) is "group: name", as a test id
    house       True when the rule is only ours: a gateway that lets it through breaks no RFC and
                no promise of its own, it is merely less strict than design.md section 4
    attempt(bench, strict)
                tries it once on BENCH; returns None when the gateway held, or one line that says
                what it did instead

STRICT asks for all that design.md says of mirrorgate: the exact status and reason, whether the
connection goes on, what the log says. Without it the question is only the one that may be put to
any gateway: was what must be refused kept from the store and not answered with success, and could
the client be misled? So the same tables serve the end-to-end tests, which are strict, and
`make attack`, which compares.
"""
