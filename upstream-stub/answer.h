/*
 * What the store says to a complete request: the methods, and the faults that replace the
 * answer. No sockets here.
 */
#ifndef STUB_ANSWER_H
#define STUB_ANSWER_H

struct fault_set;
struct file_store;
struct reply;
struct request;

/* Fills in `reply`, which is initialised. `path` is the request's, without fault segments. */
void answer_request(const struct file_store *store, const struct request *request, const char *path,
    const struct fault_set *faults, struct reply *reply);

/* A short text for a status that is not the store's good news. */
void answer_status(struct reply *reply, int status);

#endif
