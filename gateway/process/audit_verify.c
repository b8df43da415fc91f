/*
 * Sealed access logs, verified. The hard part: lines of several processes stand between each other,
 * so that a defect shows only at the next line of the same chain. What is reported is the earliest
 * line that is wrong, wherever it showed.
 */
#include "audit_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/node/log.h"
#include "gateway/request/audit_chain.h"

enum { KEY_FILE_MAX = 16 * 1024 };

struct place {
	size_t file;
	uint64_t line;
};

struct chain {
	struct chain *next;
	char id[AUDIT_CHAIN_ID_SIZE];
	struct place first, last;
	uint64_t begin, number;          /* of the first line that is here, and of the last */
	char digest[DIGEST_SHA256_SIZE]; /* of the last */
	uint64_t next_signed;            /* the line that is, at the latest */
	bool ended, broken;
};

struct verification {
	char *const *files;
	struct place now;
	struct chain *chains; /* the one seen last first */
	uint64_t lines, lost;
	struct line_signer_keys *verifier; /* NULL: signatures are not looked at */
	char *problem;                     /* the earliest; NULL: none */
	struct place where;
};

static bool
is_earlier(const struct place *a, const struct place *b)
{
	return a->file != b->file ? a->file < b->file : a->line < b->line;
}

static void __attribute__((format(printf, 3, 4)))
report(struct verification *self, const struct place *place, const char *format, ...)
{
	va_list args;

	if (self->problem != NULL && !is_earlier(place, &self->where))
		return;
	free(self->problem);
	va_start(args, format);
	self->problem = buffer_text_v(format, args);
	va_end(args);
	self->where = *place;
}

static struct chain *
find_chain(struct verification *self, const char *id)
{
	for (struct chain **at = &self->chains; *at != NULL; at = &(*at)->next) {
		struct chain *chain = *at;
		if (strcmp(chain->id, id) == 0) {
			*at = chain->next;
			chain->next = self->chains;
			self->chains = chain;
			return chain;
		}
	}
	return NULL;
}

static struct chain *
add_chain(struct verification *self, const struct audit_seal *seal, const char *digest)
{
	struct chain *chain = buffer_alloc(sizeof *chain);

	memcpy(chain->id, seal->id, sizeof chain->id);
	memcpy(chain->digest, digest, sizeof chain->digest);
	chain->first = chain->last = self->now;
	chain->begin = chain->number = seal->number;
	chain->next_signed = seal->number > 1 ? seal->number + AUDIT_SIGNED_EVERY - 1 : 1;
	chain->ended = seal->ends;
	chain->next = self->chains;
	self->chains = chain;
	return chain;
}

/* Whether the line with SEAL is what comes after CHAIN's last; it and what follows is not judged
 * otherwise, for one defect has many consequences. */
static bool
follows(struct verification *self, const struct chain *chain, const struct audit_seal *seal)
{
	uint64_t due = chain->number + 1 + seal->lost;

	if (seal->number <= chain->number) {
		report(self, &self->now,
		    "moved, or put in again: line %" PRIu64 " of its chain after line %" PRIu64,
		    seal->number, chain->number);
	} else if (chain->ended) {
		report(self, &self->now, "put in: its chain had ended");
	} else if (seal->number != due) {
		report(self, &self->now,
		    "lines are missing before it: it is line %" PRIu64
		    " of its chain, not %" PRIu64,
		    seal->number, due);
	} else if (seal->lost == 0 && strcmp(seal->before, chain->digest) != 0) {
		report(self, &chain->last, "altered");
	} else {
		return true;
	}
	return false;
}

/* A chain whose first line is not here was signed at most as many lines before. */
static bool
is_signed(struct verification *self, struct chain *chain, const struct audit_seal *seal)
{
	char text[AUDIT_SIGNED_TEXT_MAX];

	if (self->verifier == NULL)
		return true;
	if (seal->signature[0] == '\0') {
		bool is_due = seal->number >= chain->next_signed || seal->ends || seal->lost > 0;
		if (is_due)
			report(self, &self->now, "not signed, as it had to be");
		return !is_due;
	}
	size_t len = audit_chain_signed_text(seal->id, seal->number, seal->before, text);
	chain->next_signed = seal->number + AUDIT_SIGNED_EVERY;
	if (line_signer_verify(self->verifier, text, len, seal->signature))
		return true;
	report(self, &self->now, "its signature, for all before it, is by none of the keys");
	return false;
}

static void
judge_line(struct verification *self, const char *line, size_t len)
{
	struct audit_seal seal;
	char digest[DIGEST_SHA256_SIZE];

	self->lines++;
	if (!audit_chain_read(line, len, &seal)) {
		report(self, &self->now, "not a whole sealed line");
		return;
	}
	self->lost += seal.lost;
	digest_sha256_hex(line, len, digest);
	struct chain *chain = find_chain(self, seal.id);
	bool is_first = chain == NULL;
	if (is_first)
		chain = add_chain(self, &seal, digest);
	if (chain->broken)
		return;
	if ((!is_first && !follows(self, chain, &seal)) || !is_signed(self, chain, &seal)) {
		chain->broken = true;
		return;
	}
	chain->number = seal.number;
	chain->last = self->now;
	chain->ended = seal.ends;
	memcpy(chain->digest, digest, sizeof digest);
}

static bool
read_file(struct verification *self, FILE *file)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t n;

	self->now.line = 0;
	errno = 0;
	while ((n = getline(&line, &capacity, file)) > 0) {
		self->now.line++;
		if (line[n - 1] == '\n')
			judge_line(self, line, (size_t)n - 1);
		else
			printf(
			    "%s: its last line has no end: it is being written, or was cut off\n",
			    self->files[self->now.file]);
	}
	free(line);
	return !ferror(file);
}

static bool
read_files(struct verification *self)
{
	for (size_t i = 0; self->files[i] != NULL; i++) {
		const char *name = self->files[i];
		bool is_input = strcmp(name, "-") == 0;
		FILE *file = is_input ? stdin : fopen(name, "re");
		bool good = file != NULL;

		self->now.file = i;
		good = good && read_file(self, file);
		if (!good)
			log_error("%s while reading %s", strerror(errno), name);
		if (file != NULL && !is_input)
			fclose(file);
		if (!good)
			return false;
	}
	return true;
}

/* What the seals alone do not tell. */
static void
print_open_ends(const struct verification *self)
{
	for (const struct chain *chain = self->chains; chain != NULL; chain = chain->next) {
		if (chain->begin > 1)
			printf("%s:%" PRIu64 ": chain %s begins with its line %" PRIu64
			       ": what was before is not here\n",
			    self->files[chain->first.file], chain->first.line, chain->id,
			    chain->begin);
		if (!chain->ended && !chain->broken)
			printf("%s:%" PRIu64 ": chain %s has no end: its process still runs, was "
			       "killed, or what came "
			       "after this line was cut off\n",
			    self->files[chain->last.file], chain->last.line, chain->id);
	}
}

static int
tell(const struct verification *self)
{
	size_t chains = 0;

	print_open_ends(self);
	for (const struct chain *chain = self->chains; chain != NULL; chain = chain->next)
		chains++;
	if (self->lost > 0)
		printf("%" PRIu64 " lines were lost by the gate itself, as it says\n", self->lost);
	if (self->problem != NULL) {
		fflush(stdout);
		log_error("%s:%" PRIu64 ": %s", self->files[self->where.file], self->where.line,
		    self->problem);
		return EXIT_FAILURE;
	}
	if (self->lines == 0) {
		log_error("there is no line to verify");
		return EXIT_FAILURE;
	}
	printf("lines: %" PRIu64 ", chains: %zu, all as they were written\n", self->lines, chains);
	return EXIT_SUCCESS;
}

/* The public keys in the file KEY; NULL when there are none, which is logged. */
static struct line_signer_keys *
read_keys(const char *key)
{
	char bytes[KEY_FILE_MAX], error[LINE_SIGNER_ERROR_MAX];
	FILE *file = fopen(key, "re");
	size_t n = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
	bool good = file != NULL && !ferror(file);
	struct line_signer_keys *verifier = NULL;

	if (!good)
		log_error("%s while reading %s", strerror(errno), key);
	else if ((verifier = line_signer_keys_new(key, bytes, n, error)) == NULL)
		log_error("%s", error);
	if (file != NULL)
		fclose(file);
	return verifier;
}

int
audit_verify_files(char *const *files, const char *key)
{
	struct verification self = {.files = files};
	int status = EXIT_FAILURE;

	if (key != NULL && (self.verifier = read_keys(key)) == NULL)
		return EXIT_FAILURE;
	if (read_files(&self))
		status = tell(&self);
	while (self.chains != NULL) {
		struct chain *next = self.chains->next;
		free(self.chains);
		self.chains = next;
	}
	line_signer_keys_free(self.verifier);
	free(self.problem);
	return status;
}
