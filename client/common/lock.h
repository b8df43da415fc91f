/*
 * Locks on files (flock(2)) between processes on one machine.
 *
 * Whoever can open a file can lock it: only who is meant to may open these. And a holder that never
 * lets go is not waited for without end.
 */
#ifndef CLIENT_LOCK_H
#define CLIENT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

enum { LOCK_WAIT_SECONDS = 60 * 60 }; /* unless lock_set_wait() was called */

/* For the whole process: how many seconds a lock is waited for. */
void lock_set_wait(uint64_t seconds);
int64_t lock_wait_ms(void);

/* Opens the file NAME in FOLDER, made when it is not there. Only its owner can open it and, where
 * FOLDER is its group's to write to, that group: an older file with a wider mode is tightened. -1
 * with errno set. */
int lock_open(int folder, const char *name);

/* Nobody but the owner and the group can open what is in FOLDER, from now on. What is another
 * user's folder stays as it is. */
void lock_close_to_others(int folder);

/* Takes the lock HOW, LOCK_SH or LOCK_EX, on FD, waiting when there is need; PLACE is what messages
 * call that which is locked. False, with FAILURE filled, when it takes too long. */
bool lock_take(int fd, int how, const char *place, struct failure *failure);

/* Who holds the lock on FD: "process 123 (name)", or "another process" when that is not known. */
enum { LOCK_HOLDER_SIZE = 64 };
void lock_holder(int fd, char text[LOCK_HOLDER_SIZE]);

#endif
