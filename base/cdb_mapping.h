/* A tinycdb file mapped for reading. Private to the policy library. */
#ifndef BASE_CDB_MAPPING_H
#define BASE_CDB_MAPPING_H

#include <cdb.h>

/* Where the first record of a tinycdb file begins: after the places of 256 tables. */
enum { CDB_MAPPING_RECORDS = 2048 };

/* Maps the file at FD, which stays the caller's and may be sealed. NULL, or a text that says what
 * is wrong: NOT_ONE when the file has a size that no tinycdb file has. tinycdb checks each look-up
 * against the file's size, so that a damaged one gives wrong answers and nothing worse. */
const char *cdb_mapping_open(struct cdb *cdb, int fd, const char *not_one);
void cdb_mapping_close(struct cdb *cdb);

#endif
