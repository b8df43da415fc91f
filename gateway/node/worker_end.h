/* How a worker ended that was not told to: the label of a counter. */
#ifndef GATEWAY_WORKER_END_H
#define GATEWAY_WORKER_END_H

/*       enum       label */
#define WORKER_END_TABLE(X)                                                    \
	X(FAILED, "failed")       /* it ended itself, with a status */         \
	X(CRASHED, "crashed")     /* SIGSEGV, SIGABRT and their like */        \
	X(KILLED, "killed")       /* by a signal of somebody else */           \
	X(FORBIDDEN, "forbidden") /* it made a system call that it must not */ \
	X(STALLED, "stalled")     /* its loop did not turn */                  \
	X(REPLACED, "replaced")   /* it could not be told of a generation, or adopt it */

#define WORKER_END_ENUM(name, label) WORKER_END_##name,
enum worker_end { WORKER_END_TABLE(WORKER_END_ENUM) WORKER_END_COUNT };
#undef WORKER_END_ENUM

#endif
