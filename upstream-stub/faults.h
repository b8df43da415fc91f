/*
 * Faults on request. A rule of the command line says how the answer to a request goes wrong; with
 * faults_allow_segments() so does a path segment "@KIND[:ARG]". Several faults for one request add
 * up.
 */
#ifndef STUB_FAULTS_H
#define STUB_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULTS_TEXT_SIZE 256

struct bytes;

/* Everything that goes wrong with one answer. Start from FAULT_SET_NONE. */
struct fault_set {
	int64_t refuse;       /* close at accept */
	int64_t reset;        /* RST instead of an answer; on a Unix socket a plain close */
	int64_t silent;       /* no answer at all */
	int64_t garbage;      /* bytes that are not HTTP */
	int64_t close;        /* "Connection: close", then close */
	int64_t die_idle;     /* answer; close when the next request is there */
	int64_t delay_head;   /* milliseconds before the answer */
	int64_t delay_body;   /* milliseconds after each FAULTS_DELAY_PIECE bytes of the body */
	int64_t cut_body;     /* close after so many bytes of the body; -1: whole */
	int64_t reset_body;   /* the same, with RST */
	int64_t wrong_length; /* added to Content-Length */
	int64_t extra;        /* bytes after the response */
	int64_t interim;      /* 103 heads before the answer */
	int64_t huge_head;    /* length of one header value */
	int64_t status;       /* this status instead of the answer; 0: none */
	char text[FAULTS_TEXT_SIZE]; /* body of that status */
	char raw[FAULTS_TEXT_SIZE];  /* file whose bytes are the whole answer; "": none */
};

#define FAULT_SET_NONE                           \
	{                                        \
		.cut_body = -1, .reset_body = -1 \
	}

#define FAULTS_DELAY_PIECE (16 * 1024)

enum faults_result {
	FAULTS_OK,
	FAULTS_UNKNOWN,     /* no such kind */
	FAULTS_BAD_ARGUMENT /* missing, superfluous or out of range */
};

struct faults;

struct faults *faults_new(void);
void faults_free(struct faults *faults);

/*
 * Adds the rule "PATH=KIND[:ARG]". A PATH that ends in '*' stands for every path that starts with
 * what is before it. "refuse" goes with "*" only: there is no path yet at accept.
 */
enum faults_result faults_add(struct faults *faults, const char *text);

/*
 * From now on paths can ask for faults, and mean the file whose path is what is left. That makes
 * many paths of each file, which a gateway in front of the store takes for others: for tests only.
 */
void faults_allow_segments(struct faults *faults);

/* Whether connections are to be closed at accept. */
bool faults_refuse(const struct faults *faults);

/*
 * Collects into `set` the faults of a request, and puts its path without query and, where they
 * are allowed, fault segments into `plain`. Segments of unknown kind stay in the path.
 */
enum faults_result faults_select(
    const struct faults *faults, const char *target, struct fault_set *set, struct bytes *plain);

#endif
