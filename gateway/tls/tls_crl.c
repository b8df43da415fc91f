/*
 * Revocation lists of the client CAs. The hard part is that revocation fails closed: everything
 * OpenSSL would only notice at some handshake is checked here and in crypto/crl.c, before the lists
 * are used.
 */
#include "tls_crl.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/crl.h"
#include "identity.h"

struct tls_crl {
	X509_STORE *store;           /* with CAS in it: the rules' own, as long as we are */
	const struct tls_cas *known; /* likewise */
	const STACK_OF(X509) * cas;  /* those of them that are in use */
	STACK_OF(X509_CRL) * lists;  /* those in force */
	struct crl_text *text;       /* the same, to be given away */
	time_t expires;
};

/* True when CRL says by which key it was signed, and CA has another one. */
static bool
is_of_another_key(X509_CRL *crl, X509 *ca)
{
	AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
	const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(ca);
	bool another = id != NULL && id->keyid != NULL && own != NULL &&
	               ASN1_OCTET_STRING_cmp(id->keyid, own) != 0;

	AUTHORITY_KEYID_free(id);
	return another;
}

/* True when CRL claims to be of a CA that is in use. */
static bool
claims_our_ca(const struct tls_crl *self, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *ca = sk_X509_value(self->cas, i);
		if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0 &&
		    !is_of_another_key(crl, ca))
			return true;
	}
	return false;
}

/* What keeps a list of ours out of force; one of another CA is none. */
static const char *
list_defect(const struct tls_crl *self, X509_CRL *crl, bool *ours)
{
	*ours = crl_has_issuer(crl, self->cas);
	if (*ours)
		return crl_defect(crl);
	if (crl_has_issuer(crl, tls_cas_all(self->known)) || !claims_our_ca(self, crl))
		return NULL;
	return "is not signed by any of the client CAs: it was changed, or the CA's keyUsage has "
	       "no cRLSign";
}

static void
note_other(const X509_CRL *crl, int number, const char *file, struct buffer *notes)
{
	char name[SUBJECT_MAX_BYTES + 1];

	if (identity_name(X509_CRL_get_issuer(crl), name) != NULL)
		(void)snprintf(name, sizeof name, "a CA without a canonical name");
	buffer_printf(notes,
	    "%.200s: CRL %d, of %s, is not signed by any of the client CAs in use and is left out: "
	    "where clients have certificates of that CA, its own certificate has to be in "
	    "`client_ca`\n",
	    file, number, name);
}

/* What the lists of one file are read into. */
struct reading {
	const char *file;
	STACK_OF(X509_CRL) * ours;
	struct buffer *notes;
	char *error; /* PEM_ERROR_MAX bytes */
};

/* False with an error when CRL keeps the lists from coming into force. Otherwise it is one of ours,
 * or left out and named. */
static bool
check_crl(struct tls_crl *self, X509_CRL *crl, int number, const struct reading *reading)
{
	bool is_ours;
	const char *defect = list_defect(self, crl, &is_ours);

	if (defect != NULL) {
		pem_fail(reading->error, reading->file, "CRL %d %s", number, defect);
		return false;
	}
	if (!is_ours) {
		note_other(crl, number, reading->file, reading->notes);
		return true;
	}
	if (sk_X509_CRL_push(reading->ours, crl) == 0)
		abort();
	time_t expires = crl_expires(crl);
	assert(expires > 0);
	if (self->expires == 0 || expires < self->expires)
		self->expires = expires;
	return true;
}

/* Which of two lists without a number is the newer one, their dates do not tell within a second. */
static bool
dates_tell(const struct tls_crl *self, X509_CRL *crl, X509_CRL *other)
{
	if (crl_compare_age(crl, other) != 0 || X509_CRL_match(crl, other) == 0 ||
	    X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1) >= 0)
		return true;
	for (int i = 0; i < sk_X509_num(self->cas); i++)
		if (crl_is_of(crl, sk_X509_value(self->cas, i)) &&
		    crl_is_of(other, sk_X509_value(self->cas, i)))
			return false;
	return true;
}

static bool
all_ages_are_told(
    struct tls_crl *self, STACK_OF(X509_CRL) * crls, const char *file, char error[PEM_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_CRL_num(crls); i++)
		for (int k = 0; k < i; k++) {
			if (dates_tell(
			        self, sk_X509_CRL_value(crls, i), sk_X509_CRL_value(crls, k)))
				continue;
			pem_fail(error, file,
			    "two CRLs of one CA have no CRL number and were issued within one "
			    "second: keep the newer one only");
			return false;
		}
	return true;
}

/* Of several lists of a CA the newest counts. OpenSSL looks at their times,
 * and would take either of two that were issued within one second. */
static void
install_crls(struct tls_crl *self, STACK_OF(X509_CRL) * crls)
{
	assert(sk_X509_CRL_num(self->lists) == 0);
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(crls, i);
		if (crl_is_superseded(crl, crls, self->cas))
			continue;
		if (X509_STORE_add_crl(self->store, crl) != 1 || X509_CRL_up_ref(crl) != 1 ||
		    sk_X509_CRL_push(self->lists, crl) == 0)
			abort();
	}
	X509_STORE_set_flags(self->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

/* OTHERS: the file holds lists that are not among CRLS. */
static bool
every_ca_has_crl(struct tls_crl *self, STACK_OF(X509_CRL) * crls, bool others, const char *file,
    char error[PEM_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *ca = sk_X509_value(self->cas, i);
		bool found = false;
		for (int k = 0; k < sk_X509_CRL_num(crls); k++)
			if (crl_is_of(sk_X509_CRL_value(crls, k), ca))
				found = true;
		if (!found) {
			pem_fail(error, file, "there is no CRL of client CA %s%s",
			    tls_cas_label(self->known, ca),
			    others ? "; one is there that is not signed by any of the "
			             "client CAs"
			           : "");
			return false;
		}
	}
	return true;
}

/* Runs OpenSSL's own check of revocation for SUBJECT as issued by ISSUER, with the flags in force.
 * It looks at no signature of SUBJECT. */
static int
revocation_error(struct tls_crl *self, X509 *subject, X509 *issuer)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *chain = sk_X509_new_null();

	if (ctx == NULL || chain == NULL ||
	    X509_STORE_CTX_init(ctx, self->store, subject, NULL) != 1 ||
	    X509_up_ref(subject) != 1 || sk_X509_push(chain, subject) == 0)
		abort();
	if (subject != issuer && (X509_up_ref(issuer) != 1 || sk_X509_push(chain, issuer) == 0))
		abort();
	X509_STORE_CTX_set0_verified_chain(ctx, chain);
	/* The issuer's own list is looked at when it is the subject. */
	X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_CRL_CHECK_ALL);
	bool good = X509_STORE_CTX_get_check_revocation(ctx)(ctx) == 1;
	int reason = good ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	/* That a CA has been revoked is what its list is for. */
	return reason == X509_V_ERR_CERT_REVOKED ? X509_V_OK : reason;
}

/* The same for a client of CA, of which nothing but its issuer and that it is no CA is known. */
static int
client_revocation_error(struct tls_crl *self, X509 *ca)
{
	X509 *client = X509_new();

	if (client == NULL || X509_set_version(client, X509_VERSION_3) != 1 ||
	    X509_set_issuer_name(client, X509_get_subject_name(ca)) != 1)
		abort();
	int reason = revocation_error(self, client, ca);
	X509_free(client);
	return reason;
}

/* The same for CA itself, which CRL_CHECK_ALL looks for in the list of its own issuer. */
static int
ca_revocation_error(struct tls_crl *self, X509 *ca)
{
	int reason = X509_V_OK;

	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *issuer = sk_X509_value(self->cas, i);
		if (X509_check_issued(issuer, ca) != X509_V_OK ||
		    X509_verify(ca, X509_get0_pubkey(issuer)) != 1)
			continue;
		/* A renewed CA stands there twice, and either will do. */
		reason = revocation_error(self, ca, X509_cmp(ca, issuer) == 0 ? ca : issuer);
		if (reason == X509_V_OK)
			break;
	}
	ERR_clear_error();
	return reason;
}

/* A list may be signed, current and of a CA, and still be none that OpenSSL takes (one of some
 * reasons or of some certificates only, one that cannot be told from a namesake's): it would refuse
 * every client. */
static bool
every_list_is_usable(struct tls_crl *self, const char *file, char error[PEM_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *ca = sk_X509_value(self->cas, i);
		int reason = client_revocation_error(self, ca);

		if (reason == X509_V_OK)
			reason = ca_revocation_error(self, ca);
		if (reason == X509_V_OK)
			continue;
		pem_fail(error, file,
		    "the CRL of client CA %d would refuse every client (%s): it has to be "
		    "complete, "
		    "and to name its key when two CAs have one name",
		    tls_cas_number(self->known, ca), X509_verify_cert_error_string(reason));
		return false;
	}
	return true;
}

static bool
load(struct tls_crl *self, const struct pem *pem, struct buffer *notes, char error[PEM_ERROR_MAX])
{
	STACK_OF(X509_CRL) *crls = crl_read(pem, error);
	STACK_OF(X509_CRL) *ours = sk_X509_CRL_new_null();
	const struct reading reading = {pem->name, ours, notes, error};
	bool good = crls != NULL;

	if (ours == NULL)
		abort();
	for (int i = 0; i < sk_X509_CRL_num(crls) && good; i++)
		good = check_crl(self, sk_X509_CRL_value(crls, i), i + 1, &reading);
	bool others = sk_X509_CRL_num(ours) < sk_X509_CRL_num(crls);
	good = good && every_ca_has_crl(self, ours, others, pem->name, error) &&
	       all_ages_are_told(self, ours, pem->name, error);
	if (good) {
		install_crls(self, ours);
		good = every_list_is_usable(self, pem->name, error);
	}
	ERR_clear_error();
	sk_X509_CRL_free(ours);
	crl_free(crls);
	return good;
}

struct tls_crl *
tls_crl_new(X509_STORE *store, const struct tls_cas *cas, const struct pem *pem,
    struct buffer *notes, char error[PEM_ERROR_MAX])
{
	struct tls_crl *self = buffer_alloc(sizeof *self);

	assert(store != NULL && cas != NULL);
	self->store = store;
	self->known = cas;
	self->cas = tls_cas_in_use(cas);
	self->lists = sk_X509_CRL_new_null();
	if (self->lists == NULL)
		abort();
	if (!load(self, pem, notes, error)) {
		tls_crl_free(self);
		return NULL;
	}
	assert(sk_X509_CRL_num(self->lists) > 0 && self->expires > 0);
	self->text = crl_text_new(self->lists);
	return self;
}

void
tls_crl_free(struct tls_crl *self)
{
	if (self == NULL)
		return;
	crl_text_unref(self->text);
	crl_free(self->lists);
	free(self);
}

const char *
tls_crl_went_back(const struct tls_crl *self, const struct pem *previous)
{
	char error[PEM_ERROR_MAX];
	STACK_OF(X509_CRL) *before = NULL;
	bool back = false;

	if (previous->bytes == NULL)
		return NULL;
	before = crl_read(previous, error);
	if (before == NULL)
		return "the one in force cannot be read";
	for (int i = 0; i < sk_X509_CRL_num(self->lists) && !back; i++)
		back = crl_is_superseded(sk_X509_CRL_value(self->lists, i), before, self->cas);
	crl_free(before);
	ERR_clear_error();
	return back ? "the CRL number is lower than that of the one in force, or the date where "
	              "there is no number"
	            : NULL;
}

const STACK_OF(X509_CRL) * tls_crl_lists(const struct tls_crl *self)
{
	assert(sk_X509_CRL_num(self->lists) > 0);
	return self->lists;
}

struct crl_text *
tls_crl_text(const struct tls_crl *self)
{
	assert(self->text != NULL);
	return self->text;
}

time_t
tls_crl_expires(const struct tls_crl *self)
{
	assert(self->expires > 0);
	return self->expires;
}

/* False when the number of CRL cannot be told; one without has "". */
static bool
print_number(const X509_CRL *crl, char *text, size_t size)
{
	ASN1_INTEGER *value = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	BIGNUM *big = value != NULL ? ASN1_INTEGER_to_BN(value, NULL) : NULL;
	char *hex = big != NULL ? BN_bn2hex(big) : NULL;
	bool good =
	    hex != NULL ? strlen(hex) < size : X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1) < 0;

	(void)snprintf(text, size, "%s", hex != NULL && good ? hex : "");
	OPENSSL_free(hex);
	BN_free(big);
	ASN1_INTEGER_free(value);
	return good;
}

/* Fills in what CRL, a list of CA, is remembered by. */
static bool
number_of(X509_CRL *crl, X509 *ca, struct tls_crl_number *number)
{
	unsigned char *key = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(ca), &key);
	int good = 0;
	unsigned long name = X509_NAME_hash_ex(X509_get_subject_name(ca), NULL, NULL, &good);

	static_assert(sizeof number->name > 8, "32 bits in hexadecimal");
	(void)snprintf(number->name, sizeof number->name, "%08lx", name & 0xffffffff);
	number->issued = (long long)crl_issued(crl);
	if (len <= 0 || number->issued <= 0 ||
	    !print_number(crl, number->number, sizeof number->number))
		good = 0;
	if (good == 1)
		digest_sha256_hex(key, (size_t)len, number->key);
	OPENSSL_free(key);
	return good == 1;
}

bool
tls_crl_each_number(const struct tls_crl *self, tls_crl_number_fn *fn, void *arg)
{
	struct tls_crl_number number;
	bool good = true;

	for (int i = 0; i < sk_X509_CRL_num(self->lists); i++) {
		X509_CRL *crl = sk_X509_CRL_value(self->lists, i);
		for (int k = 0; k < sk_X509_num(self->cas); k++) {
			X509 *ca = sk_X509_value(self->cas, k);
			if (!crl_is_of(crl, ca))
				continue;
			good = good && number_of(crl, ca, &number);
			if (good)
				fn(&number, arg);
		}
	}
	ERR_clear_error();
	return good;
}
