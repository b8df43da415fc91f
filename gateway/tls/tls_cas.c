/*
 * The client CAs. The hard part is which of them end a path: OpenSSL trusts self-signed ones alone,
 * unless one is marked as trusted by itself; to mark all would keep it from looking at the lists of
 * their issuers.
 */
#include "tls_cas.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/bundle.h"
#include "identity.h"

struct tls_cas {
	STACK_OF(X509) * all, *used;
	char **names; /* of USED, canonical; "": it has no such name */
};

static bool
has_expired(const X509 *ca)
{
	return X509_cmp_current_time(X509_get0_notAfter(ca)) <= 0;
}

static bool
all_are_cas(const struct tls_cas *self, const char *file, char error[PEM_ERROR_MAX])
{
	for (int i = 0; i < sk_X509_num(self->all); i++) {
		X509 *ca = sk_X509_value(self->all, i);
		if (X509_check_ca(ca) != 1) {
			pem_fail(error, file,
			    "certificate %d is not a CA's: basicConstraints must say CA:TRUE, and "
			    "keyUsage, where there is one, keyCertSign",
			    i + 1);
			return false;
		}
		if (X509_cmp_current_time(X509_get0_notBefore(ca)) >= 0) {
			pem_fail(error, file, "CA certificate %d is not valid yet", i + 1);
			return false;
		}
	}
	return true;
}

static bool
is_issued_by(X509 *ca, X509 *issuer)
{
	bool issued = X509_check_issued(issuer, ca) == X509_V_OK &&
	              X509_verify(ca, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return issued;
}

static bool
is_root(X509 *ca)
{
	return (X509_get_extension_flags(ca) & EXFLAG_SS) != 0;
}

/* True when one of CAS, other than CA, has issued CA. */
static bool
has_issuer(const STACK_OF(X509) * cas, X509 *ca)
{
	for (int i = 0; i < sk_X509_num(cas); i++) {
		X509 *issuer = sk_X509_value(cas, i);
		if (X509_cmp(ca, issuer) != 0 && is_issued_by(ca, issuer))
			return true;
	}
	return false;
}

/* True when nothing above CA is to be looked for. */
static bool
is_anchor(const struct tls_cas *self, X509 *ca)
{
	return is_root(ca) || !has_issuer(self->all, ca);
}

static bool
is_in(const STACK_OF(X509) * cas, const X509 *certificate)
{
	for (int i = 0; i < sk_X509_num(cas); i++)
		if (X509_cmp(sk_X509_value(cas, i), certificate) == 0)
			return true;
	return false;
}

/* Puts those CAs of the file into use that may be now: it takes a round for each CA on a path. */
static bool
choose_more(struct tls_cas *self)
{
	bool more = false;

	for (int i = 0; i < sk_X509_num(self->all); i++) {
		X509 *ca = sk_X509_value(self->all, i);
		if (is_in(self->used, ca) || has_expired(ca) ||
		    !(is_anchor(self, ca) || has_issuer(self->used, ca)))
			continue;
		if (X509_up_ref(ca) != 1 || sk_X509_push(self->used, ca) == 0)
			abort();
		more = true;
	}
	return more;
}

static void
order_as_in_file(struct tls_cas *self)
{
	STACK_OF(X509) *ordered = sk_X509_new_null();

	for (int i = 0; i < sk_X509_num(self->all); i++) {
		X509 *ca = sk_X509_value(self->all, i);
		if (!is_in(self->used, ca) || is_in(ordered, ca))
			continue;
		if (X509_up_ref(ca) != 1 || sk_X509_push(ordered, ca) == 0)
			abort();
	}
	sk_X509_pop_free(self->used, X509_free);
	self->used = ordered;
}

static void
note_left_out(const struct tls_cas *self, const char *file, struct buffer *notes)
{
	for (int i = 0; i < sk_X509_num(self->all); i++) {
		X509 *ca = sk_X509_value(self->all, i);
		if (is_in(self->used, ca))
			continue;
		buffer_printf(notes,
		    "%.200s: CA certificate %s is left out, and its clients are refused: %s\n",
		    file, tls_cas_label(self, ca),
		    has_expired(ca) ? "it has expired" : "the CA that issued it has expired");
	}
}

/* Those that are anchors without being roots have to be marked as such. */
static void
mark_anchors(struct tls_cas *self)
{
	for (int i = 0; i < sk_X509_num(self->used); i++) {
		X509 *ca = sk_X509_value(self->used, i);
		if (!is_root(ca) && is_anchor(self, ca) &&
		    X509_add1_trust_object(ca, OBJ_nid2obj(NID_client_auth)) != 1)
			abort();
	}
}

static void
name_all(struct tls_cas *self)
{
	int count = sk_X509_num(self->used);

	assert(count > 0);
	self->names = buffer_alloc((size_t)count * sizeof *self->names);
	for (int i = 0; i < count; i++) {
		char name[SUBJECT_MAX_BYTES + 1] = "";
		if (identity_name(X509_get_subject_name(sk_X509_value(self->used, i)), name) !=
		    NULL)
			name[0] = '\0';
		self->names[i] = buffer_strdup(name);
	}
}

static bool
choose(struct tls_cas *self, const char *file, struct buffer *notes, char error[PEM_ERROR_MAX])
{
	if (!all_are_cas(self, file, error))
		return false;
	while (choose_more(self))
		;
	order_as_in_file(self);
	if (sk_X509_num(self->used) == 0) {
		pem_fail(error, file, "CA certificate 1 has expired%s: get a new one",
		    sk_X509_num(self->all) > 1 ? ", and with it all others" : "");
		return false;
	}
	note_left_out(self, file, notes);
	mark_anchors(self);
	name_all(self);
	return true;
}

struct tls_cas *
tls_cas_read(const struct pem *file, struct buffer *notes, char error[PEM_ERROR_MAX])
{
	struct tls_cas *self = buffer_alloc(sizeof *self);

	self->all = bundle_read_certificates(file, error);
	self->used = sk_X509_new_null();
	if (self->used == NULL)
		abort();
	if (self->all != NULL && choose(self, file->name, notes, error))
		return self;
	tls_cas_free(self);
	return NULL;
}

void
tls_cas_free(struct tls_cas *self)
{
	if (self == NULL)
		return;
	for (int i = 0; self->names != NULL && i < sk_X509_num(self->used); i++)
		free(self->names[i]);
	free((void *)self->names);
	sk_X509_pop_free(self->used, X509_free);
	sk_X509_pop_free(self->all, X509_free);
	free(self);
}

const STACK_OF(X509) * tls_cas_in_use(const struct tls_cas *self)
{
	return self->used;
}

const STACK_OF(X509) * tls_cas_all(const struct tls_cas *self)
{
	return self->all;
}

int
tls_cas_number(const struct tls_cas *self, const X509 *ca)
{
	for (int i = 0; i < sk_X509_num(self->all); i++)
		if (X509_cmp(sk_X509_value(self->all, i), ca) == 0)
			return i + 1;
	return 0;
}

const char *
tls_cas_label(const struct tls_cas *self, const X509 *ca)
{
	static char label[SUBJECT_MAX_BYTES + 32];
	char name[SUBJECT_MAX_BYTES + 1];
	bool named = identity_name(X509_get_subject_name(ca), name) == NULL;

	(void)snprintf(label, sizeof label, "%d%s%.100s", tls_cas_number(self, ca),
	    named ? ", " : "", named ? name : "");
	return label;
}

const char *
tls_cas_name(const struct tls_cas *self, int n)
{
	assert(n >= 0 && n < sk_X509_num(self->used));
	return self->names[n];
}

bool
tls_cas_has(const struct tls_cas *self, const X509 *certificate)
{
	return is_in(self->used, certificate);
}

bool
tls_cas_has_namesake(const STACK_OF(X509) * certificates, const X509 *ca)
{
	for (int i = 0; i < sk_X509_num(certificates); i++) {
		const X509 *each = sk_X509_value(certificates, i);
		if (X509_NAME_cmp(X509_get_subject_name(each), X509_get_subject_name(ca)) == 0 &&
		    EVP_PKEY_eq(X509_get0_pubkey(each), X509_get0_pubkey(ca)) != 1)
			return true;
	}
	return false;
}
