/* The seals of the access log. The hard part is to read one by its place alone, from the line's
 * end: what a client wrote stands in the line, too, but never a quotation mark that was not
 * escaped. */
#include "audit_chain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/json_writer.h"
#include "base/value.h"

enum { ID_BYTES = (AUDIT_CHAIN_ID_SIZE - 1) / 2, NUMBER_MAX_DIGITS = 20 };

static const char key[] = ",\"audit\":\"", lost_key[] = ",\"audit_lost\":", end[] = "\"}";
static const char signature_key[] = ",\"audit_signature\":\"";
static const char ending[] = ",\"operation\":\"" AUDIT_CHAIN_END "\"";

void
audit_chain_begin(struct audit_chain *self, struct line_signer *signer)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char random[ID_BYTES];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		abort(); /* at most 256 bytes are never cut short (getrandom(2)) */
	*self = (struct audit_chain){.signer = signer, .next_signed = 1};
	for (size_t i = 0; i < ID_BYTES; i++) {
		self->id[2 * i] = digits[random[i] >> 4];
		self->id[2 * i + 1] = digits[random[i] & 15];
	}
	memset(self->last, '0', sizeof self->last - 1);
}

size_t
audit_chain_signed_text(
    const char *id, uint64_t number, const char *before, char text[AUDIT_SIGNED_TEXT_MAX])
{
	int len = snprintf(text, AUDIT_SIGNED_TEXT_MAX, "mirrorgate-audit/1 %s.%" PRIu64 ".%s", id,
	    number, before);

	assert(len > 0 && len < AUDIT_SIGNED_TEXT_MAX);
	return (size_t)len;
}

static void
sign(struct audit_chain *self, struct buffer *out)
{
	char text[AUDIT_SIGNED_TEXT_MAX], signature[LINE_SIGNATURE_SIZE];
	size_t len = audit_chain_signed_text(self->id, self->lines + 1, self->last, text);

	line_signer_sign(self->signer, text, len, signature);
	buffer_puts(out, signature_key);
	buffer_puts(out, signature);
	buffer_puts(out, "\"");
	self->next_signed = self->lines + 1 + AUDIT_SIGNED_EVERY;
}

void
audit_chain_seal(struct audit_chain *self, struct buffer *out, size_t start, bool ends)
{
	assert(buffer_size(out) > start);
	bool is_due = ends || self->lost > 0 || self->lines + 1 >= self->next_signed;
	if (self->signer != NULL && is_due)
		sign(self, out);
	if (self->lost > 0)
		json_writer_number(out, "audit_lost", self->lost);
	self->lost = 0;
	buffer_puts(out, key);
	buffer_puts(out, self->id);
	buffer_puts(out, ".");
	buffer_number(out, ++self->lines, 1);
	buffer_puts(out, ".");
	buffer_puts(out, self->last);
	buffer_puts(out, end);
	digest_sha256_hex(buffer_bytes(out) + start, buffer_size(out) - start, self->last);
}

void
audit_chain_lose(struct audit_chain *self, uint64_t n)
{
	self->lost += n;
}

void
audit_chain_skip(struct audit_chain *self)
{
	self->lines++;
	self->lost++;
}

static bool
is_seal_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '.';
}

/* Takes TEXT from the end of the LEN bytes. */
static bool
take_last(const char *line, size_t *len, const char *text)
{
	size_t n = strlen(text);

	if (*len < n || memcmp(line + *len - n, text, n) != 0)
		return false;
	*len -= n;
	return true;
}

/* Whether, before what stands at LEFT, there is a signature; it is in SEAL then. */
static void
read_signature(const char *line, size_t left, struct audit_seal *seal)
{
	const size_t len = LINE_SIGNATURE_SIZE - 1;

	if (!take_last(line, &left, "\"") || left < len)
		return;
	const char *signature = line + left - len;
	left -= len;
	if (take_last(line, &left, signature_key) && memchr(signature, '"', len) == NULL)
		memcpy(seal->signature, signature, len);
}

/* N bytes of hexadecimal digits, to TO with a NUL. */
static bool
read_digits(const char *from, size_t n, char *to)
{
	for (size_t i = 0; i < n; i++)
		if (!is_seal_byte(from[i]) || from[i] == '.')
			return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

static bool
read_number(const char *from, size_t n, uint64_t *number)
{
	char text[NUMBER_MAX_DIGITS + 1];

	if (n == 0 || n > NUMBER_MAX_DIGITS)
		return false;
	memcpy(text, from, n);
	text[n] = '\0';
	return value_number(text, INT64_MAX, number);
}

/* The N bytes at AT are the three parts. */
static bool
read_parts(const char *at, size_t n, struct audit_seal *seal)
{
	const size_t id = AUDIT_CHAIN_ID_SIZE - 1, before = DIGEST_SHA256_SIZE - 1;

	if (n < id + 1 + 1 + before || at[id] != '.' || at[n - before - 1] != '.')
		return false;
	return read_digits(at, id, seal->id) &&
	       read_digits(at + n - before, before, seal->before) &&
	       read_number(at + id + 1, n - before - 1 - (id + 1), &seal->number) &&
	       seal->number > 0;
}

bool
audit_chain_read(const char *line, size_t len, struct audit_seal *seal)
{
	size_t left = len;

	*seal = (struct audit_seal){0};
	if (memchr(line, '\0', len) != NULL || !take_last(line, &left, end))
		return false;
	size_t stop = left;
	while (left > 0 && is_seal_byte(line[left - 1]))
		left--;
	if (!read_parts(line + left, stop - left, seal) || !take_last(line, &left, key))
		return false;
	size_t body = left;
	while (left > 0 && line[left - 1] >= '0' && line[left - 1] <= '9')
		left--;
	const char *digits = line + left;
	bool has_lost = take_last(line, &left, lost_key);
	if (has_lost &&
	    (!read_number(digits, body - left - strlen(lost_key), &seal->lost) || seal->lost == 0))
		return false;
	read_signature(line, has_lost ? left : body, seal);
	seal->ends = memmem(line, body, ending, strlen(ending)) != NULL;
	return true;
}
