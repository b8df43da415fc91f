/*
 * What went wrong, in one sentence, and of which kind it is: the kind is the exit code.
 *
 * A function that can fail takes a struct failure and returns false (or NULL) after it has filled
 * it in; the caller adds nothing and passes it up to main(), which prints it. After a success there
 * may be anything in it: a try before the last one, say.
 */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include <stdbool.h>

/* kind, exit code, the word in --json. The codes are spot(1)'s: they never change. */
#define FAILURE_KINDS(X)                                 \
	X(FAILURE_NONE, 0, "none")                       \
	X(FAILURE_LOCAL, 1, "local")                     \
	X(FAILURE_USAGE, 2, "usage")                     \
	X(FAILURE_CONFIGURATION, 3, "configuration")     \
	X(FAILURE_UNREACHABLE, 4, "unreachable")         \
	X(FAILURE_UNTRUSTED, 5, "untrusted-server")      \
	X(FAILURE_CERTIFICATE, 6, "certificate-refused") \
	X(FAILURE_REFUSED, 7, "refused")                 \
	X(FAILURE_NOT_FOUND, 8, "not-found")             \
	X(FAILURE_ANSWER, 9, "bad-answer")               \
	X(FAILURE_CATALOGUE, 10, "bad-catalogue")        \
	X(FAILURE_SNAPSHOT, 11, "bad-snapshot")          \
	X(FAILURE_REVOCATION, 12, "bad-revocation-list") \
	X(FAILURE_HOOK_BEFORE, 13, "hook-before")        \
	X(FAILURE_HOOK_AFTER, 14, "hook-after")

enum failure_kind {
#define FAILURE_ENUM(kind, code, word) kind = code,
	FAILURE_KINDS(FAILURE_ENUM)
#undef FAILURE_ENUM
};

enum { FAILURE_TEXT_MAX = 1024 };

struct failure {
	enum failure_kind kind;
	bool told;        /* to standard output already, among a command's own results */
	bool passes;      /* the same request may succeed later: it is worth another try */
	long retry_after; /* seconds the server asked us to wait; 0 when it did not say */
	long status;      /* of an answer that is no success; 0 when there was none */
	char text[FAILURE_TEXT_MAX];
};

/* Fills in *SELF; always returns false, so that a function can return what this returns. Bytes
 * that are no printable characters in UTF-8 become '?': some of the text may be a server's. */
bool failure_set(struct failure *self, enum failure_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True when the next thing asked for would fail in the same way. */
bool failure_ends_all(const struct failure *self);

/* "cannot DOING NAME: " and what errno says, as FAILURE_LOCAL; always returns false. */
bool failure_errno(struct failure *self, const char *doing, const char *name);

const char *failure_word(enum failure_kind kind);

#endif
