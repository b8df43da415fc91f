/*
 * The chain that seals the lines of an access log: each carries the SHA-256 of the one before of
 * the same process, so that none is altered, taken out or moved unseen (`mirrorgate audit-verify`).
 *
 * A line ends in "audit":"CHAIN.N.SHA256": a random name of the chain, the line's number in it from
 * 1 on, and the digest of line N - 1 without its newline; zeros in the first one. Where the gate
 * itself lost lines, "audit_lost" stands before it and says how many before this one are not there.
 *
 * Who has no key could begin a chain anew. So with a signer, the first line, the last, each
 * hundredth after one that was signed and each after a loss have "audit_signature" before all that:
 * of the text "mirrorgate-audit/1 CHAIN.N.SHA256", for all lines before.
 */
#ifndef GATEWAY_AUDIT_CHAIN_H
#define GATEWAY_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "crypto/digest.h"
#include "crypto/line_signer.h"

enum {
	AUDIT_CHAIN_ID_SIZE = 17, /* 16 hexadecimal digits and NUL */
	AUDIT_SIGNED_EVERY = 100, /* lines */
	AUDIT_SIGNED_TEXT_MAX = 128,
};

/* The "operation" of a chain's last line. */
#define AUDIT_CHAIN_END "audit-end"

struct audit_chain {
	char id[AUDIT_CHAIN_ID_SIZE];
	uint64_t lines, lost;
	char last[DIGEST_SHA256_SIZE];
	struct line_signer *signer; /* the owner's; NULL: nobody signs */
	uint64_t next_signed;       /* the line that is */
};

void audit_chain_begin(struct audit_chain *self, struct line_signer *signer);
/* OUT holds, from START on, an object that lacks its bracket: adds the seal, and the bracket. ENDS:
 * it is the chain's last. */
void audit_chain_seal(struct audit_chain *self, struct buffer *out, size_t start, bool ends);
/* The last N lines that were sealed will not be there. */
void audit_chain_lose(struct audit_chain *self, uint64_t n);
/* A line that was not even made will not be there. */
void audit_chain_skip(struct audit_chain *self);

/* What a line's seal says. */
struct audit_seal {
	char id[AUDIT_CHAIN_ID_SIZE];
	uint64_t number, lost;
	char before[DIGEST_SHA256_SIZE];
	bool ends;                           /* the chain */
	char signature[LINE_SIGNATURE_SIZE]; /* "" when there is none */
};

/* The text that is signed; its length. */
size_t audit_chain_signed_text(
    const char *id, uint64_t number, const char *before, char text[AUDIT_SIGNED_TEXT_MAX]);

/* Reads the seal of LINE, which has no newline. False: it has none. */
bool audit_chain_read(const char *line, size_t len, struct audit_seal *seal);

#endif
