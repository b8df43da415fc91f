/* Keys and signatures. The one hard part is RSASSA-PSS, whose digest is among its parameters. */
#include "strength.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <string.h>

enum { RSA_MIN_BITS = 2048, EC_MIN_BITS = 256, GROUP_SIZE = 80 };

/* Those that TLS 1.3 has signatures for (RFC 8446, 4.2.3). */
static bool
is_curve_of_tls(const EVP_PKEY *key)
{
	char name[GROUP_SIZE];
	size_t len;
	int nid = NID_undef;

	if (EVP_PKEY_get_group_name(key, name, sizeof name, &len) == 1)
		nid = OBJ_txt2nid(name);
	ERR_clear_error();
	return nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1;
}

const char *
strength_key_defect(const EVP_PKEY *key)
{
	if (key == NULL)
		return "the public key cannot be read";
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		if (EVP_PKEY_get_bits(key) < RSA_MIN_BITS)
			return "the RSA key is shorter than 2048 bits";
		return NULL;
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_bits(key) < EC_MIN_BITS)
			return "the EC key is shorter than 256 bits";
		return is_curve_of_tls(key) ? NULL
		                            : "the EC key is on none of P-256, P-384 and P-521";
	case EVP_PKEY_ED25519:
		return NULL;
	default:
		return "the key is neither RSA, EC nor Ed25519";
	}
}

static bool
is_strong(int digest)
{
	return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

static int
digest_of_pss(const X509_ALGOR *algorithm)
{
	RSA_PSS_PARAMS *pss = NULL;
	const ASN1_OBJECT *object = NULL;
	const void *value = NULL;
	int type = V_ASN1_UNDEF, digest = NID_undef;

	X509_ALGOR_get0(NULL, &type, &value, algorithm);
	if (type == V_ASN1_SEQUENCE)
		pss = ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS));
	if (pss != NULL && pss->hashAlgorithm != NULL) { /* SHA-1 where it is left out */
		X509_ALGOR_get0(&object, NULL, NULL, pss->hashAlgorithm);
		digest = OBJ_obj2nid(object);
	}
	RSA_PSS_PARAMS_free(pss);
	ERR_clear_error();
	return digest;
}

bool
strength_of_signature(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object = NULL;
	int digest = NID_undef;

	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	switch (OBJ_obj2nid(object)) {
	case NID_ED25519:
		return true;
	case NID_rsassaPss:
		return is_strong(digest_of_pss(algorithm));
	default:
		return OBJ_find_sigid_algs(OBJ_obj2nid(object), &digest, NULL) == 1 &&
		       is_strong(digest);
	}
}
