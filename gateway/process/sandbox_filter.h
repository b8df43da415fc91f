/*
 * The system calls that a process may still make in its role, by seccomp(2). A worker or key
 * holder that makes another is ended at once by SIGSYS; a loader's fails with EPERM.
 */
#ifndef GATEWAY_SANDBOX_FILTER_H
#define GATEWAY_SANDBOX_FILTER_H

enum sandbox_role {
	SANDBOX_WORKER, /* talks to clients and stores */
	SANDBOX_LOADER, /* reads the files that operators name and catalogues; asks for addresses */
	SANDBOX_KEY_HOLDER, /* signs */
};

/* Confines this process, and all that it starts, for good. 0, or a negative errno when it is not
 * confined. Needs no_new_privs. */
int sandbox_filter(enum sandbox_role role);

#endif
