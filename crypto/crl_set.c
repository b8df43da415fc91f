/* The lists of certain CAs. What is hard about one list is in crl.c. */
#include "crl_set.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "bundle.h"
#include "crl.h"

struct crl_set {
	char *name; /* of the file, for messages */
	STACK_OF(X509) * cas;
	STACK_OF(X509_CRL) * lists;
};

static void
take_lists(struct crl_set *self, const STACK_OF(X509_CRL) * all)
{
	for (int i = 0; i < sk_X509_CRL_num(all); i++) {
		X509_CRL *crl = sk_X509_CRL_value(all, i);
		if (!crl_has_issuer(crl, self->cas) || crl_is_superseded(crl, all, self->cas))
			continue;
		if (X509_CRL_up_ref(crl) != 1 || sk_X509_CRL_push(self->lists, crl) == 0)
			abort();
	}
}

struct crl_set *
crl_set_read(const struct pem *lists, const struct pem *cas, char error[PEM_ERROR_MAX])
{
	STACK_OF(X509_CRL) *all = crl_read(lists, error);
	struct crl_set *self = NULL;

	if (all == NULL)
		return NULL;
	self = buffer_alloc(sizeof *self);
	self->name = buffer_strdup(lists->name);
	self->lists = sk_X509_CRL_new_null();
	self->cas = bundle_read_certificates(cas, error);
	if (self->lists == NULL)
		abort();
	if (self->cas != NULL) {
		take_lists(self, all);
		if (sk_X509_CRL_num(self->lists) > 0)
			goto free_all;
		(void)snprintf(error, PEM_ERROR_MAX,
		    "%.200s: holds no revocation list that is signed by a CA in %.200s", self->name,
		    cas->name);
	}
	crl_set_free(self);
	self = NULL;
free_all:
	crl_free(all);
	return self;
}

void
crl_set_free(struct crl_set *self)
{
	if (self == NULL)
		return;
	free(self->name);
	sk_X509_pop_free(self->cas, X509_free);
	crl_free(self->lists);
	free(self);
}

/* The list of CA; NULL when there is none. */
static X509_CRL *
list_of(const struct crl_set *self, X509 *ca)
{
	for (int i = 0; i < sk_X509_CRL_num(self->lists); i++)
		if (crl_is_of(sk_X509_CRL_value(self->lists, i), ca))
			return sk_X509_CRL_value(self->lists, i);
	return NULL;
}

bool
crl_set_is_good(const struct crl_set *self, char error[PEM_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		if (list_of(self, sk_X509_value(self->cas, i)) != NULL)
			continue;
		(void)snprintf(error, PEM_ERROR_MAX,
		    "%.200s: holds no revocation list of CA certificate %d", self->name, i + 1);
		return false;
	}
	for (int i = 0; i < sk_X509_CRL_num(self->lists); i++) {
		const char *defect = crl_defect(sk_X509_CRL_value(self->lists, i));
		if (defect == NULL)
			continue;
		(void)snprintf(
		    error, PEM_ERROR_MAX, "%.200s: the revocation list %s", self->name, defect);
		return false;
	}
	return true;
}

static const char *
age_defect(const X509_CRL *after, const X509_CRL *before)
{
	bool numbered = X509_CRL_get_ext_by_NID(after, NID_crl_number, -1) >= 0 &&
	                X509_CRL_get_ext_by_NID(before, NID_crl_number, -1) >= 0;

	return numbered ? "has a lower number than the one that is here"
	                : "was issued before the one that is here";
}

bool
crl_set_may_follow(const struct crl_set *self, const struct crl_set *old, char error[PEM_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *ca = sk_X509_value(self->cas, i);
		X509_CRL *before = list_of(old, ca), *after = list_of(self, ca);
		const char *defect = NULL;

		if (before != NULL && after == NULL)
			defect = "is gone";
		else if (before != NULL && crl_compare_age(after, before) < 0)
			defect = age_defect(after, before);
		if (defect == NULL)
			continue;
		(void)snprintf(error, PEM_ERROR_MAX,
		    "%.200s: the revocation list of CA certificate %d %s", self->name, i + 1,
		    defect);
		return false;
	}
	return true;
}

bool
crl_set_is_same(const struct crl_set *self, const struct crl_set *other)
{
	int count = sk_X509_CRL_num(self->lists);

	if (count != sk_X509_CRL_num(other->lists))
		return false;
	for (int i = 0; i < count; i++)
		if (X509_CRL_match(
		        sk_X509_CRL_value(self->lists, i), sk_X509_CRL_value(other->lists, i)) != 0)
			return false;
	return true;
}

time_t
crl_set_expires(const struct crl_set *self)
{
	time_t first = crl_expires(sk_X509_CRL_value(self->lists, 0));

	for (int i = 1; i < sk_X509_CRL_num(self->lists); i++) {
		time_t expires = crl_expires(sk_X509_CRL_value(self->lists, i));
		if (expires < first)
			first = expires;
	}
	return first;
}

void
crl_set_print(const struct crl_set *self, struct buffer *text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;

	if (bio == NULL)
		abort();
	for (int i = 0; i < sk_X509_CRL_num(self->lists); i++)
		if (PEM_write_bio_X509_CRL(bio, sk_X509_CRL_value(self->lists, i)) != 1)
			abort();
	size_t len = (size_t)BIO_get_mem_data(bio, &bytes);
	buffer_append(text, bytes, len);
	BIO_free(bio);
}

const STACK_OF(X509_CRL) * crl_set_lists(const struct crl_set *self)
{
	return self->lists;
}

const STACK_OF(X509) * crl_set_cas(const struct crl_set *self)
{
	return self->cas;
}
