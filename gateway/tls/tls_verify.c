/*
 * The rules a client certificate is verified by. Revocation is in tls_crl.c; the hard part here is
 * to be no stricter than RFC 5280 about the CAs that an operator has, and no laxer.
 */
#include "tls_verify.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/asn1_seconds.h"
#include "tls_cas.h"
#include "tls_library.h"
#include "tls_rehearsal.h"
#include "tls_remedy.h"

struct tls_verify {
	X509_STORE *store;
	struct tls_cas *cas;
	struct tls_crl *crl; /* NULL: none wanted */
	struct buffer notes;
};

static X509_STORE *
store_of(const STACK_OF(X509) * cas)
{
	X509_STORE *store = X509_STORE_new();

	if (store == NULL)
		abort();
	X509_STORE_set_purpose(store, X509_PURPOSE_SSL_CLIENT);
	X509_STORE_set_depth(store, TLS_VERIFY_DEPTH);
	X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(store), TLS_SECURITY_LEVEL);
	for (int i = 0; i < sk_X509_num(cas); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(cas, i)) != 1)
			abort();
	return store;
}

/* A CA is good when a client of it could be let in. */
static bool
every_ca_can_vouch(const struct tls_verify *self, const char *file, char error[TLS_ERROR_MAX])
{
	const STACK_OF(X509) *cas = tls_cas_in_use(self->cas);

	for (int i = 0; i < sk_X509_num(cas); i++) {
		X509 *ca = sk_X509_value(cas, i);
		const char *defect = tls_rehearsal(tls_verify_judge, self, self->store, ca);
		if (defect == NULL)
			continue;
		(void)snprintf(error, TLS_ERROR_MAX,
		    "%.200s: every client of CA certificate %.110s would be refused: %.120s", file,
		    tls_cas_label(self->cas, ca), defect);
		return false;
	}
	return true;
}

struct tls_verify *
tls_verify_new(const struct pem *client_ca, const struct pem *crl, char error[TLS_ERROR_MAX])
{
	struct tls_verify *self = buffer_alloc(sizeof *self);

	self->cas = tls_cas_read(client_ca, &self->notes, error);
	if (self->cas == NULL)
		goto free_self;
	self->store = store_of(tls_cas_in_use(self->cas));
	if (crl->bytes != NULL) {
		self->crl = tls_crl_new(self->store, self->cas, crl, &self->notes, error);
		if (self->crl == NULL)
			goto free_self;
	}
	if (every_ca_can_vouch(self, client_ca->name, error))
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
	tls_crl_free(self->crl);
	X509_STORE_free(self->store);
	tls_cas_free(self->cas);
	buffer_fini(&self->notes);
	free(self);
}

const struct buffer *
tls_verify_notes(const struct tls_verify *self)
{
	return &self->notes;
}

void
tls_verify_install(struct tls_verify *self, SSL_CTX *ctx)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	assert(sk_X509_num(tls_cas_in_use(self->cas)) > 0);
	if (names == NULL)
		abort();
	const STACK_OF(X509) *cas = tls_cas_in_use(self->cas);

	for (int i = 0; i < sk_X509_num(cas); i++)
		sk_X509_NAME_push(
		    names, X509_NAME_dup(X509_get_subject_name(sk_X509_value(cas, i))));
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set1_cert_store(ctx, self->store);
	SSL_CTX_set_verify_depth(ctx, TLS_VERIFY_DEPTH);
}

/* The canonical name of the CA that vouches for the leaf of a verified chain: the nearest one that
 * was configured. A name in a certificate is not enough, for any CA can certify another one of any
 * name below itself. */
static const char *
issuer_of(const struct tls_verify *self, const STACK_OF(X509) * chain)
{
	const STACK_OF(X509) *cas = tls_cas_in_use(self->cas);

	for (int i = 1; i < sk_X509_num(chain); i++)
		for (int k = 0; k < sk_X509_num(cas); k++)
			if (X509_cmp(sk_X509_value(chain, i), sk_X509_value(cas, k)) == 0)
				return tls_cas_name(self->cas, k);
	return "";
}

/* The strict rules want an authority key identifier in every certificate that is not its own
 * issuer (RFC 5280, 4.2.1.1). It is there to choose among issuers of one name: where it is left
 * out, or names issuer and serial number instead, and all certificates of that name, ours and the
 * client's, have one key, there is no choice, and whether that key has signed is looked at next. */
static bool
is_issued_without_doubt(const struct tls_verify *self, X509_STORE_CTX *ctx)
{
	const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	X509 *issuer = sk_X509_value(chain, X509_STORE_CTX_get_error_depth(ctx) + 1);

	return issuer != NULL && !tls_cas_has_namesake(tls_cas_in_use(self->cas), issuer) &&
	       !tls_cas_has_namesake(X509_STORE_CTX_get0_untrusted(ctx), issuer);
}

/* Nobody but the CA above it can revoke an anchor that is no root, and that one is not ours. */
static bool
is_the_anchor(X509_STORE_CTX *ctx)
{
	return X509_STORE_CTX_get_error_depth(ctx) ==
	       sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;
}

/* True for what OpenSSL's strict rules find missing, though RFC 5280, 6.1, finds a path without it:
 * most is wanted of CAs when they issue, and those of the configuration have been chosen. */
static bool
is_tolerable(const struct tls_verify *self, X509_STORE_CTX *ctx)
{
	const X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);
	bool ours = certificate != NULL && tls_cas_has(self->cas, certificate);

	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
		return certificate != NULL && is_issued_without_doubt(self, ctx);
	case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
	case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
		return ours;
	case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER:
		return ours && !tls_cas_has_namesake(tls_cas_in_use(self->cas), certificate);
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return ours && is_the_anchor(ctx);
	default:
		return false;
	}
}

/* OpenSSL does not look at the dates of an anchor that is no root. */
static bool
anchor_has_expired(X509_STORE_CTX *ctx)
{
	const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	const X509 *anchor = sk_X509_value(chain, sk_X509_num(chain) - 1);

	return X509_cmp_current_time(X509_get0_notAfter(anchor)) <= 0;
}

const char *
tls_verify_judge(
    const struct tls_verify *self, bool good, X509_STORE_CTX *ctx, struct identity *identity)
{
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	bool is_leaf = X509_STORE_CTX_get_error_depth(ctx) == 0;
	const char *defect = NULL;

	assert(identity != NULL);
	if (!good && is_tolerable(self, ctx)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return NULL;
	}
	if (leaf != NULL && (!good || is_leaf))
		defect = identity_of(leaf, identity);
	if (good && is_leaf && anchor_has_expired(ctx)) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_HAS_EXPIRED);
		good = false;
	}
	if (!good)
		return tls_remedy(X509_STORE_CTX_get_error(ctx));
	if (defect != NULL)
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
	else if (is_leaf)
		identity->issuer = issuer_of(self, X509_STORE_CTX_get0_chain(ctx));
	return defect;
}

struct judgement {
	const struct tls_verify *rules;
	struct identity *identity;
	const char *defect;
};

static int
on_verify(int good, X509_STORE_CTX *ctx)
{
	struct judgement *self = X509_STORE_CTX_get_app_data(ctx);

	assert(self->rules != NULL);
	self->defect = tls_verify_judge(self->rules, good != 0, ctx, self->identity);
	return self->defect == NULL;
}

const char *
tls_verify_certificate(
    struct tls_verify *self, X509 *leaf, STACK_OF(X509) * chain, struct identity *identity)
{
	X509 *whole = tls_library_with_key(leaf);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct judgement judgement = {self, identity, NULL};

	if (whole == NULL || ctx == NULL ||
	    X509_STORE_CTX_init(ctx, self->store, whole, chain) != 1)
		abort();
	X509_STORE_CTX_set_default(ctx, "ssl_client");
	X509_STORE_CTX_set_app_data(ctx, &judgement);
	X509_STORE_CTX_set_verify_cb(ctx, on_verify);
	*identity = (struct identity){.issuer = ""};
	ERR_clear_error();
	if (X509_verify_cert(ctx) != 1 && judgement.defect == NULL)
		judgement.defect = tls_remedy(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	X509_free(whole);
	ERR_clear_error();
	if (judgement.defect == NULL && identity->subject[0] == '\0')
		return "the client certificate was not verified";
	return judgement.defect;
}

bool
tls_verify_needs_no_other(const struct tls_verify *self, const STACK_OF(X509) * chain)
{
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (!tls_cas_has(self->cas, sk_X509_value(chain, i)))
			return false;
	return sk_X509_num(chain) > 1;
}

static time_t
earlier(time_t until, time_t end)
{
	return end < until ? end : until;
}

time_t
tls_verify_good_until(const struct tls_verify *self, const X509 *leaf)
{
	time_t until = asn1_seconds(X509_get0_notAfter(leaf));

	const STACK_OF(X509) *cas = tls_cas_in_use(self->cas);

	for (int i = 0; i < sk_X509_num(cas); i++)
		until = earlier(until, asn1_seconds(X509_get0_notAfter(sk_X509_value(cas, i))));
	return self->crl != NULL ? earlier(until, tls_crl_expires(self->crl)) : until;
}

static bool
is_named_before(const struct tls_verify *self, int ca)
{
	for (int i = 0; i < ca; i++)
		if (strcmp(tls_cas_name(self->cas, i), tls_cas_name(self->cas, ca)) == 0)
			return true;
	return false;
}

size_t
tls_verify_name_cas(const struct tls_verify *self, struct buffer *text)
{
	size_t count = 0;

	for (int i = 0; i < sk_X509_num(tls_cas_in_use(self->cas)); i++) {
		const char *name = tls_cas_name(self->cas, i);
		if (is_named_before(self, i))
			continue;
		buffer_printf(text, "%s%s", count > 0 ? "; " : "",
		    name[0] != '\0' ? name : "one without a canonical name");
		count++;
	}
	return count;
}

const struct tls_crl *
tls_verify_crl(const struct tls_verify *self)
{
	return self->crl;
}

time_t
tls_verify_cas_expire(const struct tls_verify *self)
{
	time_t first =
	    asn1_seconds(X509_get0_notAfter(sk_X509_value(tls_cas_in_use(self->cas), 0)));

	for (int i = 1; i < sk_X509_num(tls_cas_in_use(self->cas)); i++) {
		time_t end =
		    asn1_seconds(X509_get0_notAfter(sk_X509_value(tls_cas_in_use(self->cas), i)));
		first = end < first ? end : first;
	}
	return first;
}
