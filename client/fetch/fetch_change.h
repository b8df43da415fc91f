/*
 * The change of a folder from one version to the next, once everything new is staged there: moves
 * within one file system, and nothing else.
 *
 * It begins when the new catalogue stands in the folder as CHANGE_JOURNAL: from then on a process
 * that is cut has left all that the change needs, and the next one ends it, without a server. A
 * move that fails is taken back with all moves before it.
 */
#ifndef CLIENT_FETCH_CHANGE_H
#define CLIENT_FETCH_CHANGE_H

#include "fetch_names.h"
#include "fetch_stage.h"

/* The catalogue of the version that is being put down. */
#define CHANGE_JOURNAL CATALOGUE_PART_NAME ".json"

enum { CHANGE_NAME_MAX = 32 };

/* What is staged: each file under its number in the catalogue, empty folders for those that are
 * missing, and the three texts under the names that they will have. */
void fetch_change_file_name(char name[CHANGE_NAME_MAX], size_t file);
void fetch_change_folder_name(char name[CHANGE_NAME_MAX], size_t folder);

struct fetch_change {
	const struct fetch_stage *stage;
	const char *folder;          /* for messages */
	const struct catalogue *old; /* of what is in the folder; NULL: nothing */
	const struct catalogue
	    *before; /* of the version that the new one follows: see fetch_files.h */
	const struct catalogue *pending; /* of a change that was cut and cannot be ended; or NULL */
	const struct catalogue *catalogue; /* the new one */
	const struct fetch_names *names;   /* its */
	struct buffer *beside;             /* gets, as strings of JSON, what was put beside edited
	                                    * configuration;	     NULL: nobody asks */
};

/* Makes the change, and adds to *REMOVED how many old files went. False, with FAILURE filled: the
 * folder is as it was before, or FAILURE says that it is not; then what is staged stays, for the
 * next run. */
bool fetch_change_run(
    const struct fetch_change *self, size_t *removed, bool *keep_stage, struct failure *failure);

/* Makes what is left of a change that was cut, all of which is staged or in place, and takes
 * nothing back: what fails is left to the next run. */
bool fetch_change_end(const struct fetch_change *self, struct failure *failure);

#endif
