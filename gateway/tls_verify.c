/*
 * The rules a client certificate is verified by. The hard part is revocation that fails closed:
 * everything OpenSSL would only notice at some handshake is checked here, before the rules are
 * used.
 */
#include "tls_verify.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../policy/buffer.h"

struct tls_verify {
	X509_STORE *store;
	STACK_OF(X509) * cas;
	STACK_OF(X509_CRL) * crls; /* those in force */
	time_t crl_expires;
};

static void __attribute__((format(printf, 3, 4)))
set_error(char error[TLS_ERROR_MAX], const char *file, const char *format, ...)
{
	char message[TLS_ERROR_MAX / 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	(void)snprintf(error, TLS_ERROR_MAX, "%.200s: %s", file, message);
}

STACK_OF(X509) * tls_verify_read_certificates(const struct tls_pem *pem, char error[TLS_ERROR_MAX])
{
	BIO *bio = BIO_new_mem_buf(pem->bytes, (int)pem->len);
	STACK_OF(X509) *stack = sk_X509_new_null();
	X509 *cert;

	if (bio == NULL || stack == NULL)
		abort();
	ERR_clear_error();
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		sk_X509_push(stack, cert);
	BIO_free(bio);
	unsigned long last = ERR_peek_last_error();
	ERR_clear_error();
	if (sk_X509_num(stack) > 0 && ERR_GET_REASON(last) == PEM_R_NO_START_LINE)
		return stack;
	set_error(error, pem->name, "certificate %d cannot be read", sk_X509_num(stack) + 1);
	sk_X509_pop_free(stack, X509_free);
	return NULL;
}

static bool
load_cas(struct tls_verify *self, const struct tls_pem *pem, char error[TLS_ERROR_MAX])
{
	self->cas = tls_verify_read_certificates(pem, error);
	if (self->cas == NULL)
		return false;
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *ca = sk_X509_value(self->cas, i);
		if (X509_check_ca(ca) != 1) {
			set_error(error, pem->name, "certificate %d is not a CA's", i + 1);
			return false;
		}
		if (X509_cmp_current_time(X509_get0_notBefore(ca)) >= 0) {
			set_error(error, pem->name, "CA certificate %d is not valid yet", i + 1);
			return false;
		}
		if (X509_cmp_current_time(X509_get0_notAfter(ca)) <= 0) {
			set_error(error, pem->name, "CA certificate %d has expired", i + 1);
			return false;
		}
		if (X509_STORE_add_cert(self->store, ca) != 1)
			abort();
	}
	return true;
}

/* True when CRL is CA's: by name, by key, and by what the key may be used for. */
static bool
crl_is_of(X509_CRL *crl, X509 *ca)
{
	bool may_sign = (X509_get_extension_flags(ca) & EXFLAG_KUSAGE) == 0 ||
	                (X509_get_key_usage(ca) & KU_CRL_SIGN) != 0;

	return may_sign &&
	       X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0 &&
	       X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1;
}

static bool
crl_has_issuer(const struct tls_verify *self, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_num(self->cas); i++)
		if (crl_is_of(crl, sk_X509_value(self->cas, i)))
			return true;
	return false;
}

static bool
is_unknown_critical(X509_EXTENSION *ext)
{
	switch (OBJ_obj2nid(X509_EXTENSION_get_object(ext))) {
	case NID_authority_key_identifier:
	case NID_crl_number:
	case NID_crl_reason:
	case NID_invalidity_date:
		return false;
	default:
		return X509_EXTENSION_get_critical(ext) == 1;
	}
}

/* Also looks at the extensions of each entry: OpenSSL would refuse every client because of one. */
static bool
crl_has_unknown_critical(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);

	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
		if (is_unknown_critical(X509_CRL_get_ext(crl, i)))
			return true;
	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
		for (int k = 0; k < X509_REVOKED_get_ext_count(entry); k++)
			if (is_unknown_critical(X509_REVOKED_get_ext(entry, k)))
				return true;
	}
	return false;
}

/* CRLs are held to SHA-256 as certificates are; OpenSSL's security level does not look at them. */
static bool
crl_digest_is_weak(const X509_CRL *crl)
{
	int digest = NID_undef;

	return OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, NULL) != 1 ||
	       (digest != NID_sha256 && digest != NID_sha384 && digest != NID_sha512);
}

static time_t
asn1_seconds(const ASN1_TIME *when)
{
	struct tm tm;
	return ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

/* Returns NULL, or why CRL cannot be relied on now. */
static const char *
crl_defect(const struct tls_verify *self, X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	if (!crl_has_issuer(self, crl))
		return "is not signed by any of the client CAs";
	if (crl_digest_is_weak(crl))
		return "is signed with a digest weaker than SHA-256";
	if (crl_has_unknown_critical(crl))
		return "has a critical extension that is not known";
	if (X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1) < 0)
		return "has no CRL number";
	if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) >= 0)
		return "is not valid yet";
	if (next == NULL)
		return "does not say when it expires";
	if (asn1_seconds(next) <= 0 || X509_cmp_current_time(next) == 0)
		return "has an expiry time that cannot be read";
	if (X509_cmp_current_time(next) < 0)
		return "has expired";
	return NULL;
}

static bool
check_crl(
    struct tls_verify *self, X509_CRL *crl, int number, const char *file, char error[TLS_ERROR_MAX])
{
	const char *defect = crl_defect(self, crl);

	if (defect != NULL) {
		set_error(error, file, "CRL %d %s", number, defect);
		return false;
	}
	time_t expires = asn1_seconds(X509_CRL_get0_nextUpdate(crl));
	if (self->crl_expires == 0 || expires < self->crl_expires)
		self->crl_expires = expires;
	return true;
}

/* True when both CRLs come from one issuer and A's number is lower. */
static bool
crl_is_lower(X509_CRL *a, X509_CRL *b)
{
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(a, NID_crl_number, NULL, NULL);
	ASN1_INTEGER *other = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);
	bool lower = X509_NAME_cmp(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b)) == 0 &&
	             (number == NULL || other == NULL || ASN1_INTEGER_cmp(number, other) < 0);

	ASN1_INTEGER_free(number);
	ASN1_INTEGER_free(other);
	return lower;
}

/* True when CRLS hold a later list of the CA that CRL is of. */
static bool
crl_is_superseded(const struct tls_verify *self, STACK_OF(X509_CRL) * crls, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *other = sk_X509_CRL_value(crls, i);
		if (!crl_is_lower(crl, other))
			continue;
		for (int k = 0; k < sk_X509_num(self->cas); k++) {
			X509 *ca = sk_X509_value(self->cas, k);
			if (crl_is_of(crl, ca) && crl_is_of(other, ca))
				return true;
		}
	}
	return false;
}

/* Of several lists of a CA the one with the highest number counts. OpenSSL looks at their times,
 * and would take either of two that were issued within one second. */
static void
install_crls(struct tls_verify *self, STACK_OF(X509_CRL) * crls)
{
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(crls, i);
		if (crl_is_superseded(self, crls, crl))
			continue;
		if (X509_STORE_add_crl(self->store, crl) != 1 || X509_CRL_up_ref(crl) != 1 ||
		    sk_X509_CRL_push(self->crls, crl) == 0)
			abort();
	}
	X509_STORE_set_flags(self->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

static bool
every_ca_has_crl(
    struct tls_verify *self, STACK_OF(X509_CRL) * crls, const char *file, char error[TLS_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_num(self->cas); i++) {
		X509 *ca = sk_X509_value(self->cas, i);
		bool found = false;
		for (int k = 0; k < sk_X509_CRL_num(crls); k++)
			if (crl_is_of(sk_X509_CRL_value(crls, k), ca))
				found = true;
		if (!found) {
			set_error(error, file, "there is no CRL of client CA %d", i + 1);
			return false;
		}
	}
	return true;
}

static bool
load_crls(struct tls_verify *self, const struct tls_pem *pem, char error[TLS_ERROR_MAX])
{
	BIO *bio = BIO_new_mem_buf(pem->bytes, (int)pem->len);
	STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
	X509_CRL *crl;
	bool good = true;

	if (bio == NULL || crls == NULL)
		abort();
	ERR_clear_error();
	while (good && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		sk_X509_CRL_push(crls, crl);
		good = check_crl(self, crl, sk_X509_CRL_num(crls), pem->name, error);
	}
	if (good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		set_error(error, pem->name, "CRL %d cannot be read", sk_X509_CRL_num(crls) + 1);
		good = false;
	}
	ERR_clear_error();
	good = good && every_ca_has_crl(self, crls, pem->name, error);
	if (good)
		install_crls(self, crls);
	BIO_free(bio);
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return good;
}

struct tls_verify *
tls_verify_new(
    const struct tls_pem *client_ca, const struct tls_pem *crl, char error[TLS_ERROR_MAX])
{
	struct tls_verify *self = buffer_alloc(sizeof *self);

	self->store = X509_STORE_new();
	self->crls = sk_X509_CRL_new_null();
	if (self->store == NULL || self->crls == NULL)
		abort();
	X509_STORE_set_purpose(self->store, X509_PURPOSE_SSL_CLIENT);
	X509_STORE_set_depth(self->store, TLS_VERIFY_DEPTH);
	X509_STORE_set_flags(self->store, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(self->store), TLS_SECURITY_LEVEL);
	if (!load_cas(self, client_ca, error))
		goto free_self;
	if (crl->bytes != NULL && !load_crls(self, crl, error))
		goto free_self;
	return self;
free_self:
	tls_verify_free(self);
	return NULL;
}

void
tls_verify_free(struct tls_verify *self)
{
	if (self == NULL)
		return;
	X509_STORE_free(self->store);
	sk_X509_pop_free(self->cas, X509_free);
	sk_X509_CRL_pop_free(self->crls, X509_CRL_free);
	free(self);
}

void
tls_verify_install(struct tls_verify *self, SSL_CTX *ctx)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	if (names == NULL)
		abort();
	for (int i = 0; i < sk_X509_num(self->cas); i++)
		sk_X509_NAME_push(
		    names, X509_NAME_dup(X509_get_subject_name(sk_X509_value(self->cas, i))));
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set1_cert_store(ctx, self->store);
	SSL_CTX_set_verify_depth(ctx, TLS_VERIFY_DEPTH);
}

const char *
tls_verify_certificate(
    struct tls_verify *self, X509 *leaf, STACK_OF(X509) * chain, struct identity *identity)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *defect = NULL;

	if (ctx == NULL || X509_STORE_CTX_init(ctx, self->store, leaf, chain) != 1)
		abort();
	X509_STORE_CTX_set_default(ctx, "ssl_client");
	ERR_clear_error();
	if (X509_verify_cert(ctx) != 1)
		defect = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	if (defect == NULL)
		defect = identity_of(leaf, identity);
	return defect;
}

const char *
tls_verify_crl_went_back(const struct tls_verify *self, const struct tls_pem *previous)
{
	BIO *bio =
	    previous->bytes == NULL ? NULL : BIO_new_mem_buf(previous->bytes, (int)previous->len);
	X509_CRL *older;
	bool back = false;

	while (bio != NULL && (older = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		for (int i = 0; i < sk_X509_CRL_num(self->crls); i++)
			back = back || crl_is_lower(sk_X509_CRL_value(self->crls, i), older);
		X509_CRL_free(older);
	}
	BIO_free(bio);
	ERR_clear_error();
	return back ? "the CRL number is lower than that of the one in force" : NULL;
}

time_t
tls_verify_crl_expires(const struct tls_verify *self)
{
	return self->crl_expires;
}
