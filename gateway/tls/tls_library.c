/*
 * A provider (provider(7)) that is OpenSSL's default one, less the decoders. It has no state and no
 * algorithm of its own: what it hands out are the default provider's functions, with that one's
 * context, so that there is nothing here that could be computed wrong. A second one has no keys at
 * all.
 */
#include "tls_library.h"

#include <assert.h>
#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

enum { DECODERS_MAX = 32 };

static OSSL_LIB_CTX *untrimmed, *trimmed, *keyless;
static OSSL_PROVIDER *whole;                      /* the default provider, in `untrimmed` */
static OSSL_ALGORITHM decoders[DECODERS_MAX + 1]; /* ended by one without a name */

/* Whether one of the NAMES, parted by colons, is NAME. */
static bool
has_name(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (;; names++) {
		if (strncmp(names, name, len) == 0 && (names[len] == ':' || names[len] == '\0'))
			return true;
		names = strchr(names, ':');
		if (names == NULL)
			return false;
	}
}

static bool
is_wanted(const OSSL_ALGORITHM *decoder)
{
	static const char *const keys[] = {"RSA", "RSA-PSS", "EC", "ED25519", "ED448", "DER"};

	if (strstr(decoder->property_definition, "structure=SubjectPublicKeyInfo") == NULL)
		return false;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (has_name(decoder->algorithm_names, keys[i]))
			return true;
	return false;
}

static void
choose_decoders(void)
{
	int no_cache;
	size_t n = 0;
	const OSSL_ALGORITHM *all =
	    OSSL_PROVIDER_query_operation(whole, OSSL_OP_DECODER, &no_cache);

	for (; all != NULL && all->algorithm_names != NULL; all++) {
		if (!is_wanted(all))
			continue;
		assert(n < DECODERS_MAX);
		decoders[n++] = *all;
	}
}

static const OSSL_ALGORITHM *
query_operation(void *context, int operation, int *no_cache)
{
	(void)context;
	if (operation != OSSL_OP_DECODER)
		return OSSL_PROVIDER_query_operation(whole, operation, no_cache);
	*no_cache = 0;
	return decoders;
}

/* Where there is no kind of key, OpenSSL looks for none. */
static const OSSL_ALGORITHM *
query_keyless(void *context, int operation, int *no_cache)
{
	(void)context;
	if (operation != OSSL_OP_DECODER && operation != OSSL_OP_KEYMGMT)
		return OSSL_PROVIDER_query_operation(whole, operation, no_cache);
	*no_cache = 0;
	return NULL;
}

/* Which groups and signatures there are for TLS. */
static int
get_capabilities(void *context, const char *capability, OSSL_CALLBACK *take, void *arg)
{
	(void)context;
	return OSSL_PROVIDER_get_capabilities(whole, capability, take, arg);
}

static int
start_trimmed(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **context)
{
	static const OSSL_DISPATCH functions[] = {
	    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
	    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
	    {0, NULL},
	};

	(void)handle, (void)in;
	*out = functions;
	*context = OSSL_PROVIDER_get0_provider_ctx(whole);
	return 1;
}

static int
start_keyless(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **context)
{
	static const OSSL_DISPATCH functions[] = {
	    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_keyless},
	    {0, NULL},
	};

	(void)handle, (void)in;
	*out = functions;
	*context = OSSL_PROVIDER_get0_provider_ctx(whole);
	return 1;
}

static OSSL_LIB_CTX *
library_of(const char *name, OSSL_provider_init_fn *start)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();

	if (library == NULL || OSSL_PROVIDER_add_builtin(library, name, start) != 1 ||
	    OSSL_PROVIDER_load(library, name) == NULL)
		abort();
	return library;
}

static int
is_default(OSSL_PROVIDER *provider, void *arg)
{
	(void)arg;
	return strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0;
}

bool
tls_library_trim(void)
{
	assert(untrimmed == NULL);
	if (EVP_default_properties_is_fips_enabled(NULL) != 0 ||
	    OSSL_PROVIDER_available(NULL, "default") != 1 ||
	    OSSL_PROVIDER_do_all(NULL, is_default, NULL) != 1)
		return false;
	untrimmed = OSSL_LIB_CTX_new();
	if (untrimmed == NULL)
		abort();
	whole = OSSL_PROVIDER_load(untrimmed, "default");
	if (whole == NULL)
		abort();
	choose_decoders();
	trimmed = library_of("mirrorgate-tls", start_trimmed);
	keyless = library_of("mirrorgate-keyless", start_keyless);
	(void)OSSL_LIB_CTX_set0_default(trimmed);
	return true;
}

OSSL_LIB_CTX *
tls_library_untrimmed(void)
{
	return untrimmed;
}

void
tls_library_skip_keys(bool skip)
{
	if (untrimmed != NULL)
		(void)OSSL_LIB_CTX_set0_default(skip ? keyless : trimmed);
}

X509 *
tls_library_with_key(X509 *certificate)
{
	ERR_set_mark();
	bool has_key = X509_get0_pubkey(certificate) != NULL;
	ERR_pop_to_mark();
	if (!has_key)
		return X509_dup(certificate);
	(void)X509_up_ref(certificate);
	return certificate;
}
