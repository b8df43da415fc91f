/*
 * A fleet: the systems of all customers, and what each of them runs by its newest snapshot.
 *
 * Fill it, settle it, print it. Names and versions are kept once, however many systems have them:
 * what a system runs costs four bytes for each component.
 */
#ifndef CLIENT_FLEET_H
#define CLIENT_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "client/snapshot/inventory.h"

struct fleet_component {
	char *name;
	char *newest; /* after fleet_settle() */
};

struct fleet_version {
	char *key; /* "NAME VERSION" */
	const char *text;
	uint32_t component;
	int order; /* below, equal to or above 0 as it is older, the newest or newer than that */
	bool bad;  /* known to be */
};

struct fleet_system {
	char *customer, *name;
	time_t seen;
	uint32_t *runs; /* versions, by the names of their components */
	size_t count;
};

struct fleet {
	struct fleet_system *systems; /* after fleet_settle() by customer and name */
	struct fleet_component *components;
	struct fleet_version *versions;
	size_t system_count, component_count, version_count;
	size_t passed_over; /* files and folders that were told of instead of read */
	struct string_map *by_name, *by_key;
};

struct fleet *fleet_new(void);
void fleet_free(struct fleet *self);

/* Adds the system NAME of CUSTOMER, which is not there yet; INVENTORY is sorted. */
void fleet_add(struct fleet *self, const char *customer, const char *name, time_t seen,
    const struct inventory *inventory);

/* Ends the filling. NEWEST names the newest version of components, none of them twice; of others it
 * is the newest that any system runs. BAD are versions that nobody should run. */
void fleet_settle(struct fleet *self, const struct inventory *newest, const struct inventory *bad);

/* `newest`, `older` or `newer`. */
const char *fleet_state(const struct fleet_version *version);

#endif
