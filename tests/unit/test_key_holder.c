/*
 * The key holder, in a process of its own: whom it signs for, when, and when not. All that is asked
 * lies in its sockets before it begins, so that the order is no matter of time.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "certificates.h"
#include "gateway/generation/sealed_file.h"
#include "gateway/process/channel.h"
#include "gateway/process/key_holder.h"
#include "gateway/tls/tls_signing.h"

enum { WORKERS = 2, MANY = TLS_SIGNING_AT_ONCE + 8, PATIENCE = 60000 };

static const uint16_t scheme = 0x0403; /* ecdsa_secp256r1_sha256 */

/* The holder, and what it is connected with. */
struct scene {
	struct metrics *metrics;
	int channel, asker; /* this process's ends */
	int channel_of_holder, asker_of_holder;
	pid_t pid;
};

static void
give_key(const struct scene *self, const char *name)
{
	struct channel_message message = {.type = CHANNEL_KEY, .generation = 1, .fd_count = 1};
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;

	assert_int_equal(
	    PEM_write_bio_PrivateKey(bio, certificates_key(name), NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &bytes);
	message.fds[0] = sealed_file_new("key", bytes, (size_t)len);
	assert_true(channel_send(self->channel, &message));
	close(message.fds[0]);
	BIO_free(bio);
}

static void
give_asker(const struct scene *self, unsigned worker)
{
	struct channel_message message = {
	    .type = CHANNEL_KEY_ASKER, .generation = worker, .fd_count = 1};

	message.fds[0] = self->asker_of_holder;
	assert_true(channel_send(self->channel, &message));
}

static void
set_up(struct scene *self)
{
	int channel[2], asker[2];

	assert_true(channel_pair(channel) && channel_pair(asker));
	*self = (struct scene){.metrics = metrics_new(WORKERS),
	    .channel = channel[0],
	    .channel_of_holder = channel[1],
	    .asker = asker[0],
	    .asker_of_holder = asker[1]};
	assert_non_null(self->metrics);
	give_key(self, "P-256");
}

static void
start(struct scene *self)
{
	const struct sandbox_user same = {.wanted = false};

	self->pid = fork();
	if (self->pid == 0) {
		close(self->channel);
		close(self->asker);
		close(self->asker_of_holder);
		const struct key_holder_options options = {.channel = self->channel_of_holder,
		    .workers = WORKERS,
		    .user = &same,
		    .metrics = self->metrics};
		_exit(key_holder_run(&options));
	}
	close(self->channel_of_holder);
	close(self->asker_of_holder);
}

/* Its exit status. */
static int
tear_down(struct scene *self)
{
	int status;

	close(self->channel);
	close(self->asker);
	assert_int_equal(waitpid(self->pid, &status, 0), self->pid);
	metrics_free(self->metrics);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A good request, by the key called KEY. */
static struct tls_signing_request
request_of(uint64_t id, const char *key)
{
	static const char text[] = "TLS 1.3, server CertificateVerify";
	struct tls_signing_request request = {.id = id, .scheme = scheme};

	memset(request.content, ' ', 64);
	memcpy(request.content + 64, text, sizeof text);
	request.len = (uint16_t)(64 + sizeof text + 32);
	assert_true(tls_signing_key_name(certificates_key(key), request.key));
	return request;
}

static void
ask(const struct scene *self, uint64_t id, const char *key)
{
	const struct tls_signing_request request = request_of(id, key);
	size_t size = tls_signing_request_size(&request);

	assert_int_equal(send(self->asker, &request, size, 0), size);
}

/* The next answer; false: the holder has closed its end. */
static bool
next_answer(const struct scene *self, struct tls_signing_answer *answer)
{
	struct pollfd ready = {.fd = self->asker, .events = POLLIN};

	assert_int_equal(poll(&ready, 1, PATIENCE), 1);
	ssize_t n = recv(self->asker, answer, sizeof *answer, 0);
	if (n <= 0)
		return false;
	assert_true(tls_signing_answer_is_whole(answer, (size_t)n));
	return true;
}

static void
test_workers_are_served_in_turn(void **state)
{
	(void)state;
	struct scene scene;
	struct tls_signing_answer answer;

	/* Both workers have one socket: the first takes what one may have, the second the rest. */
	set_up(&scene);
	give_asker(&scene, 0);
	give_asker(&scene, 1);
	for (uint64_t id = 1; id <= MANY; id++)
		ask(&scene, id, "P-256");
	start(&scene);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t second = MANY - TLS_SIGNING_AT_ONCE, turn = i / 2;
		uint64_t id = i >= 2 * second ? i - second + 1
		              : i % 2 == 0    ? turn + 1
		                              : TLS_SIGNING_AT_ONCE + turn + 1;
		assert_true(next_answer(&scene, &answer));
		assert_int_equal(answer.result, TLS_SIGNING_DONE);
		assert_int_equal(answer.id, id);
	}
	assert_int_equal(metrics_total(scene.metrics, METRIC_SIGNATURES_DONE), MANY);
	assert_int_equal(tear_down(&scene), EXIT_SUCCESS);
}

static void
test_a_worker_has_so_many_requests_at_once(void **state)
{
	(void)state;
	struct scene scene;
	struct tls_signing_answer answer;
	unsigned done = 0, over = 0;

	set_up(&scene);
	give_asker(&scene, 0);
	for (uint64_t id = 1; id <= MANY; id++)
		ask(&scene, id, "P-256");
	start(&scene);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(next_answer(&scene, &answer));
		done += answer.result == TLS_SIGNING_DONE;
		over += answer.result == TLS_SIGNING_LIMIT;
	}
	assert_int_equal(done, TLS_SIGNING_AT_ONCE + 1); /* one place was free by then */
	assert_int_equal(over, MANY - done);
	assert_int_equal(metrics_total(scene.metrics, METRIC_SIGNATURES_LIMIT), over);
	assert_int_equal(tear_down(&scene), EXIT_SUCCESS);
}

static void
test_a_key_that_was_not_given_is_refused(void **state)
{
	(void)state;
	struct scene scene;
	struct tls_signing_answer answer;

	set_up(&scene);
	give_asker(&scene, 0);
	ask(&scene, 1, "other");
	start(&scene);
	assert_true(next_answer(&scene, &answer));
	assert_int_equal(answer.result, TLS_SIGNING_REFUSED);
	assert_int_equal(metrics_total(scene.metrics, METRIC_SIGNATURES_REFUSED), 1);
	give_key(&scene, "other");
	ask(&scene, 2, "other");
	assert_true(next_answer(&scene, &answer));
	assert_int_equal(answer.result, TLS_SIGNING_DONE);
	ask(&scene, 3, "P-256"); /* the one before is good still */
	assert_true(next_answer(&scene, &answer));
	assert_int_equal(answer.result, TLS_SIGNING_DONE);
	assert_int_equal(tear_down(&scene), EXIT_SUCCESS);
}

static void
test_an_older_key_is_forgotten(void **state)
{
	(void)state;
	struct scene scene;
	struct tls_signing_answer answer;
	const struct channel_message forget = {
	    .type = CHANNEL_KEY_FORGET, .generation = 2, .kept = 0};

	set_up(&scene);
	give_asker(&scene, 0);
	assert_true(channel_send(scene.channel, &forget));
	start(&scene);
	for (uint64_t id = 1;; id++) {
		ask(&scene, id, "P-256");
		assert_true(next_answer(&scene, &answer));
		if (answer.result == TLS_SIGNING_REFUSED)
			break;
		assert_int_equal(answer.result, TLS_SIGNING_DONE);
	}
	assert_int_equal(tear_down(&scene), EXIT_SUCCESS);
}

static void
test_who_asks_for_nonsense_is_not_heard_again(void **state)
{
	(void)state;
	struct scene scene;
	struct tls_signing_answer answer;

	set_up(&scene);
	give_asker(&scene, 0);
	assert_int_equal(send(scene.asker, "nonsense", 8, 0), 8);
	start(&scene);
	assert_false(next_answer(&scene, &answer));
	assert_int_equal(tear_down(&scene), EXIT_SUCCESS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_workers_are_served_in_turn),
	    cmocka_unit_test(test_a_worker_has_so_many_requests_at_once),
	    cmocka_unit_test(test_a_key_that_was_not_given_is_refused),
	    cmocka_unit_test(test_an_older_key_is_forgotten),
	    cmocka_unit_test(test_who_asks_for_nonsense_is_not_heard_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
