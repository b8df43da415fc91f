/*
 * The inside of the supervisor. Only supervisor.c, supervisor_*.c and admin.c may include this;
 * everybody else has supervisor.h.
 */
#ifndef GATEWAY_SUPERVISOR_PRIVATE_H
#define GATEWAY_SUPERVISOR_PRIVATE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "crash_record.h"
#include "gateway/node/history.h"
#include "gateway/node/worker_end.h"
#include "loader.h"
#include "process_usage.h"
#include "sandbox.h"
#include "sockets.h"
#include "supervisor.h"

struct admin;
struct log_turn;
struct metrics;
struct pulse;
struct quota;

struct supervisor;

struct child {
	struct supervisor *supervisor;
	unsigned index;
	pid_t pid;        /* 0: not running */
	int channel;      /* -1: none */
	uint64_t adopted; /* the last generation it reported */
	bool adopting;    /* it was told of a generation and has not answered yet */
	uint32_t kept, cut;
	bool has_old_log; /* it could not be handed the new one */
	ev_tstamp started;
	struct pulse *pulse;
	uint64_t beats;          /* of the pulse, when it was looked at */
	unsigned still;          /* looks without a beat since */
	enum worker_end ends_by; /* it is being ended; WORKER_END_COUNT: it is not */
	struct crash_record crashes;
	ev_io io;
	ev_child exit;
	ev_timer restart;
};

/* The key holder. */
struct keys {
	pid_t pid;   /* 0: not running */
	int channel; /* -1: none */
	ev_tstamp started;
	uint64_t generation; /* when it was given a key last */
	ev_child exit;
	ev_timer restart;
};

/* The process that is to take over from this one. */
struct follower {
	pid_t pid;           /* 0: there is none */
	pid_t successor;     /* the one that was told to take over; 0: none was */
	int channel;         /* -1: none */
	bool reload, reopen; /* it has to, for this one was told meanwhile */
	ev_io io;
	ev_child exit;
	ev_timer patience;
};

enum { UPGRADE_WHY_MAX = 128 }; /* bytes */

struct supervisor {
	struct ev_loop *loop;
	struct config *config; /* in force; a reference */
	unsigned count;
	struct child *children;
	struct keys keys;
	struct sockets *sockets;
	struct metrics *metrics;
	struct history *history;
	struct admin *admin; /* NULL: there is no admin_socket */
	struct quota *quota;
	struct integrity_marks *marks;
	struct sandbox_user user;
	struct generation *generation;
	struct loader *loader;
	bool load_again; /* SIGHUP came during a load: files may have changed since it read them */
	uint64_t loads;  /* of everything that were begun */
	uint64_t announced; /* the last generation whose line was printed */
	uint32_t announced_kept, announced_cut;
	int access_log;
	struct log_turn *log_turn;
	bool draining;
	bool retired; /* it drains since another process serves */
	int status;
	ev_signal hangup, terminate, interrupt, quit, reopen;
	ev_timer watchdog;
	ev_timer measure; /* of what this process takes, for the metrics */
	struct process_usage usage;
	uint64_t reaped;     /* microseconds that children took which are counted already */
	ev_timer catalogues; /* when to look whether they have changed */
	ev_timer hand_log;   /* when to try it again */
	/* A worker asks for the names of the stores to be looked up; none can make that often. */
	void (*on_look_up)(struct supervisor *self);
	/* What SIGHUP, SIGUSR2 and SIGTERM ask for, also through the admin socket. An upgrade may
	 * be refused, for WHY; else admin_on_upgrade_ended() says what came of it. */
	void (*on_reload)(struct supervisor *self);
	bool (*on_upgrade)(struct supervisor *self, char why[UPGRADE_WHY_MAX]);
	void (*on_drain)(struct supervisor *self);
	/* Tells all workers HOW to end, and ends after them. */
	void (*on_leave)(struct supervisor *self, enum channel_type how);
	bool lookup_wanted; /* when the pause is over */
	ev_timer lookup_pause;
	ev_timer looks; /* at whether the workers' loops turn */
	ev_signal upgrade;
	struct follower follower;
	int before; /* channel to the gate that this one is to take over from; -1: none, or it has
	             */
	ev_io before_io;
};

/* ---- supervisor_child.c ---- */

void supervisor_child_init(struct supervisor *self, unsigned index);

/* Starts the worker, and again a moment later when it cannot be started now. */
void supervisor_child_start(struct child *child);

/* Tells the worker of the generation in force; kills it when it cannot be told. */
void supervisor_child_send_generation(struct child *child);

/* ---- supervisor_keys.c: the process that has the private key ---- */

/* When there is a loop. */
void supervisor_keys_init(struct supervisor *self);
/* When the workers are gone. */
void supervisor_keys_fini(struct supervisor *self);

/* Starts it, and again a moment later when it cannot be started now. */
void supervisor_keys_start(struct supervisor *self);

/* It gets the key of the generation in force, when that is another: before any worker is told. */
void supervisor_keys_give(struct supervisor *self);
/* All workers go by the generation in force: older keys are forgotten when no handshake can need
 * them any more. */
void supervisor_keys_outdate(struct supervisor *self);

/* A socket by which WORKER asks it, the caller's to close; -1: not now. A new holder is connected
 * with all that run. */
int supervisor_keys_connect(struct supervisor *self, unsigned worker);

/* In a process that is to be a worker: it has neither the key nor the holder's channel. */
void supervisor_keys_forget(struct supervisor *self);

/* ---- supervisor_log.c: the access log ---- */

/* When there is a loop: SIGUSR1 opens the file anew. */
void supervisor_log_init(struct supervisor *self);

/* FD is the access log from now on, and the workers'. */
void supervisor_log_take(struct supervisor *self, int fd);

/* ---- supervisor_crash.c: workers that end without being told to, or stand still ---- */

/* When there are children. False, with errno set, when there is no memory. */
bool supervisor_crash_init(struct supervisor *self);
void supervisor_crash_free(struct supervisor *self);

/* A process for the worker is about to be started. */
void supervisor_crash_started(struct child *child);

/* Says and counts that the worker has ended with the wait(2) STATUS, unasked; returns the seconds
 * after which it is to be started again. */
ev_tstamp supervisor_crash_ended(struct child *child, int status);

/* Kills the worker, so that another takes its place. */
void supervisor_crash_replace(struct child *child);

/* ---- supervisor_upgrade.c: this program started anew, to take over ---- */

/* When there is a loop; `before` has been set. */
void supervisor_upgrade_init(struct supervisor *self);
/* When the loop has ended: waits until the process that was told to take over has. */
void supervisor_upgrade_fini(struct supervisor *self);

/* Whether this process is to take over from another and has not: its workers accept nothing. */
bool supervisor_upgrade_is_waiting(const struct supervisor *self);
/* Every worker would serve: the other may hand over. Only while this process is waiting. */
void supervisor_upgrade_ready(struct supervisor *self);

/* This process was told by the signal NUMBER, SIGHUP or SIGUSR1, what its follower has to do too.
 */
void supervisor_upgrade_note(struct supervisor *self, int number);
/* In a process forked from the supervisor: the channel between the two is not its own. */
void supervisor_upgrade_forget(struct supervisor *self);
/* Ends a follower that has not taken over. */
void supervisor_upgrade_cancel(struct supervisor *self);
/* This process, which has handed over, does not wait until its clients ask once more. */
void supervisor_upgrade_hurry(struct supervisor *self);

#endif
