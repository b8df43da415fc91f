/*
 * The provider of remote keys. The hard part is that OpenSSL prefers the algorithms of its own
 * provider, and would take the key there: it is refused as soon as the private half is asked for.
 * All that is public is asked of an ordinary key of the same numbers.
 */
#include "tls_remote_key.h"

#include <assert.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"

enum { DIGEST_NAME_MAX = 32 };

struct remote_key {
	unsigned references;
	const char *type;
	EVP_PKEY *public_half; /* NULL: it has no numbers yet */
	unsigned char name[TLS_SIGNING_KEY_BYTES];
};

struct signing {
	struct remote_key *key;
	char digest[DIGEST_NAME_MAX]; /* "": none */
	bool is_pss;
};

static OSSL_LIB_CTX *library; /* where the provider is */
static struct tls_asker *asked;

/* ---- keys (OSSL_OP_KEYMGMT) ---- */

static struct remote_key *
new_key(const char *type)
{
	struct remote_key *self = buffer_alloc(sizeof *self);

	self->references = 1;
	self->type = type;
	return self;
}

static void *
new_rsa(void *context)
{
	(void)context;
	return new_key("RSA");
}

static void *
new_rsa_pss(void *context)
{
	(void)context;
	return new_key("RSA-PSS");
}

static void *
new_ec(void *context)
{
	(void)context;
	return new_key("EC");
}

static void *
new_ed25519(void *context)
{
	(void)context;
	return new_key("ED25519");
}

static void *
new_ed448(void *context)
{
	(void)context;
	return new_key("ED448");
}

static void
free_key(void *arg)
{
	struct remote_key *self = arg;

	if (self == NULL || --self->references > 0)
		return;
	EVP_PKEY_free(self->public_half);
	free(self);
}

/* The private half is there, though not here. */
static int
has(const void *arg, int selection)
{
	const struct remote_key *self = arg;

	(void)selection;
	return self->public_half != NULL;
}

static int
match(const void *a, const void *b, int selection)
{
	const struct remote_key *left = a, *right = b;

	(void)selection;
	return left->public_half != NULL && right->public_half != NULL &&
	       EVP_PKEY_eq(left->public_half, right->public_half) == 1;
}

static int
import(void *arg, int selection, const OSSL_PARAM params[])
{
	struct remote_key *self = arg;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, self->type, NULL);
	/* OpenSSL does not change them; it only has no const for it. */
	OSSL_PARAM *copy = OSSL_PARAM_dup(params);

	(void)selection;
	assert(self->public_half == NULL);
	bool good = ctx != NULL && copy != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	            EVP_PKEY_fromdata(ctx, &self->public_half, EVP_PKEY_PUBLIC_KEY, copy) == 1 &&
	            tls_signing_key_name(self->public_half, self->name);
	OSSL_PARAM_free(copy);
	EVP_PKEY_CTX_free(ctx);
	return good;
}

static int export(void *arg, int selection, OSSL_CALLBACK *take, void *take_arg)
{
	const struct remote_key *self = arg;
	OSSL_PARAM *params = NULL;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || self->public_half == NULL)
		return 0;
	int taken = EVP_PKEY_todata(self->public_half, EVP_PKEY_PUBLIC_KEY, &params) == 1 &&
	            take(params, take_arg);
	OSSL_PARAM_free(params);
	return taken;
}

/* Of every type, for both ways: what is not there is not missed. */
static const OSSL_PARAM *
types(int selection)
{
	static const OSSL_PARAM all[] = {
	    {OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, NULL, 0, 0},
	    {NULL, 0, NULL, 0, 0},
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : all;
}

static int
get_params(void *arg, OSSL_PARAM params[])
{
	const struct remote_key *self = arg;

	return self->public_half == NULL || EVP_PKEY_get_params(self->public_half, params) == 1;
}

static const OSSL_PARAM *
gettable_params(void *context)
{
	static const OSSL_PARAM all[] = {
	    {OSSL_PKEY_PARAM_BITS, OSSL_PARAM_INTEGER, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_SECURITY_BITS, OSSL_PARAM_INTEGER, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_MAX_SIZE, OSSL_PARAM_INTEGER, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_MANDATORY_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0, 0},
	    {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, NULL, 0, 0},
	    {NULL, 0, NULL, 0, 0},
	};

	(void)context;
	return all;
}

static const char *
signature_rsa(int operation)
{
	(void)operation;
	return "RSA";
}

static const char *
signature_ec(int operation)
{
	(void)operation;
	return "ECDSA";
}

static const char *
signature_ed25519(int operation)
{
	(void)operation;
	return "ED25519";
}

static const char *
signature_ed448(int operation)
{
	(void)operation;
	return "ED448";
}

typedef void function(void);

#define KEYS(new_of_type, signature_of_type)                                                   \
	{                                                                                      \
		{OSSL_FUNC_KEYMGMT_NEW, (function *)(new_of_type)},                            \
		    {OSSL_FUNC_KEYMGMT_FREE, (function *)free_key},                            \
		    {OSSL_FUNC_KEYMGMT_HAS, (function *)has},                                  \
		    {OSSL_FUNC_KEYMGMT_MATCH, (function *)match},                              \
		    {OSSL_FUNC_KEYMGMT_IMPORT, (function *)import},                            \
		    {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (function *)types},                       \
		    {OSSL_FUNC_KEYMGMT_EXPORT, (function *)export},                            \
		    {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (function *)types},                       \
		    {OSSL_FUNC_KEYMGMT_GET_PARAMS, (function *)get_params},                    \
		    {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (function *)gettable_params},          \
		    {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (function *)(signature_of_type)}, \
		    {0, NULL},                                                                 \
	}

static const OSSL_DISPATCH keys_rsa[] = KEYS(new_rsa, signature_rsa);
static const OSSL_DISPATCH keys_rsa_pss[] = KEYS(new_rsa_pss, signature_rsa);
static const OSSL_DISPATCH keys_ec[] = KEYS(new_ec, signature_ec);
static const OSSL_DISPATCH keys_ed25519[] = KEYS(new_ed25519, signature_ed25519);
static const OSSL_DISPATCH keys_ed448[] = KEYS(new_ed448, signature_ed448);

/* ---- signatures (OSSL_OP_SIGNATURE) ---- */

static void *
new_signing(void *context, const char *properties)
{
	(void)context, (void)properties;
	return buffer_alloc(sizeof(struct signing));
}

static void
free_signing(void *arg)
{
	struct signing *self = arg;

	free_key(self->key);
	free(self);
}

/* A salt is always as long as the digest, and so is OpenSSL's in TLS. */
static int
set_params(void *arg, const OSSL_PARAM params[])
{
	struct signing *self = arg;
	const OSSL_PARAM *padding = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	int number = 0;

	if (padding == NULL)
		return 1;
	if (padding->data_type == OSSL_PARAM_UTF8_STRING)
		number = strcasecmp(padding->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0
		             ? RSA_PKCS1_PSS_PADDING
		             : RSA_PKCS1_PADDING;
	else if (OSSL_PARAM_get_int(padding, &number) != 1)
		return 0;
	self->is_pss = number == RSA_PKCS1_PSS_PADDING;
	return 1;
}

static const OSSL_PARAM *
settable_params(void *arg, void *context)
{
	static const OSSL_PARAM all[] = {
	    {OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, NULL, 0, 0},
	    {OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PARAM_UTF8_STRING, NULL, 0, 0},
	    {NULL, 0, NULL, 0, 0},
	};

	(void)arg, (void)context;
	return all;
}

static int
init_signing(void *arg, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *self = arg;

	if (key != NULL) {
		free_key(self->key);
		self->key = key;
		self->key->references++;
		self->is_pss = strcmp(self->key->type, "RSA-PSS") == 0;
	}
	if (self->key == NULL || self->key->public_half == NULL)
		return 0;
	size_t len = digest != NULL ? strlen(digest) : 0;
	if (len >= sizeof self->digest)
		return 0;
	memcpy(self->digest, len > 0 ? digest : "", len + 1);
	return set_params(self, params);
}

static int
sign(void *arg, unsigned char *signature, size_t *len, size_t room, const unsigned char *content,
    size_t content_len)
{
	struct signing *self = arg;
	struct tls_signing_request request = {.len = (uint16_t)content_len};
	struct tls_signing_answer answer;
	const EVP_PKEY *public_half = self->key->public_half;

	if (signature == NULL) {
		*len = (size_t)EVP_PKEY_get_size(public_half);
		return 1;
	}
	const struct tls_signing_scheme *scheme =
	    tls_signing_scheme_for(self->key->type, self->digest, self->is_pss);
	if (scheme == NULL || content_len > sizeof request.content || asked == NULL)
		return 0;
	request.scheme = scheme->number;
	memcpy(request.key, self->key->name, sizeof request.key);
	memcpy(request.content, content, content_len);
	if (!tls_asker_sign(asked, &request, &answer) || answer.len > room)
		return 0;
	memcpy(signature, answer.signature, answer.len);
	*len = answer.len;
	return 1;
}

/* ---- the provider ---- */

static const OSSL_ALGORITHM *
query_operation(void *context, int operation, int *no_cache)
{
	static const OSSL_DISPATCH signing[] = {
	    {OSSL_FUNC_SIGNATURE_NEWCTX, (function *)new_signing},
	    {OSSL_FUNC_SIGNATURE_FREECTX, (function *)free_signing},
	    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (function *)init_signing},
	    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (function *)sign},
	    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (function *)set_params},
	    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (function *)settable_params},
	    {0, NULL},
	};
	static const char properties[] = "provider=mirrorgate-remote";
	/* With the names by which libssl knows them. */
	static const OSSL_ALGORITHM keys[] = {
	    {"RSA:rsaEncryption", properties, keys_rsa, NULL},
	    {"RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", properties, keys_rsa_pss, NULL},
	    {"EC:id-ecPublicKey", properties, keys_ec, NULL},
	    {"ED25519", properties, keys_ed25519, NULL},
	    {"ED448", properties, keys_ed448, NULL},
	    {NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM signatures[] = {
	    {"RSA", properties, signing, NULL},
	    {"ECDSA", properties, signing, NULL},
	    {"ED25519", properties, signing, NULL},
	    {"ED448", properties, signing, NULL},
	    {NULL, NULL, NULL, NULL},
	};

	(void)context;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT     ? keys
	       : operation == OSSL_OP_SIGNATURE ? signatures
	                                        : NULL;
}

static int
start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **context)
{
	static const OSSL_DISPATCH functions[] = {
	    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (function *)query_operation},
	    {0, NULL},
	};
	static int nothing;

	(void)handle, (void)in;
	*out = functions;
	*context = &nothing;
	return 1;
}

static void
load_provider(void)
{
	static const char name[] = "mirrorgate-remote";

	if (library != NULL)
		return;
	library = OSSL_LIB_CTX_new();
	if (library == NULL || OSSL_PROVIDER_add_builtin(library, name, start) != 1 ||
	    OSSL_PROVIDER_load(library, name) == NULL)
		abort();
}

void
tls_remote_key_ask(struct tls_asker *asker)
{
	asked = asker;
}

EVP_PKEY *
tls_remote_key_of(X509 *certificate)
{
	EVP_PKEY *public_half = X509_get0_pubkey(certificate), *key = NULL;
	const char *type = public_half != NULL ? EVP_PKEY_get0_type_name(public_half) : NULL;
	OSSL_PARAM *params = NULL;

	load_provider();
	EVP_PKEY_CTX *ctx = type != NULL ? EVP_PKEY_CTX_new_from_name(library, type, NULL) : NULL;
	if (ctx != NULL && EVP_PKEY_todata(public_half, EVP_PKEY_PUBLIC_KEY, &params) == 1 &&
	    EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}
