"""Policies of any size, written as fast as a disk takes them.

Customer I holds 20 licences, spread evenly over the products from product I on, each with both its
dates, as tests/bench/policy_lookup.c expects. The serial always has the same length, so that a new
one can be written over it. The customer "acme" of the tests comes first.
"""

import pathlib

LICENCES = 20
FIRST_SERIAL = 1_000_000
BATCH = 10_000

ACME = """\
  - id: acme
    subjects: ["CN=acme-prod,O=Acme Corp,C=DK"]
    products:
      - {id: step-core, from: 2026-01-01, until: 2099-12-31}
"""


def _licences(first, products):
    """The licences of a customer whose first product is FIRST."""
    stride = products // LICENCES
    numbers = ((first + stride * i) % products for i in range(LICENCES))
    return "".join(
        f"      - {{id: product-{number:04}, from: 2026-01-01, until: 2099-12-31}}\n"
        for number in numbers
    )


def _customer(number, licences):
    return (f"  - id: customer-{number:07}\n"
            f'    subjects: ["CN=customer-{number:07},O=Customer {number:07},C=DK"]\n'
            f"    products:\n{licences}")


def write(path, customers, products):
    """Writes the policy with FIRST_SERIAL to PATH."""
    blocks = [_licences(first, products) for first in range(products)]
    with pathlib.Path(path).open("w", encoding="ascii") as file:
        file.write(f"serial: {FIRST_SERIAL}\nproducts:\n")
        file.write('  - {id: step-core, paths: ["/artifacts/step-core/"]}\n')
        for number in range(products):
            name = f"product-{number:04}"
            file.write(f'  - {{id: {name}, paths: ["/artifacts/{name}/"]}}\n')
        file.write("customers:\n" + ACME)
        for start in range(0, customers, BATCH):
            numbers = range(start, min(start + BATCH, customers))
            file.write("".join(_customer(n, blocks[n % products]) for n in numbers))


def set_serial(path, serial):
    text = f"serial: {serial}\n".encode("ascii")
    assert len(text) == len(f"serial: {FIRST_SERIAL}\n")
    with pathlib.Path(path).open("r+b") as file:
        file.write(text)
