/*
 * Downloads held against catalogues. The hard part is what a client may conclude: our entity tag
 * names bytes, so no other bytes may go out under it, and none may be kept back that a condition
 * asks for.
 */
#include "integrity.h"

#include <string.h>

#include "base/clock.h"
#include "crypto/digest.h"
#include "gateway/http/conditions.h"

static void
print_tag(const unsigned char sha256[DIGEST_SHA256_BYTES], char tag[INTEGRITY_TAG_MAX])
{
	static const char digits[] = "0123456789abcdef";
	char *at = tag;

	*at++ = '"';
	for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
		*at++ = digits[sha256[i] >> 4];
		*at++ = digits[sha256[i] & 0xf];
	}
	*at++ = '"';
	*at = '\0';
}

/* RFC 4648, 4. */
static void
print_base64(const unsigned char sha256[DIGEST_SHA256_BYTES], char text[INTEGRITY_BASE64_MAX])
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, held = 0;

	for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
		bits = (bits << 8 | sha256[i]) & 0xffff;
		for (held += 8; held >= 6; held -= 6)
			*text++ = alphabet[bits >> (held - 6) & 0x3f];
	}
	*text++ = alphabet[bits << (6 - held) & 0x3f]; /* 256 bits leave 4 */
	*text++ = '=';
	*text = '\0';
}

/* If-None-Match first; If-Range only of what is left. */
static enum integrity_verdict
decide_conditions(const struct integrity *self, struct request *request)
{
	const struct http_span none = {NULL, 0};

	if (request->if_none_match.bytes != NULL) {
		if (conditions_lists_tag(request->if_none_match, self->tag))
			return INTEGRITY_NOT_MODIFIED;
		request->if_none_match = none;
		request->is_conditional = request->has_if_modified_since;
	}
	if (request->if_range.bytes != NULL) {
		if (!http_span_is(request->if_range, self->tag))
			request->range.form = RANGE_NONE;
		request->if_range = none;
	}
	return INTEGRITY_ASK_STORE;
}

enum integrity_verdict
integrity_begin(struct integrity *self, const struct catalogue_image *catalogues,
    const struct integrity_marks *marks, struct request *request)
{
	struct http_span path = request->path;

	if (catalogues == NULL)
		return INTEGRITY_ASK_STORE;
	switch (catalogue_image_find(catalogues, path.bytes, path.len, &self->file)) {
	case CATALOGUE_IMAGE_NO_RECORD:
		return INTEGRITY_ASK_STORE;
	case CATALOGUE_IMAGE_NOT_TRUSTED:
		return INTEGRITY_NOT_TRUSTED;
	case CATALOGUE_IMAGE_FILE:
		break;
	}
	self->is_known = true;
	request->has_known_size = true;
	request->known_size = self->file.size;
	self->key = integrity_marks_key(path.bytes, path.len, self->file.sha256);
	print_tag(self->file.sha256, self->tag);
	if (integrity_marks_has(marks, self->key, (uint32_t)clock_seconds()))
		return INTEGRITY_MARKED;
	return decide_conditions(self, request);
}

void
integrity_fini(struct integrity *self)
{
	digest_stream_free(self->digest);
	self->digest = NULL;
}

/* True when what was added is what the catalogue means. */
static bool
digest_matches(struct integrity *self)
{
	unsigned char digest[DIGEST_SHA256_BYTES];

	digest_stream_end(self->digest, digest);
	integrity_fini(self);
	return memcmp(digest, self->file.sha256, sizeof digest) == 0;
}

/* The lengths that RESPONSE states. A HEAD may be answered without one, and so may a range beyond
 * the end: any client can ask for that, so it must not be taken for a fault. A 206 states one. */
static bool
has_right_length(const struct integrity *self, const struct response *response)
{
	if (response->status == 200)
		return !response->has_content_length || response->content_length == self->file.size;
	return !response->has_complete_length || response->complete_length == self->file.size;
}

const char *
integrity_answer_defect(struct integrity *self, const struct response *response)
{
	bool has_content = response->status == 200 || response->status == 206;

	if (!self->is_known || (!has_content && response->status != 416))
		return NULL;
	if (!has_right_length(self, response))
		return "the length is another";
	if (has_content && response_gate_passes(response, "Content-Encoding"))
		return "the content is encoded";
	/* A part that is the whole can be verified, too. */
	if (!has_content || response->content_length != self->file.size ||
	    (self->file.size > 0 && !response->has_body))
		return NULL;
	self->digest = digest_stream_new();
	if (self->file.size == 0 && !digest_matches(self))
		return "the SHA-256 of nothing is another";
	return NULL;
}

void
integrity_print_answer(
    const struct integrity *self, const struct response *response, struct buffer *out)
{
	struct response ours = *response;
	bool replaced = self->is_known && (response->status == 200 || response->status == 206 ||
	                                      response->status == 304);

	if (replaced) {
		response_gate_drop(&ours, "ETag");
		response_gate_drop(&ours, "Repr-Digest");
	}
	response_gate_print(&ours, out);
	if (replaced)
		integrity_print_fields(self, out);
}

void
integrity_print_fields(const struct integrity *self, struct buffer *out)
{
	char text[INTEGRITY_BASE64_MAX];

	print_base64(self->file.sha256, text);
	buffer_puts(out, "ETag: ");
	buffer_puts(out, self->tag);
	buffer_puts(out, "\r\nRepr-Digest: sha-256=:");
	buffer_puts(out, text);
	buffer_puts(out, ":\r\n");
}

bool
integrity_add_piece(struct integrity *self, const char *bytes, size_t n, bool is_last)
{
	if (self->digest == NULL)
		return true;
	digest_stream_add(self->digest, bytes, n);
	return !is_last || digest_matches(self);
}

void
integrity_mark(const struct integrity *self, struct integrity_marks *marks)
{
	integrity_marks_set(marks, self->key, (uint32_t)clock_seconds());
}
