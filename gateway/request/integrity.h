/*
 * One download held against the catalogue of its version.
 *
 *   begin -> [ask the store] -> answer's head -> [body, piece by piece] -> fini
 *
 * A path of which a valid catalogue knows size and SHA-256 has these for its entity tag and its
 * Repr-Digest (RFC 9530), whatever the store says. So the client's conditions are decided here, and
 * the store's answer must be of that size and, when it is the whole artifact, of that digest. A
 * part of an artifact cannot be verified.
 */
#ifndef GATEWAY_INTEGRITY_H
#define GATEWAY_INTEGRITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "catalogue/catalogue_image.h"
#include "gateway/http/request_gate.h"
#include "gateway/http/response_gate.h"
#include "gateway/node/integrity_marks.h"

enum {
	INTEGRITY_TAG_MAX = 67,    /* 64 hexadecimal digits in quotes, and NUL */
	INTEGRITY_BASE64_MAX = 45, /* of 32 bytes, and NUL */
};

struct digest_stream;

/* Zeroed: of a path that no catalogue knows. */
struct integrity {
	bool is_known;
	struct catalogue_image_file file;
	struct integrity_key key;
	char tag[INTEGRITY_TAG_MAX];
	struct digest_stream *digest; /* of the body; NULL: not being verified */
};

enum integrity_verdict {
	INTEGRITY_ASK_STORE,
	INTEGRITY_NOT_MODIFIED, /* the answer is 304, with integrity_print_fields() */
	INTEGRITY_MARKED,       /* the store's bytes were wrong a moment ago */
	INTEGRITY_NOT_TRUSTED,  /* there is a catalogue, and it cannot be trusted */
};

/* Looks up REQUEST's path in CATALOGUES (NULL: none) and decides its conditions by the precedence
 * of RFC 9110, 13.2.2. Those that are decided are taken out of REQUEST, so that the store
 * does not see them; the size that a catalogue knows is put there. */
enum integrity_verdict integrity_begin(struct integrity *self,
    const struct catalogue_image *catalogues, const struct integrity_marks *marks,
    struct request *request);
void integrity_fini(struct integrity *self);

/* What is wrong with RESPONSE, the store's answer to what integrity_begin() left of the request:
 * static text, or NULL. To be called once, before the body. */
const char *integrity_answer_defect(struct integrity *self, const struct response *response);

/* Appends the fields of RESPONSE, with our own in place of the store's where there are any. */
void integrity_print_answer(
    const struct integrity *self, const struct response *response, struct buffer *out);
/* Appends "ETag: ...\r\nRepr-Digest: ...\r\n". */
void integrity_print_fields(const struct integrity *self, struct buffer *out);

/* The next piece of the body, the last one when IS_LAST. False when the body that ends with it is
 * not the one that the catalogue means. */
bool integrity_add_piece(struct integrity *self, const char *bytes, size_t n, bool is_last);

/* Marks the path, because the store's answer was wrong. */
void integrity_mark(const struct integrity *self, struct integrity_marks *marks);

#endif
