/*
 * When the store does not answer, or badly. The hard part is to do no harm: a request is sent to
 * another server only when the first cannot have done anything, and as long as the client has not
 * got a byte of an answer; and a server is blamed only for what is its own fault.
 */
#include "exchange_private.h"

#include <assert.h>
#include <math.h>

#include "gateway/node/log.h"
#include "store_servers.h"
#include "upstream.h"

enum {
	WAITS_MAX = 2,  /* of store_response, before no other server is asked */
	OTHERS_MAX = 2, /* more servers that one request may keep busy */
};

static void
log_failure(const struct exchange *self, const char *why)
{
	char request[EXCHANGE_SAID_MAX];

	if (self->phase == EXCHANGE_CONNECTING) /* that was logged, for each server */
		return;
	exchange_said_request(self, request);
	log_warning("%s while %s store %s: %s", why, exchange_doing[self->phase], self->store_name,
	    request);
}

void
exchange_fail(struct exchange *self, enum problem problem, const char *why)
{
	assert(problem != PROBLEM_NONE);
	log_failure(self, why);
	services_count(self->services, METRIC_STORE_FAILURES, 1);
	exchange_drop_connection(self);
	self->events->on_failed(self->arg, problem, why);
}

void
exchange_fail_unreachable(struct exchange *self)
{
	enum problem problem =
	    self->problem != PROBLEM_NONE ? self->problem : PROBLEM_STORE_UNAVAILABLE;

	exchange_fail(self, problem, "no store can be reached");
}

/* The request can be sent to another server, and there is time for its answer. A PUT of which a
 * byte has left may have been done. */
static bool
may_ask_another(const struct exchange *self)
{
	double most = WAITS_MAX * self->services->config->timeouts.store_response;
	uint64_t tried = self->tried | store_server_bit(upstream_server(self->connection));

	return self->request.method != METHOD_PUT && self->phase < EXCHANGE_BODY &&
	       self->others < OTHERS_MAX && self->waited_before + self->waited < most &&
	       upstream_has_untried(self->upstream, tried);
}

/* Gives up this server and asks the next. */
static void
ask_another(struct exchange *self, enum problem problem, const char *why)
{
	assert(self->request.method != METHOD_PUT && self->phase < EXCHANGE_BODY);
	log_failure(self, why);
	services_count(self->services, METRIC_STORE_RETRIES, 1);
	self->problem = problem;
	self->tried |= store_server_bit(upstream_server(self->connection));
	self->others++;
	self->waited_before += self->waited;
	self->waited = 0;
	exchange_drop_connection(self);
	buffer_consume(&self->in, buffer_size(&self->in));
	self->scan = (struct http_scan){0};
	self->response = (struct response){0};
	self->interim = 0;
	if (!exchange_acquire(self, true))
		exchange_fail_unreachable(self);
}

void
exchange_blame(struct exchange *self, const char *why)
{
	struct store_failure failure = {
	    .what = why, .customer = self->customer, .is_ours = self->request.method == METHOD_PUT};

	assert(self->connection != NULL);
	if (!self->was_paused)
		store_server_failed(upstream_server(self->connection), &failure);
}

void
exchange_server_failed(struct exchange *self, enum problem problem, const char *why)
{
	exchange_blame(self, why);
	if (may_ask_another(self))
		ask_another(self, problem, why);
	else
		exchange_fail(self, problem, why);
}

/* The store has the request and has not said anything for a while, or not all of a head. Perhaps
 * its server is not well: then there is no need to wait to the end. */
static void
check_wait(struct exchange *self)
{
	const struct config_timeouts *timeouts = &self->services->config->timeouts;
	struct store_server *server = upstream_server(self->connection);

	assert(self->phase < EXCHANGE_BODY && self->waited < timeouts->store_response);
	store_server_suspect(server);
	if (!store_server_is_good(server) && may_ask_another(self) &&
	    upstream_has_good(self->upstream)) {
		ask_another(self, PROBLEM_STORE_TIMEOUT, "no answer yet");
		return;
	}
	self->timer.repeat = fmin(timeouts->store_connect, timeouts->store_response - self->waited);
	ev_timer_again(self->services->loop, &self->timer);
}

void
exchange_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct exchange *self = timer->data;

	(void)loop, (void)events;
	assert(self->connection != NULL);
	self->waited += timer->repeat;
	if (self->phase < EXCHANGE_BODY &&
	    self->waited < self->services->config->timeouts.store_response)
		check_wait(self);
	else
		exchange_server_failed(self, PROBLEM_STORE_TIMEOUT, "timeout");
}
