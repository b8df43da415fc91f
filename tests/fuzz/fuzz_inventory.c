/*
 * Inventories that somebody else made, as lists and as snapshots: what `spot` prints of them is a
 * snapshot that the gate takes, and its canonical text already.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/snapshot/inventory.h"
#include "fuzz.h"
#include "gateway/request/snapshot.h"

static const struct snapshot_limits limits = {SNAPSHOT_MAX_BYTES, SNAPSHOT_MAX_COMPONENTS};

static void
require_canonical(const struct inventory *inventory)
{
	struct failure failure;
	struct buffer out = {0};
	struct snapshot snapshot;
	char defect[SNAPSHOT_DEFECT_MAX];

	FUZZ_REQUIRE(inventory_print(inventory, "web-1", &out, &failure));
	FUZZ_REQUIRE(snapshot_canonicalise(
	                 buffer_bytes(&out), buffer_size(&out), &limits, &snapshot, defect) == 0);
	FUZZ_REQUIRE(snapshot.components == inventory->count);
	FUZZ_REQUIRE(snapshot.len == buffer_size(&out));
	FUZZ_REQUIRE(memcmp(snapshot.text, buffer_bytes(&out), snapshot.len) == 0);
	snapshot_fini(&snapshot);
	buffer_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inventory inventory = {0};
	struct failure failure = {0};
	char name[32];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (inventory_read(&inventory, name, "web-1", &failure))
		require_canonical(&inventory);
	else
		FUZZ_REQUIRE(failure.kind == FAILURE_SNAPSHOT);
	inventory_fini(&inventory);
	close(fd);
	return 0;
}
