/* A fleet in the forms that are asked for. */
#ifndef CLIENT_FLEET_PRINT_H
#define CLIENT_FLEET_PRINT_H

#include <stdio.h>

#include "base/buffer.h"
#include "fleet.h"

enum { FLEET_TIME_SIZE = 32 };

/* The time at which SYSTEM was last seen, YYYY-MM-DDThh:mm:ssZ. */
void fleet_print_time(const struct fleet_system *system, char text[FLEET_TIME_SIZE]);

/* A form of print: what stands before all systems, for each of them, and behind. FAILURE, which may
 * be NULL, is what the command ends with. */
struct fleet_form {
	const char *name;
	void (*begin)(const struct fleet *fleet, struct buffer *out);
	void (*system)(const struct fleet *fleet, size_t i, struct buffer *out);
	void (*end)(const struct fleet *fleet, const struct failure *failure, struct buffer *out);
	bool tells_failure;
};

/* The form `table`, `csv` or `json`; NULL when NAME is none of them. A system without components
 * has one line, which names none. */
const struct fleet_form *fleet_print_form(const char *name);

/* Writes the settled FLEET to OUT, a system at a time; false with errno set when it cannot. */
bool fleet_print(const struct fleet *fleet, const struct fleet_form *form,
    const struct failure *failure, FILE *out);

#endif
