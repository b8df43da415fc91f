/*
 * Thin snapshots: what is stored is canonical, holds no byte outside its alphabet, and is itself
 * a snapshot with the same canonical text.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/request/snapshot.h"

static const struct snapshot_limits limits = {SNAPSHOT_MAX_BYTES, SNAPSHOT_MAX_COMPONENTS};
static const struct snapshot_limits tight = {120, 2};

/* Punctuation, and the alphabets of names and versions; the one "\n" is at the end. */
static void
require_alphabet(const struct snapshot *snapshot)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                              "0123456789{}[]\":,/.+~_@-";

	FUZZ_REQUIRE(snapshot->len > 0 && snapshot->text[snapshot->len] == '\0');
	FUZZ_REQUIRE(snapshot->text[snapshot->len - 1] == '\n');
	for (size_t i = 0; i + 1 < snapshot->len; i++)
		FUZZ_REQUIRE(memchr(allowed, snapshot->text[i], sizeof allowed - 1) != NULL);
	FUZZ_REQUIRE(strlen(snapshot->sha256) == 64);
}

static void
require_same_again(const struct snapshot *snapshot)
{
	struct snapshot again;
	char defect[SNAPSHOT_DEFECT_MAX];

	FUZZ_REQUIRE(
	    snapshot_canonicalise(snapshot->text, snapshot->len, &limits, &again, defect) == 0);
	FUZZ_REQUIRE(again.len == snapshot->len);
	FUZZ_REQUIRE(memcmp(again.text, snapshot->text, snapshot->len) == 0);
	FUZZ_REQUIRE(again.components == snapshot->components);
	FUZZ_REQUIRE(strcmp(again.sha256, snapshot->sha256) == 0);
	snapshot_fini(&again);
}

static bool
canonicalise(const char *text, size_t len, const struct snapshot_limits *by)
{
	struct snapshot snapshot;
	char defect[SNAPSHOT_DEFECT_MAX];

	memset(defect, '\1', sizeof defect);
	int result = snapshot_canonicalise(text, len, by, &snapshot, defect);
	if (result == 0) {
		FUZZ_REQUIRE(len <= by->max_bytes && snapshot.components <= by->max_components);
		require_alphabet(&snapshot);
		require_same_again(&snapshot);
	} else {
		size_t defect_len = strnlen(defect, sizeof defect);
		FUZZ_REQUIRE(defect_len > 0 && defect_len < sizeof defect);
		FUZZ_REQUIRE(fuzz_is_plain(defect, defect_len));
	}
	snapshot_fini(&snapshot);
	return result == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool good = canonicalise((const char *)data, size, &limits);
	bool good_tightly = canonicalise((const char *)data, size, &tight);

	FUZZ_REQUIRE(good || !good_tightly);
	return 0;
}
