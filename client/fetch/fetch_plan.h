/*
 * What stands in the way of a version's files, found before anything is changed.
 */
#ifndef CLIENT_FETCH_PLAN_H
#define CLIENT_FETCH_PLAN_H

#include "client/common/failure.h"
#include "fetch_names.h"

struct fetch_plan {
	int root;
	const char *folder; /* for messages */
	const struct catalogue *catalogue;
	const bool *there;  /* for each of its files */
	const bool *beside; /* for each: it goes beside edited configuration */

	/* What may be taken away, if it was not changed: the files of the version before, and of
	 * one that a cut run was putting down. */
	const struct fetch_names *old, *pending;

	/* When not NULL, called for each thing that is in the way, and no failure. */
	void (*on_obstacle)(void *arg, const struct failure *obstacle);
	void *arg;

	char **folders; /* to be made, those above before those below */
	size_t folder_count;
};

/* Fills in the folders that the files which are not there need. False, with FAILURE naming what is
 * in the way, when one cannot be put where it belongs: a file or a folder that is not spot's to
 * remove, a symbolic link, another file system. Changes nothing. */
bool fetch_plan_make(struct fetch_plan *self, struct failure *failure);
void fetch_plan_fini(struct fetch_plan *self);

#endif
