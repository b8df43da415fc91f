/*
 * Ticket key files: every key is good, or the file is refused with its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "gateway/tls/tls_tickets.h"

enum { KEY_BYTES = 80, TEXT_MAX = 4096 };

static struct tls_tickets *
load(const char *text, char error[TLS_ERROR_MAX])
{
	error[0] = '\0';
	return tls_tickets_new(&(struct pem){"t.keys", text, strlen(text)}, error);
}

static void
assert_loads(const char *text)
{
	char error[TLS_ERROR_MAX];
	struct tls_tickets *keys = load(text, error);

	if (keys == NULL)
		fail_msg("refused: %s", error);
	tls_tickets_free(keys);
}

static void
assert_refused(const char *text, const char *message)
{
	char error[TLS_ERROR_MAX];
	struct tls_tickets *keys = load(text, error);

	if (keys != NULL) {
		tls_tickets_free(keys);
		fail_msg("accepted, instead of: %s", message);
	}
	if (strstr(error, message) == NULL)
		fail_msg("refused, but not with \"%s\": %s", message, error);
}

/* A key line whose three parts are filled with the bytes NAME, AES and HMAC. */
static const char *
line_of(int name, int aes, int hmac)
{
	static char lines[4][TLS_TICKETS_KEY_TEXT + 2];
	static unsigned next;
	char *line = lines[next++ % 4];
	unsigned char bytes[KEY_BYTES];

	memset(bytes, name, 16);
	memset(bytes + 16, aes, 32);
	memset(bytes + 48, hmac, 32);
	EVP_EncodeBlock((unsigned char *)line, bytes, KEY_BYTES);
	line[TLS_TICKETS_KEY_TEXT] = '\n';
	line[TLS_TICKETS_KEY_TEXT + 1] = '\0';
	return line;
}

static void
test_a_random_key_is_a_good_file(void **state)
{
	char a[TLS_TICKETS_KEY_TEXT + 1], b[TLS_TICKETS_KEY_TEXT + 1];

	(void)state;
	tls_tickets_random_key(a);
	tls_tickets_random_key(b);
	assert_int_equal(strlen(a), TLS_TICKETS_KEY_TEXT);
	assert_string_not_equal(a, b);
	assert_loads(a);
}

static void
test_several_keys_comments_and_empty_lines_are_read(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	(void)snprintf(text, sizeof text, "# newest first\n\n%s%s\n%s", line_of(1, 2, 3),
	    line_of(4, 5, 6), line_of(7, 8, 9));
	assert_loads(text);
}

static void
test_zeros_and_equal_halves_are_refused(void **state)
{
	(void)state;
	assert_refused(line_of(0, 0, 0), "t.keys:1: a part of the key is all zeros");
	assert_refused(line_of(0, 1, 2), "t.keys:1: a part of the key is all zeros");
	assert_refused(line_of(1, 0, 2), "t.keys:1: a part of the key is all zeros");
	assert_refused(line_of(1, 2, 0), "t.keys:1: a part of the key is all zeros");
	assert_refused(line_of(1, 2, 2), "t.keys:1: both halves of the key are the same");
}

static void
test_a_part_that_is_there_twice_is_refused(void **state)
{
	static const int second[][3] = {{1, 2, 3}, {1, 5, 6}, {4, 2, 6}, {4, 5, 3}};
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
		(void)snprintf(text, sizeof text, "%s%s", line_of(1, 2, 3),
		    line_of(second[i][0], second[i][1], second[i][2]));
		assert_refused(text, "t.keys:2: the key, or a part of it, is there twice");
	}
}

static void
test_what_is_no_key_is_refused_with_its_line(void **state)
{
	static const char form[] = "a ticket key is 80 bytes in base64";
	char text[TEXT_MAX], at_line[TEXT_MAX];

	(void)state;
	(void)snprintf(at_line, sizeof at_line, "t.keys:2: %s", form);
	(void)snprintf(text, sizeof text, "%ssecret\n", line_of(1, 2, 3));
	assert_refused(text, at_line);
	(void)snprintf(text, sizeof text, "%s", line_of(1, 2, 3));
	text[TLS_TICKETS_KEY_TEXT] = '=';
	assert_refused(text, form);
	(void)snprintf(text, sizeof text, "%s", line_of(1, 2, 3));
	text[40] = '*';
	assert_refused(text, form);
	text[40] = ' ';
	assert_refused(text, form);
	(void)snprintf(text, sizeof text, "%.107s\r\n", line_of(1, 2, 3));
	assert_refused(text, form);
	/* The two bits behind the last byte must be zero, or two texts would be one key. */
	(void)snprintf(text, sizeof text, "%s", line_of(1, 2, 3));
	text[TLS_TICKETS_KEY_TEXT - 2]++;
	assert_refused(text, form);
}

static void
test_a_file_has_from_1_to_16_keys(void **state)
{
	char text[TEXT_MAX];
	size_t len = 0;

	(void)state;
	assert_refused("", "t.keys: there is no ticket key");
	assert_refused("# nothing\n\n", "t.keys: there is no ticket key");
	for (int i = 1; i <= TLS_TICKETS_MAX + 1; i++) {
		if (i == TLS_TICKETS_MAX + 1)
			assert_loads(text);
		len += (size_t)snprintf(
		    text + len, sizeof text - len, "%s", line_of(i, 100 + i, 200 + i));
	}
	assert_refused(text, "t.keys:17: more than 16 keys");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_random_key_is_a_good_file),
	    cmocka_unit_test(test_several_keys_comments_and_empty_lines_are_read),
	    cmocka_unit_test(test_zeros_and_equal_halves_are_refused),
	    cmocka_unit_test(test_a_part_that_is_there_twice_is_refused),
	    cmocka_unit_test(test_what_is_no_key_is_refused_with_its_line),
	    cmocka_unit_test(test_a_file_has_from_1_to_16_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
