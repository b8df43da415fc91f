/*
 * The key holder. The hard part is that any worker may be an attacker's: whatever it asks, and
 * however often, it gets no signature but a TLS server's, and takes no turn from another.
 */
#include "key_holder.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "channel.h"
#include "gateway/generation/sealed_file.h"
#include "gateway/node/log.h"
#include "gateway/tls/tls_signer.h"
#include "process_usage.h"

enum {
	KEYS_MAX = 16, /* of generations that are in use at the same time */
	REPORT = 1000, /* milliseconds, of what this process takes */
	PERTURB = 1,   /* any number but 0 */
};

/* A worker, and what it has asked. */
struct asker {
	int fd; /* -1: none */
	unsigned first, count;
	struct tls_signing_request requests[TLS_SIGNING_AT_ONCE];
};

struct key {
	struct tls_signer *signer; /* NULL: none */
	uint64_t generation;       /* the last that had it */
	double until;              /* by clock_seconds(), it is forgotten then; 0: it is not */
};

struct key_holder {
	const struct key_holder_options *options;
	struct key keys[KEYS_MAX];
	struct asker *askers;
	struct pollfd *polled; /* the channel, then the askers */
	unsigned next;         /* whose turn it is */
	unsigned waiting;      /* requests of all */
	struct process_usage usage;
	int64_t reported; /* clock_ms() */
	bool has_ended;
	int status;
};

static void
count(const struct key_holder *self, enum metric metric)
{
	metrics_add(self->options->metrics, self->options->workers, metric, 1);
}

/* ---- keys ---- */

static struct key *
find_key(struct key_holder *self, const unsigned char name[TLS_SIGNING_KEY_BYTES])
{
	for (unsigned i = 0; i < KEYS_MAX; i++) {
		struct tls_signer *signer = self->keys[i].signer;
		if (signer != NULL &&
		    memcmp(tls_signer_name(signer), name, TLS_SIGNING_KEY_BYTES) == 0)
			return &self->keys[i];
	}
	return NULL;
}

static void
forget_key(struct key *key)
{
	tls_signer_free(key->signer);
	*key = (struct key){.signer = NULL};
}

/* A free place, or that of the key which was in use last of all. */
static struct key *
place_for_key(struct key_holder *self)
{
	struct key *oldest = &self->keys[0];

	for (unsigned i = 0; i < KEYS_MAX; i++) {
		if (self->keys[i].signer == NULL)
			return &self->keys[i];
		if (self->keys[i].generation < oldest->generation)
			oldest = &self->keys[i];
	}
	forget_key(oldest);
	return oldest;
}

static bool
take_key(struct key_holder *self, uint64_t generation, int file)
{
	struct sealed_bytes bytes;
	char error[PEM_ERROR_MAX] = "";

	if (!sealed_file_map(file, &bytes) || bytes.bytes == NULL) {
		log_error("the key of generation %llu cannot be mapped: %s",
		    (unsigned long long)generation, strerror(errno));
		return false;
	}
	struct tls_signer *signer =
	    tls_signer_new(&(struct pem){"the key", bytes.bytes, bytes.len}, error);
	sealed_file_unmap(&bytes);
	if (signer == NULL) {
		log_error("generation %llu: %s", (unsigned long long)generation, error);
		return false;
	}
	struct key *key = find_key(self, tls_signer_name(signer));
	if (key != NULL) {
		tls_signer_free(signer);
	} else {
		key = place_for_key(self);
		key->signer = signer;
	}
	key->generation = generation;
	key->until = 0;
	return true;
}

/* Handshakes that began by an older key end within PATIENCE seconds. */
static void
outdate_keys(struct key_holder *self, uint64_t generation, uint32_t patience)
{
	for (unsigned i = 0; i < KEYS_MAX; i++)
		if (self->keys[i].signer != NULL && self->keys[i].generation < generation &&
		    self->keys[i].until <= 0)
			self->keys[i].until = clock_seconds() + patience;
}

static void
forget_outdated(struct key_holder *self)
{
	for (unsigned i = 0; i < KEYS_MAX; i++)
		if (self->keys[i].until > 0 && clock_seconds() >= self->keys[i].until)
			forget_key(&self->keys[i]);
}

/* ---- workers ---- */

static void
drop_asker(struct key_holder *self, struct asker *asker)
{
	if (asker->fd >= 0)
		close(asker->fd);
	self->waiting -= asker->count;
	asker->fd = -1;
	asker->first = asker->count = 0;
}

/* What a worker does not take is for it alone to miss. */
static void
send_answer(const struct asker *asker, const struct tls_signing_answer *answer)
{
	(void)send(asker->fd, answer, tls_signing_answer_size(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
refuse(
    struct key_holder *self, const struct asker *asker, uint64_t id, enum tls_signing_result result)
{
	const struct tls_signing_answer answer = {.id = id, .result = (uint16_t)result};

	count(self,
	    result == TLS_SIGNING_LIMIT ? METRIC_SIGNATURES_LIMIT : METRIC_SIGNATURES_REFUSED);
	send_answer(asker, &answer);
}

/* Takes what ASKER asks, as many requests as it may have at once, and refuses as many more. */
static void
receive_requests(struct key_holder *self, struct asker *asker)
{
	struct tls_signing_request request;

	for (unsigned i = 0; i < TLS_SIGNING_AT_ONCE; i++) {
		ssize_t n = recv(asker->fd, &request, sizeof request, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || !tls_signing_request_is_whole(&request, (size_t)n)) {
			if (n > 0)
				log_error("a worker asks the key holder for nonsense");
			drop_asker(self, asker);
			return;
		}
		if (asker->count == TLS_SIGNING_AT_ONCE) {
			refuse(self, asker, request.id, TLS_SIGNING_LIMIT);
			continue;
		}
		asker->requests[(asker->first + asker->count) % TLS_SIGNING_AT_ONCE] = request;
		asker->count++;
		self->waiting++;
	}
}

/* ---- the supervisor ---- */

static void
take_asker(struct key_holder *self, uint64_t index, int *fd)
{
	if (index >= self->options->workers)
		return;
	drop_asker(self, &self->askers[index]);
	self->askers[index].fd = *fd;
	*fd = -1;
}

static void
fail(struct key_holder *self)
{
	self->has_ended = true;
	self->status = EXIT_FAILURE;
}

static void
obey(struct key_holder *self, struct channel_message *message)
{
	switch (message->type) {
	case CHANNEL_KEY:
		if (!take_key(self, message->generation, message->fds[0]))
			fail(self);
		break;
	case CHANNEL_KEY_FORGET:
		outdate_keys(self, message->generation, message->kept);
		break;
	case CHANNEL_KEY_ASKER:
		take_asker(self, message->generation, &message->fds[0]);
		break;
	default:
		break;
	}
	for (unsigned i = 0; i < CHANNEL_MAX_FDS; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
}

static void
receive_orders(struct key_holder *self)
{
	struct channel_message message;

	for (;;) {
		switch (channel_receive(self->options->channel, &message)) {
		case CHANNEL_RECEIVED:
			obey(self, &message);
			break;
		case CHANNEL_NOTHING:
			return;
		case CHANNEL_BROKEN:
			log_error("the key holder cannot take a message: it ends");
			fail(self);
			return;
		case CHANNEL_ENDED:
			self->has_ended = true;
			return;
		}
	}
}

/* ---- signing ---- */

/* The worker whose turn it is, among those that wait. */
static struct asker *
next_asker(struct key_holder *self)
{
	struct asker *asker;

	assert(self->waiting > 0);
	do {
		asker = &self->askers[self->next];
		self->next = (self->next + 1) % self->options->workers;
	} while (asker->count == 0);
	return asker;
}

static void
sign_next(struct key_holder *self)
{
	struct tls_signing_answer answer;
	struct asker *asker = next_asker(self);
	const struct tls_signing_request *request = &asker->requests[asker->first];
	const int fd = asker->fd;

	asker->first = (asker->first + 1) % TLS_SIGNING_AT_ONCE;
	asker->count--;
	self->waiting--;
	const struct key *key = find_key(self, request->key);
	/* It may have come since: a worker hears of a generation after its key was sent here. */
	if (key == NULL) {
		receive_orders(self);
		key = find_key(self, request->key);
	}
	if (asker->fd != fd)
		return; /* another worker is in its place */
	if (key == NULL) {
		refuse(self, asker, request->id, TLS_SIGNING_REFUSED);
		return;
	}
	tls_signer_answer(key->signer, request, &answer);
	count(self,
	    answer.result == TLS_SIGNING_DONE ? METRIC_SIGNATURES_DONE : METRIC_SIGNATURES_REFUSED);
	send_answer(asker, &answer);
}

/* ---- life ---- */

/* Waits until there is something to do, but for no moment when there is. */
static void
receive(struct key_holder *self)
{
	const struct key_holder_options *options = self->options;

	self->polled[0] = (struct pollfd){.fd = options->channel, .events = POLLIN};
	for (unsigned i = 0; i < options->workers; i++)
		self->polled[1 + i] = (struct pollfd){.fd = self->askers[i].fd, .events = POLLIN};
	int ready = poll(self->polled, 1 + options->workers, self->waiting > 0 ? 0 : REPORT);
	if (ready <= 0)
		return;
	for (unsigned i = 0; i < options->workers; i++)
		if (self->polled[1 + i].revents != 0)
			receive_requests(self, &self->askers[i]);
	if (self->polled[0].revents != 0)
		receive_orders(self);
}

static void
report(struct key_holder *self)
{
	int64_t now = clock_ms();

	if (now - self->reported < REPORT)
		return;
	self->reported = now;
	forget_outdated(self);
	process_usage_report(&self->usage, self->options->metrics, METRICS_FAMILY_KEY_HOLDER,
	    self->options->workers);
}

static void
tear_down(struct key_holder *self)
{
	for (unsigned i = 0; i < KEYS_MAX; i++)
		forget_key(&self->keys[i]);
	for (unsigned i = 0; i < self->options->workers; i++)
		drop_asker(self, &self->askers[i]);
	process_usage_end(&self->usage);
	free(self->askers);
	free(self->polled);
}

int
key_holder_run(const struct key_holder_options *options)
{
	struct key_holder self = {.options = options, .status = EXIT_SUCCESS};

	assert(options->workers > 0);
	/* What is freed is overwritten: libcrypto frees copies of a key's text that it does not
	 * cleanse. */
	(void)mallopt(M_PERTURB, PERTURB);
	self.askers = buffer_alloc_list(options->workers, sizeof *self.askers);
	self.polled = buffer_alloc_list(options->workers, sizeof *self.polled);
	for (unsigned i = 0; i < options->workers; i++)
		self.askers[i].fd = -1;
	process_usage_begin(&self.usage);
	if (!sandbox_enter(SANDBOX_KEY_HOLDER, options->user))
		fail(&self);
	while (!self.has_ended) {
		receive(&self);
		if (self.waiting > 0)
			sign_next(&self);
		report(&self);
	}
	tear_down(&self);
	return self.status;
}
