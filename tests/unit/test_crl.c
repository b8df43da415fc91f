/*
 * Revocation lists: whose they are, which can be relied on, and whom they revoke.
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
#include "crypto/crl.h"

static const long one_day = 24L * 60 * 60;

static struct authority ca, other_ca, namesake;
static STACK_OF(X509) * cas;

static int
set_up(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	other_ca = authority_new("Other CA", "other", NULL);
	namesake = authority_new("Test CA", "P-384", NULL);
	cas = sk_X509_new_null();
	sk_X509_push(cas, ca.certificate);
	sk_X509_push(cas, other_ca.certificate);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sk_X509_free(cas);
	authority_free(&ca);
	authority_free(&other_ca);
	authority_free(&namesake);
	return 0;
}

static STACK_OF(X509_CRL) * lists_of(const struct pem_text *text)
{
	char error[PEM_ERROR_MAX] = "";
	STACK_OF(X509_CRL) *lists =
	    crl_read(&(struct pem){"ca.crl", text->bytes, text->len}, error);

	if (lists == NULL)
		fail_msg("refused: %s", error);
	return lists;
}

static STACK_OF(X509_CRL) * one_list(const struct crl_spec *spec)
{
	struct pem_text text = {.len = 0};

	pem_add_crl(&text, spec);
	return lists_of(&text);
}

static void
test_all_lists_of_a_text_are_read_and_none_is_none(void **state)
{
	struct pem_text text = {.len = 0};

	(void)state;
	STACK_OF(X509_CRL) *none = lists_of(&text);
	assert_int_equal(sk_X509_CRL_num(none), 0);
	crl_free(none);
	pem_add(&text, ca.certificate);
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &other_ca});
	STACK_OF(X509_CRL) *two = lists_of(&text);
	assert_int_equal(sk_X509_CRL_num(two), 2);
	crl_free(two);
}

static void
test_a_broken_list_is_not_the_end_of_the_text(void **state)
{
	struct pem_text text = {.len = 0};
	char error[PEM_ERROR_MAX];

	(void)state;
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca});
	text.len -= 40;
	assert_null(crl_read(&(struct pem){"ca.crl", text.bytes, text.len}, error));
	assert_string_equal(error, "ca.crl: CRL 1 cannot be read");
	assert_int_equal(ERR_peek_error(), 0);
}

static void
test_a_list_is_of_the_ca_whose_key_signed_it(void **state)
{
	(void)state;
	STACK_OF(X509_CRL) *own = one_list(&(struct crl_spec){.issuer = &ca});
	STACK_OF(X509_CRL) *theirs = one_list(&(struct crl_spec){.issuer = &namesake});

	assert_true(crl_has_issuer(sk_X509_CRL_value(own, 0), cas));
	assert_true(crl_is_of(sk_X509_CRL_value(own, 0), ca.certificate));
	assert_false(crl_is_of(sk_X509_CRL_value(own, 0), other_ca.certificate));
	assert_false(crl_is_of(sk_X509_CRL_value(own, 0), namesake.certificate));
	assert_false(crl_has_issuer(sk_X509_CRL_value(theirs, 0), cas));
	assert_int_equal(ERR_peek_error(), 0);
	crl_free(own);
	crl_free(theirs);
}

static void
test_a_list_that_cannot_be_relied_on_says_why(void **state)
{
	const struct {
		struct crl_spec spec;
		const char *why; /* NULL: it can */
	} cases[] = {
	    {{.issuer = &ca}, NULL},
	    {{.issuer = &ca, .digest = EVP_sha1()}, "weaker than SHA-256"},
	    {{.issuer = &ca, .critical_extension = "1.3.6.1.4.1.99999.3"}, "critical extension"},
	    {{.issuer = &ca, .is_delta = true}, "is a delta"},
	    {{.issuer = &ca, .lacks_number = true}, NULL},
	    {{.issuer = &ca, .distribution_point = "onlyuser:TRUE"}, "may be a part only"},
	    {{.issuer = &ca, .from = one_day, .until = 2 * one_day}, "is not valid yet"},
	    {{.issuer = &ca, .lacks_next_update = true}, "does not say when it expires"},
	    {{.issuer = &ca, .from = -2 * one_day, .until = -one_day}, "has expired"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		STACK_OF(X509_CRL) *lists = one_list(&cases[i].spec);
		const char *defect = crl_defect(sk_X509_CRL_value(lists, 0));
		if (cases[i].why == NULL)
			assert_null(defect);
		else if (defect == NULL || strstr(defect, cases[i].why) == NULL)
			fail_msg("%s, instead of: %s", defect, cases[i].why);
		crl_free(lists);
	}
}

static void
test_the_times_of_a_list_are_in_seconds(void **state)
{
	time_t now = time(NULL);
	struct crl_spec spec = {.issuer = &ca, .from = -60, .until = 3600};

	(void)state;
	STACK_OF(X509_CRL) *lists = one_list(&spec);
	spec.lacks_next_update = true;
	STACK_OF(X509_CRL) *endless = one_list(&spec);
	assert_in_range(crl_issued(sk_X509_CRL_value(lists, 0)) - now + 60, 0, 30);
	assert_in_range(crl_expires(sk_X509_CRL_value(lists, 0)) - now - 3600, 0, 30);
	assert_int_equal(crl_expires(sk_X509_CRL_value(endless, 0)), 0);
	crl_free(lists);
	crl_free(endless);
}

static void
test_a_later_list_of_the_same_ca_supersedes(void **state)
{
	struct pem_text text = {.len = 0};

	(void)state;
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .number = 7});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .number = 8});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &other_ca, .number = 9});
	STACK_OF(X509_CRL) *lists = lists_of(&text);
	assert_true(crl_is_superseded(sk_X509_CRL_value(lists, 0), lists, cas));
	assert_false(crl_is_superseded(sk_X509_CRL_value(lists, 1), lists, cas));
	assert_false(crl_is_superseded(sk_X509_CRL_value(lists, 2), lists, cas));
	crl_free(lists);
}

static void
test_a_list_revokes_what_it_names_of_its_own_ca_alone(void **state)
{
	X509 *listed = certificates_make(&(struct certificate_spec){.issuer = &ca});
	X509 *unlisted = certificates_make(&(struct certificate_spec){.issuer = &ca});
	X509 *theirs =
	    certificates_make(&(struct certificate_spec){.issuer = &other_ca, .serial = "77"});
	X509 *same_serial =
	    certificates_make(&(struct certificate_spec){.issuer = &ca, .serial = "77"});
	X509 *same_name =
	    certificates_make(&(struct certificate_spec){.issuer = &namesake, .serial = "77"});
	struct pem_text text = {.len = 0};

	(void)state;
	pem_add_crl(&text, &(struct crl_spec){.issuer = &other_ca});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .revoked = listed});
	pem_add_crl(&text, &(struct crl_spec){.issuer = &ca, .revoked = same_serial});
	STACK_OF(X509_CRL) *lists = lists_of(&text);
	assert_true(crl_revokes(lists, listed));
	assert_true(crl_revokes(lists, same_serial));
	assert_false(crl_revokes(lists, unlisted));
	assert_false(crl_revokes(lists, theirs));
	assert_false(crl_revokes(lists, same_name));
	assert_false(crl_revokes(NULL, listed));
	crl_free(lists);
	X509_free(listed);
	X509_free(unlisted);
	X509_free(theirs);
	X509_free(same_serial);
	X509_free(same_name);
}

/* When one of the two does not say which key its issuer has, the name has to do. */
static void
test_a_list_without_a_key_identifier_revokes_by_name(void **state)
{
	X509 *same_name =
	    certificates_make(&(struct certificate_spec){.issuer = &namesake, .serial = "77"});

	(void)state;
	STACK_OF(X509_CRL) *lists =
	    one_list(&(struct crl_spec){.issuer = &ca, .revoked = same_name, .lacks_key_id = true});
	assert_true(crl_revokes(lists, same_name));
	crl_free(lists);
	X509_free(same_name);
}

static void
test_what_an_expired_list_revokes_stays_revoked(void **state)
{
	X509 *listed = certificates_make(&(struct certificate_spec){.issuer = &ca});

	(void)state;
	STACK_OF(X509_CRL) *lists = one_list(&(struct crl_spec){
	    .issuer = &ca, .revoked = listed, .from = -2 * one_day, .until = -one_day});
	assert_true(crl_revokes(lists, listed));
	crl_free(lists);
	X509_free(listed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_lists_of_a_text_are_read_and_none_is_none),
	    cmocka_unit_test(test_a_broken_list_is_not_the_end_of_the_text),
	    cmocka_unit_test(test_a_list_is_of_the_ca_whose_key_signed_it),
	    cmocka_unit_test(test_a_list_that_cannot_be_relied_on_says_why),
	    cmocka_unit_test(test_the_times_of_a_list_are_in_seconds),
	    cmocka_unit_test(test_a_later_list_of_the_same_ca_supersedes),
	    cmocka_unit_test(test_a_list_revokes_what_it_names_of_its_own_ca_alone),
	    cmocka_unit_test(test_a_list_without_a_key_identifier_revokes_by_name),
	    cmocka_unit_test(test_what_an_expired_list_revokes_stays_revoked),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
