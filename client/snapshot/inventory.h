/*
 * An inventory: names and versions of what a system has, which is all that a thin snapshot says.
 *
 * Its text is the gate's canonical one (design, section 5), so that the digest in the receipt is
 * known before anything is sent.
 */
#ifndef CLIENT_INVENTORY_H
#define CLIENT_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "client/common/failure.h"

enum {
	INVENTORY_MAX_COMPONENTS = 10000,
	INVENTORY_MAX_BYTES = 256 * 1024, /* of the canonical text */
};

struct inventory_component {
	char *name, *version;
	char *where; /* a folder, or a place in a file: for messages */
};

struct inventory {
	struct inventory_component *components;
	size_t count, capacity;
};

void inventory_fini(struct inventory *self);

/* True when NAME may name a system or a component. */
bool inventory_is_name(const char *name);

/* Adds one component; false, with FAILURE naming WHERE, when name or version cannot be in a
 * snapshot. */
bool inventory_add(struct inventory *self, const char *name, const char *version, const char *where,
    struct failure *failure);

/* Sorts; false, with FAILURE naming both places, when a component is there twice. */
bool inventory_sort(struct inventory *self, struct failure *failure);

/* Appends the canonical text of the sorted inventory as that of SYSTEM; false, with FAILURE
 * filled, when it is larger than the gate takes. */
bool inventory_print(
    const struct inventory *self, const char *system, struct buffer *out, struct failure *failure);

/* Adds what the file NAME says of SYSTEM, and sorts. The file is a thin snapshot, when it begins
 * with a brace, or a list with a component a line: its name, blanks, its version. Empty lines and
 * those that begin with '#' do not count. */
bool inventory_read(
    struct inventory *self, const char *name, const char *system, struct failure *failure);

/* The same of the thin snapshot TEXT, from a file of that NAME. */
bool inventory_read_snapshot(struct inventory *self, const struct buffer *text, const char *name,
    const char *system, struct failure *failure);

/* Adds the lines of the list NAME in their order; a component may be there more than once, and the
 * list may be empty. */
bool inventory_read_list(struct inventory *self, const char *name, struct failure *failure);

#endif
