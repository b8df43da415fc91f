"""A store that is named: every address of its name is tried, and the name is looked up again after
a SIGHUP and when the store fails, without any request having to wait for that.

The names are looked up by a getaddrinfo() of our own, which reads the addresses from a file.
"""

import signal
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import refusal

SMALL = "/artifacts/step-core/small.txt"
NOBODY = "127.0.0.9"

RESOLVER = r"""
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **found)
{
	lookup_fn *real = (lookup_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo **end = found;
	char line[100];
	FILE *file;

	if (strcmp(name, "store.test") != 0)
		return real(name, service, hints, found);
	file = fopen(getenv("LOOKUPS"), "a");
	fputs("looked up\n", file);
	fclose(file);
	file = fopen(getenv("ADDRESSES"), "r");
	*found = NULL;
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "hang") == 0)
			for (;;)
				pause();
		if (real(line, service, hints, end) != 0)
			abort();
		end = &(*end)->ai_next;
	}
	fclose(file);
	return *found != NULL ? 0 : EAI_AGAIN;
}
"""


class Names:
    """What the name leads to, and a gate in front of it."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.addresses = folder / "addresses"
        self.lookups = folder / "lookups"
        environment = {
            **common.preload(folder, RESOLVER),
            "ADDRESSES": self.addresses, "LOOKUPS": self.lookups,
        }  # fmt: skip
        self.shell = "; ".join(f"export {key}='{value}'" for key, value in environment.items())
        self.store = lab.stub()
        self.port = self.store.address.rpartition(":")[2]
        self.name = f"store.test:{self.port}"

    def lead_to(self, *addresses):
        whole = self.addresses.with_suffix(".new")
        whole.write_text("".join(f"{address}\n" for address in addresses))
        whole.replace(self.addresses)

    def gate(self, *addresses, **config):
        self.lead_to(*addresses)
        config = {"store": {"servers": [f"http://{self.name}"]}, **config}
        return self.lab.gateway(self.store, config=config, shell=self.shell)

    def other_store(self, text):
        """One at another address, with the same port and another text."""
        other = self.lab.stub(listen=f"127.0.0.2:{self.port}")
        (other.root / SMALL[1:]).write_bytes(text)
        return other

    def count(self):
        return len(self.lookups.read_text().splitlines())

    def wait_moved(self, gate, start, *addresses):
        """Waits until the workers know of ADDRESSES."""
        where = ", ".join(f"{address}:{self.port}" for address in addresses)
        gate.wait_line(f"mirrorgate: info: store {self.name} is now at {where}", start)
        gate.wait_generation(start)


@pytest.fixture
def names(lab, tmp_path):
    return Names(lab, tmp_path)


def test_every_address_is_tried_and_the_one_that_works_is_kept(names):
    gate = names.gate(NOBODY, "127.0.0.1", "127.0.0.8")
    start = len(gate.stderr)
    for _ in range(3):
        with gate.connect() as connection:
            assert connection.get(SMALL).status == 200
    said = [line for line in gate.stderr.since(start) if "while connecting" in line]
    assert said == [
        f"mirrorgate: warning: Connection refused while connecting to store {names.name} at "
        f"{NOBODY}:{names.port}: its next address is tried"
    ]


def test_a_check_tries_every_address_too(names):
    gate = names.gate(
        NOBODY, "127.0.0.1", store={"servers": [f"http://{names.name}"], "probe": SMALL}
    )
    common.wait_until(names.store.requests, "the store is checked")
    assert gate.get("/healthz", who="probe").status == 200


def test_a_store_is_unavailable_when_no_address_can_be_connected(names):
    gate = names.gate(NOBODY, "127.0.0.8")
    start = len(gate.stderr)
    with names.store.untouched():
        refusal(gate.get(SMALL), 503, "store-unavailable")
    gate.wait_line(
        f"mirrorgate: warning: Connection refused while connecting to store {names.name}", start
    )


def test_a_reload_looks_names_up_again_and_leaves_idle_connections_behind(names):
    gate = names.gate("127.0.0.1")
    other = names.other_store(b"from the other store")
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200  # its connection to the store stays idle
        names.lead_to("127.0.0.2")
        start = len(gate.stderr)
        gate.reload()
        names.wait_moved(gate, start, "127.0.0.2")
        common.wait_until(
            lambda: connection.get(SMALL).body == b"from the other store", "the other store"
        )
        with names.store.untouched():
            assert connection.get(SMALL).body == b"from the other store"
    assert other.requests()


def test_a_running_download_goes_on_when_its_store_moves(names):
    gate = names.gate("127.0.0.1")
    path = "/artifacts/step-core/large.bin"
    with gate.connect() as connection:
        connection.send_request("GET", path)
        common.wait_until(names.store.requests, "the download begins")
        names.other_store(b"elsewhere")
        names.lead_to("127.0.0.2")
        start = len(gate.stderr)
        gate.reload()
        names.wait_moved(gate, start, "127.0.0.2")
        assert connection.response().body == (names.store.root / path[1:]).read_bytes()


def test_a_store_that_fails_has_its_name_looked_up_again(names):
    gate = names.gate(NOBODY)
    start = len(gate.stderr)
    names.lead_to("127.0.0.1")
    refusal(gate.get(SMALL), 503, "store-unavailable")
    common.wait_until(lambda: gate.get(SMALL).status == 200, "the store is found")
    names.wait_moved(gate, start, "127.0.0.1")


def test_names_are_looked_up_only_once_in_a_while(names):
    gate = names.gate(NOBODY)
    began = time.monotonic()
    refusal(gate.get(SMALL), 503, "store-unavailable")
    common.wait_until(lambda: names.count() > 1, "the first failure leads to a look-up")
    for _ in range(50):
        refusal(gate.get(SMALL), 503, "store-unavailable")
    common.wait_until(lambda: names.count() > 2, "further failures lead to another")
    seconds = time.monotonic() - began
    assert names.count() <= 2 + seconds / 10


def test_a_name_that_cannot_be_looked_up_keeps_its_addresses(names):
    gate = names.gate("127.0.0.1")
    names.lead_to()
    start = len(gate.stderr)
    gate.reload()
    gate.wait_line(
        f"mirrorgate: warning: store {names.name} names a host that cannot be resolved now: the "
        f"name servers do not answer; it stays at 127.0.0.1:{names.port}",
        start,
    )
    assert gate.get(SMALL).status == 200
    metrics = gate.get("/metrics", who="ops").body.decode()
    assert "mirrorgate_reloads_refused_total 0\n" in metrics


def test_no_reload_and_no_request_waits_for_a_name_server(names):
    gate = names.gate("127.0.0.1")
    names.lead_to("hang")
    gate.reload()
    common.wait_until(lambda: names.count() == 2, "the name is being looked up")
    assert gate.get(SMALL).status == 200
    gate.reload()
    assert gate.get(SMALL).status == 200
    common.wait_until(lambda: names.count() == 3, "the name is being looked up again")
    gate.reload()
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0


def test_another_order_of_the_same_addresses_is_no_change(names):
    gate = names.gate("127.0.0.1", "127.0.0.2")
    start = len(gate.stderr)
    names.lead_to("127.0.0.2", "127.0.0.1")
    gate.reload()
    common.wait_until(lambda: names.count() == 2, "the name is looked up again")
    names.lead_to("127.0.0.1", "127.0.0.3")
    gate.reload()
    names.wait_moved(gate, start, "127.0.0.1", "127.0.0.3")
    assert sum(" is now at " in line for line in gate.stderr.since(start)) == 1
