/*
 * Configuration that somebody edited, carried from the version that is current into the folder of
 * one that will be, where versions lie side by side.
 */
#ifndef CLIENT_FETCH_CARRY_H
#define CLIENT_FETCH_CARRY_H

#include "catalogue/catalogue.h"
#include "client/common/failure.h"
#include "client/common/rights.h"
#include "fetch_outlook.h"

struct fetch_carry {
	int from, to; /* the folders; TO is locked by the caller, and not current */
	const char *from_name, *to_name;   /* for messages */
	const struct catalogue *old;       /* of what is below FROM */
	const struct catalogue *catalogue; /* of what is or will be below TO */
	const struct rights *rights;       /* of folders that are made */
};

/* Copies each file that the new catalogue marks as configuration and that was edited below FROM to
 * the same path below TO, with its permissions, time and, as far as this user may, owner; a link is
 * made again. What was edited below TO, too, and differs, is kept under another name, which is
 * told. Each copy is on the disk and has its name, or is not there. */
bool fetch_carry_run(const struct fetch_carry *self, struct failure *failure);

/* Takes the copies below TO away that are what FROM has, after a version that did not come. */
void fetch_carry_undo(const struct fetch_carry *self);

/* Names the files that were changed below FROM and stay there: those that are no configuration. */
void fetch_carry_tell_others(const struct fetch_carry *self);

/* Adds all of them to what OUTLOOK tells of edited files. TO may be -1. */
void fetch_carry_foresee(const struct fetch_carry *self, struct fetch_outlook *outlook);

#endif
