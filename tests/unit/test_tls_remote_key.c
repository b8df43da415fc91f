/*
 * Keys of another process: real handshakes by them, of each type of key and in both versions, and
 * what becomes of a handshake whose signature does not come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "certificates.h"
#include "gateway/tls/tls_pause.h"
#include "gateway/tls/tls_remote_key.h"
#include "gateway/tls/tls_signer.h"

enum { PIPE_BYTES = 64 * 1024, TURNS_MAX = 20 };

/* One handshake, and the other process. */
struct scene {
	EVP_PKEY *key;
	struct tls_signer *signer;
	struct tls_asker *asker;
	int holder; /* the other process's end */
	SSL_CTX *server_context, *client_context;
	SSL *server, *client;
	struct tls_pause *step; /* the server's; NULL: none is under way */
	unsigned woken, answered;
	int at_server, at_client;
};

static struct tls_signer *
signer_of(EVP_PKEY *key)
{
	char error[PEM_ERROR_MAX] = "", *bytes = NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &bytes);
	const struct pem pem = {"server.key", bytes, (size_t)len};
	struct tls_signer *signer = tls_signer_new(&pem, error);
	assert_string_equal(error, "");
	BIO_free(bio);
	return signer;
}

static void
connect_asker(struct scene *self)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	tls_asker_connect(self->asker, ends[0]);
	self->holder = ends[1];
}

static void
begin(struct scene *self, EVP_PKEY *key, int version)
{
	X509 *certificate = certificates_make(
	    &(struct certificate_spec){.key = key, .extended_key_usage = "serverAuth"});
	BIO *server_end, *client_end;

	*self = (struct scene){.key = key, .signer = signer_of(key), .asker = tls_asker_new()};
	connect_asker(self);
	tls_remote_key_ask(self->asker);
	EVP_PKEY *remote = tls_remote_key_of(certificate);
	assert_non_null(remote);
	self->server_context = SSL_CTX_new(TLS_server_method());
	self->client_context = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(self->server_context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(self->server_context, remote), 1);
	assert_int_equal(SSL_CTX_check_private_key(self->server_context), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(self->client_context, version), 1);
	EVP_PKEY_free(remote);
	X509_free(certificate);
	self->server = SSL_new(self->server_context);
	self->client = SSL_new(self->client_context);
	assert_int_equal(BIO_new_bio_pair(&server_end, PIPE_BYTES, &client_end, PIPE_BYTES), 1);
	SSL_set_bio(self->server, server_end, server_end);
	SSL_set_bio(self->client, client_end, client_end);
	SSL_set_accept_state(self->server);
	SSL_set_connect_state(self->client);
}

static void
end(struct scene *self)
{
	tls_pause_cancel(self->step);
	SSL_free(self->server);
	SSL_free(self->client);
	SSL_CTX_free(self->server_context);
	SSL_CTX_free(self->client_context);
	close(self->holder);
	tls_asker_free(self->asker);
	tls_signer_free(self->signer);
}

static int
do_handshake(void *arg)
{
	struct scene *self = arg;

	return SSL_do_handshake(self->server);
}

static void
on_signed(void *arg)
{
	struct scene *self = arg;

	self->woken++;
}

/* Both sides go on as far as they get. */
static void
turn(struct scene *self)
{
	self->at_client = SSL_do_handshake(self->client);
	if (self->step == NULL)
		self->step = tls_pause_new(do_handshake, on_signed, self);
	if (tls_pause_run(self->step, &self->at_server))
		self->step = NULL;
}

/* The other process answers what it was asked; false: nothing. */
static bool
answer(struct scene *self)
{
	struct tls_signing_request request;
	struct tls_signing_answer answer;
	ssize_t n = recv(self->holder, &request, sizeof request, MSG_DONTWAIT);

	if (n < 0)
		return false;
	assert_true(tls_signing_request_is_whole(&request, (size_t)n));
	tls_signer_answer(self->signer, &request, &answer);
	size_t size = tls_signing_answer_size(&answer);
	assert_int_equal(send(self->holder, &answer, size, 0), size);
	assert_true(tls_asker_receive(self->asker));
	self->answered++;
	return answer.result == TLS_SIGNING_DONE;
}

static bool
is_done(const struct scene *self)
{
	return self->at_client == 1 && self->at_server == 1;
}

static void
shake_hands(struct scene *self)
{
	for (int i = 0; i < TURNS_MAX && !is_done(self); i++) {
		turn(self);
		(void)answer(self);
	}
	assert_true(is_done(self));
	assert_int_equal(self->answered, 1);
	assert_int_equal(self->woken, 1);
}

static void
test_handshakes_are_signed_elsewhere(void **state)
{
	static const char *const keys[] = {"RSA-2048", "P-256", "P-384", "Ed25519"};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		for (size_t j = 0; j < sizeof versions / sizeof versions[0]; j++) {
			struct scene scene;
			begin(&scene, certificates_key(keys[i]), versions[j]);
			shake_hands(&scene);
			assert_int_equal(SSL_version(scene.client), versions[j]);
			end(&scene);
		}
	}
}

static void
test_a_key_that_is_for_pss_only_signs(void **state)
{
	(void)state;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *key = NULL;
	struct scene scene;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	begin(&scene, key, TLS1_3_VERSION);
	shake_hands(&scene);
	end(&scene);
	EVP_PKEY_free(key);
}

/* Until the server waits. */
static void
wait_for_signature(struct scene *scene)
{
	turn(scene);
	assert_non_null(scene->step);
	turn(scene);
	assert_non_null(scene->step);
	assert_int_equal(scene->woken, 0);
}

static void
test_a_handshake_that_is_given_up_leaves_nothing(void **state)
{
	(void)state;
	struct scene scene;

	begin(&scene, certificates_key("P-256"), TLS1_3_VERSION);
	wait_for_signature(&scene);
	tls_pause_cancel(scene.step);
	scene.step = NULL;
	assert_true(answer(&scene)); /* for nobody */
	assert_int_equal(scene.woken, 0);
	end(&scene);
}

static void
test_another_process_is_asked_again(void **state)
{
	(void)state;
	struct scene scene;

	begin(&scene, certificates_key("P-256"), TLS1_3_VERSION);
	wait_for_signature(&scene);
	close(scene.holder);
	assert_false(tls_asker_receive(scene.asker));
	tls_asker_connect(scene.asker, -1);
	connect_asker(&scene);
	shake_hands(&scene);
	end(&scene);
}

static void
test_a_refusal_fails_the_handshake(void **state)
{
	(void)state;
	struct scene scene;

	begin(&scene, certificates_key("P-256"), TLS1_3_VERSION);
	tls_signer_free(scene.signer);
	scene.signer = signer_of(certificates_key("other"));
	wait_for_signature(&scene);
	assert_false(answer(&scene));
	assert_int_equal(scene.woken, 1);
	turn(&scene);
	assert_null(scene.step);
	assert_int_equal(scene.at_server, -1);
	end(&scene);
}

static void
test_a_remote_key_does_not_decrypt(void **state)
{
	(void)state;
	X509 *certificate =
	    certificates_make(&(struct certificate_spec){.key = certificates_key("RSA-2048")});
	EVP_PKEY *remote = tls_remote_key_of(certificate);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(remote, NULL);
	unsigned char in[256] = {0}, out[256];
	size_t len = sizeof out;
	bool begun = ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1;

	assert_false(begun && EVP_PKEY_decrypt(ctx, out, &len, in, sizeof in) == 1);
	BIO *bio = BIO_new(BIO_s_null());
	assert_int_not_equal(PEM_write_bio_PrivateKey(bio, remote, NULL, NULL, 0, NULL, NULL), 1);
	BIO_free(bio);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(remote);
	X509_free(certificate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handshakes_are_signed_elsewhere),
	    cmocka_unit_test(test_a_key_that_is_for_pss_only_signs),
	    cmocka_unit_test(test_a_handshake_that_is_given_up_leaves_nothing),
	    cmocka_unit_test(test_another_process_is_asked_again),
	    cmocka_unit_test(test_a_refusal_fails_the_handshake),
	    cmocka_unit_test(test_a_remote_key_does_not_decrypt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
