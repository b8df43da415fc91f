/*
 * The lists that somebody who relies on certain CAs keeps: which are taken, which may follow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "certificates.h"
#include "crypto/crl_set.h"

static const long one_day = 24L * 60 * 60;

static struct authority ca, second, stranger;
static struct pem_text one_ca, two_cas;

static int
set_up(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	second = authority_new("Second CA", "other", NULL);
	stranger = authority_new("Test CA", "P-384", NULL);
	pem_add(&one_ca, ca.certificate);
	pem_add(&two_cas, ca.certificate);
	pem_add(&two_cas, second.certificate);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	authority_free(&ca);
	authority_free(&second);
	authority_free(&stranger);
	return 0;
}

static struct crl_set *
read_set(const struct pem_text *lists, const struct pem_text *cas, char error[PEM_ERROR_MAX])
{
	error[0] = '\0';
	return crl_set_read(&(struct pem){"ca.crl", lists->bytes, lists->len},
	    &(struct pem){"ca.crt", cas->bytes, cas->len}, error);
}

static struct crl_set *
set_of(const struct pem_text *lists, const struct pem_text *cas)
{
	char error[PEM_ERROR_MAX];
	struct crl_set *set = read_set(lists, cas, error);

	if (set == NULL)
		fail_msg("refused: %s", error);
	assert_int_equal(ERR_peek_error(), 0);
	return set;
}

/* A set of one list of `ca`, with NUMBER. */
static struct crl_set *
numbered(long number)
{
	struct pem_text text = {.len = 0};

	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .number = number});
	return set_of(&text, &one_ca);
}

static void
assert_nothing_to_read(const struct pem_text *lists, const struct pem_text *cas, const char *error)
{
	char said[PEM_ERROR_MAX];

	assert_null(read_set(lists, cas, said));
	assert_string_equal(said, error);
}

static void
test_lists_of_others_and_earlier_ones_are_left_out(void **state)
{
	struct pem_text text = {.len = 0};

	(void)state;
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .number = 8});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .number = 7});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &stranger, .number = 9});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &second, .number = 9});
	struct crl_set *set = set_of(&text, &one_ca), *same = numbered(8);
	assert_int_equal(sk_X509_CRL_num(crl_set_lists(set)), 1);
	assert_int_equal(sk_X509_num(crl_set_cas(set)), 1);
	assert_int_equal(X509_CRL_cmp(sk_X509_CRL_value(crl_set_lists(set), 0),
	                     sk_X509_CRL_value(crl_set_lists(same), 0)),
	    0);
	crl_set_free(set);
	crl_set_free(same);
}

static void
test_where_nothing_is_left_there_is_no_set(void **state)
{
	struct pem_text none = {.len = 0}, theirs = {.len = 0}, broken = {.len = 0};

	(void)state;
	pem_add_crl(&theirs, &(struct crl_spec){.issuer = &stranger});
	pem_add_crl(&broken, &(struct crl_spec){.issuer = &ca});
	broken.len /= 2;
	assert_nothing_to_read(
	    &none, &one_ca, "ca.crl: holds no revocation list that is signed by a CA in ca.crt");
	assert_nothing_to_read(
	    &theirs, &one_ca, "ca.crl: holds no revocation list that is signed by a CA in ca.crt");
	assert_nothing_to_read(&broken, &one_ca, "ca.crl: CRL 1 cannot be read");
	assert_nothing_to_read(&theirs, &none, "ca.crt: certificate 1 cannot be read");
	crl_set_free(NULL);
}

static void
test_a_set_is_good_when_each_ca_has_a_good_list(void **state)
{
	struct pem_text text = {.len = 0};
	char error[PEM_ERROR_MAX];

	(void)state;
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca});
	struct crl_set *one = set_of(&text, &one_ca), *lacking = set_of(&text, &two_cas);
	assert_true(crl_set_is_good(one, error));
	assert_false(crl_set_is_good(lacking, error));
	assert_string_equal(error, "ca.crl: holds no revocation list of CA certificate 2");
	pem_add_crl(
	    &text, &(struct crl_spec){.issuer = &second, .from = -2 * one_day, .until = -one_day});
	struct crl_set *expired = set_of(&text, &two_cas);
	assert_false(crl_set_is_good(expired, error));
	assert_string_equal(error, "ca.crl: the revocation list has expired");
	crl_set_free(one);
	crl_set_free(lacking);
	crl_set_free(expired);
}

static void
test_only_what_is_not_lower_may_follow(void **state)
{
	struct crl_set *old = numbered(7), *same = numbered(7), *newer = numbered(8);
	char error[PEM_ERROR_MAX];

	(void)state;
	assert_true(crl_set_may_follow(newer, old, error));
	assert_true(crl_set_may_follow(same, old, error));
	assert_false(crl_set_may_follow(old, newer, error));
	assert_string_equal(error, "ca.crl: the revocation list of CA certificate 1 has a lower "
	                           "number than the one that is here");
	crl_set_free(old);
	crl_set_free(same);
	crl_set_free(newer);
}

static void
test_a_set_that_lacks_a_list_may_not_follow(void **state)
{
	struct pem_text text = {.len = 0};
	char error[PEM_ERROR_MAX];

	(void)state;
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .number = 7});
	struct crl_set *lacking = set_of(&text, &two_cas);
	pem_add_crl(&text, &(struct crl_spec){.issuer = &second, .number = 1});
	struct crl_set *both = set_of(&text, &two_cas);
	assert_true(crl_set_may_follow(both, lacking, error));
	assert_false(crl_set_may_follow(lacking, both, error));
	assert_string_equal(error, "ca.crl: the revocation list of CA certificate 2 is gone");
	assert_false(crl_set_is_same(lacking, both));
	crl_set_free(lacking);
	crl_set_free(both);
}

static void
test_what_is_printed_is_read_as_the_same(void **state)
{
	struct pem_text text = {.len = 0};
	struct buffer printed = {0};
	char error[PEM_ERROR_MAX];

	(void)state;
	pem_add(&text, ca.certificate);
	pem_add_crl(&text, &(struct crl_spec){.issuer = &second});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .from = -60, .until = 3600});
	struct crl_set *set = set_of(&text, &two_cas), *other = numbered(99);
	crl_set_print(set, &printed);
	assert_memory_equal(buffer_bytes(&printed), "-----BEGIN X509 CRL-----", 24);
	struct crl_set *again =
	    crl_set_read(&(struct pem){"p", buffer_bytes(&printed), buffer_size(&printed)},
	        &(struct pem){"ca.crt", two_cas.bytes, two_cas.len}, error);
	assert_non_null(again);
	assert_true(crl_set_is_same(set, again));
	assert_false(crl_set_is_same(set, other));
	assert_in_range(crl_set_expires(set) - time(NULL) - 3600 + 60, 0, 90);
	buffer_fini(&printed);
	crl_set_free(set);
	crl_set_free(again);
	crl_set_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists_of_others_and_earlier_ones_are_left_out),
	    cmocka_unit_test(test_where_nothing_is_left_there_is_no_set),
	    cmocka_unit_test(test_a_set_is_good_when_each_ca_has_a_good_list),
	    cmocka_unit_test(test_only_what_is_not_lower_may_follow),
	    cmocka_unit_test(test_a_set_that_lacks_a_list_may_not_follow),
	    cmocka_unit_test(test_what_is_printed_is_read_as_the_same),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
