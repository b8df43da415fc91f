/*
 * Sessions of clients without tickets: bounded in bytes, and gone when their context retires. Real
 * handshakes, since OpenSSL decides what a session holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "certificates.h"
#include "gateway/tls/tls_sessions.h"

enum { PIPE_BYTES = 32 * 1024, TURNS_MAX = 20, ROOMY = 1024 * 1024 };

static SSL_CTX *server_context, *client_context;

static int
make_contexts(void **state)
{
	(void)state;
	X509 *certificate = certificates_make(&(struct certificate_spec){0});

	server_context = SSL_CTX_new(TLS_server_method());
	client_context = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(server_context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server_context, certificates_key("P-256")), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(client_context, TLS1_2_VERSION), 1);
	SSL_CTX_set_options(client_context, SSL_OP_NO_TICKET);
	X509_free(certificate);
	return 0;
}

static int
free_contexts(void **state)
{
	(void)state;
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
	return 0;
}

/* One visit; true when it resumed *SESSION (NULL: none), which the new one then replaces. */
static bool
visit(SSL_SESSION **session)
{
	SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
	BIO *server_end, *client_end;

	assert_int_equal(BIO_new_bio_pair(&server_end, PIPE_BYTES, &client_end, PIPE_BYTES), 1);
	SSL_set_bio(server, server_end, server_end);
	SSL_set_bio(client, client_end, client_end);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	if (*session != NULL)
		assert_int_equal(SSL_set_session(client, *session), 1);
	bool done = false;
	for (int turn = 0; turn < TURNS_MAX && !done; turn++) {
		int at_client = SSL_do_handshake(client), at_server = SSL_do_handshake(server);
		done = at_client == 1 && at_server == 1;
	}
	assert_true(done);
	bool resumed = SSL_session_reused(client) == 1;
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(client);
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(server);
	SSL_free(client);
	return resumed;
}

static struct tls_sessions *
sessions_of(size_t max_bytes)
{
	struct tls_sessions *sessions = tls_sessions_new(max_bytes);

	tls_sessions_install(sessions, server_context);
	return sessions;
}

static void
test_a_session_that_was_kept_is_resumed(void **state)
{
	(void)state;
	struct tls_sessions *sessions = sessions_of(ROOMY);
	SSL_SESSION *session = NULL;

	assert_false(visit(&session));
	assert_true(visit(&session));
	tls_sessions_forget(sessions, session);
	assert_false(visit(&session));
	SSL_SESSION_free(session);
	tls_sessions_free(sessions);
}

static void
test_no_number_of_sessions_takes_more_bytes_than_are_given(void **state)
{
	(void)state;
	struct tls_sessions *sessions = sessions_of(ROOMY);
	SSL_SESSION *session = NULL;

	assert_false(visit(&session));
	size_t one = tls_sessions_bytes(sessions);
	assert_in_range(one, 1, 4096);
	tls_sessions_free(sessions);
	sessions = sessions_of(3 * one + one / 2);
	for (int i = 0; i < 8; i++) {
		SSL_SESSION_free(session);
		session = NULL;
		assert_false(visit(&session));
		assert_in_range(tls_sessions_bytes(sessions), 1, 3 * one + one / 2);
	}
	assert_true(visit(&session));
	SSL_SESSION_free(session);
	tls_sessions_free(sessions);
}

static void
test_a_context_that_retired_keeps_no_sessions(void **state)
{
	(void)state;
	struct tls_sessions *sessions = sessions_of(ROOMY);
	SSL_SESSION *session = NULL;

	assert_false(visit(&session));
	assert_true(tls_sessions_bytes(sessions) > 0);
	tls_sessions_retire(sessions);
	assert_int_equal(tls_sessions_bytes(sessions), 0);
	/* A handshake that had begun before ends after. */
	assert_false(visit(&session));
	assert_int_equal(tls_sessions_bytes(sessions), 0);
	SSL_SESSION_free(session);
	tls_sessions_free(sessions);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_session_that_was_kept_is_resumed),
	    cmocka_unit_test(test_no_number_of_sessions_takes_more_bytes_than_are_given),
	    cmocka_unit_test(test_a_context_that_retired_keeps_no_sessions),
	};

	return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
