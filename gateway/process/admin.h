/*
 * What an administrator may ask of a running gate by `admin_socket`, and what is answered. A
 * request is {"command": ...} with one of status, customers, reload, upgrade, drain and cut (with
 * "name"); an answer is one object, with "error" when nothing was done.
 *
 * Each function does nothing when SELF is NULL, as it is without `admin_socket`.
 */
#ifndef GATEWAY_ADMIN_H
#define GATEWAY_ADMIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { ADMIN_PATIENCE = 15 * 60 }; /* seconds that a request may wait for its answer */

struct admin;
struct supervisor;

/* Listens as the configuration of SUPERVISOR says, which names a socket; NULL after logging why it
 * cannot. */
struct admin *admin_new(struct supervisor *supervisor);
void admin_free(struct admin *self);
/* In a process forked from the supervisor. */
void admin_forget(struct admin *self);

/* The load of everything that the supervisor began last has ended. */
void admin_on_loaded(struct admin *self, bool built);
/* The generation in force is live on all workers. */
void admin_on_live(struct admin *self);
/* WORKER has cut CUT connections for TICKET; or it has ended, whatever the ticket. */
void admin_on_cut(struct admin *self, unsigned worker, uint64_t ticket, uint32_t cut);
void admin_on_end_of_worker(struct admin *self, unsigned worker);
/* Nothing is loaded any more. */
void admin_on_draining(struct admin *self);
/* The socket is given up to the process that takes over; who waits is still answered. */
void admin_on_handing_over(struct admin *self);
/* Process PID has taken over, when WHY is NULL; it has not, for WHY. */
void admin_on_upgrade_ended(struct admin *self, pid_t pid, const char *why);

#endif
