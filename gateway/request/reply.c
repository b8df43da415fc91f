/* The gateway's own answers. None of them repeats a byte that the client sent. */
#include "reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "gateway/http/http_date.h"
#include "metrics_page.h"
#include "readiness.h"
#include "status_page.h"

static const char json_type[] = "application/json";

void
reply_print_head(struct buffer *out, unsigned status, const struct reply_frame *frame)
{
	char date[HTTP_DATE_LEN + 1];

	http_date_print(frame->now, date);
	buffer_puts(out, "HTTP/1.1 ");
	buffer_number(out, status, 3);
	buffer_puts(out, " ");
	buffer_puts(out, problem_status_text(status));
	buffer_puts(out, "\r\nDate: ");
	buffer_append(out, date, HTTP_DATE_LEN);
	buffer_puts(out, "\r\nX-Request-Id: ");
	buffer_puts(out, frame->request_id);
	buffer_puts(out, frame->closes ? "\r\nConnection: close\r\n" : "\r\n");
}

void
reply_print(const struct reply *self, const struct reply_frame *frame, struct buffer *out)
{
	reply_print_head(out, self->status, frame);
	buffer_printf(out,
	    "Content-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n%s\r\n",
	    self->content_type, buffer_size(&self->body), self->extra);
	if (!frame->head_only)
		buffer_append(out, buffer_bytes(&self->body), buffer_size(&self->body));
}

void
reply_fini(struct reply *self)
{
	buffer_fini(&self->body);
}

static void
start_json(struct reply *self, unsigned status)
{
	self->status = status;
	self->content_type = json_type;
	buffer_append(&self->body, "{", 1);
}

static void
end_json(struct reply *self)
{
	buffer_append(&self->body, "}\n", 2);
}

void
reply_problem(struct reply *self, enum problem problem, const char *detail, const char *request_id,
    unsigned retry_after)
{
	char type[64];

	start_json(self, problem_status(problem));
	self->problem = problem;
	self->content_type = "application/problem+json";
	(void)snprintf(type, sizeof type, "urn:mirrorgate:%s", problem_name(problem));
	json_writer_member(&self->body, "type", type);
	json_writer_member(&self->body, "title", problem_title(problem));
	json_writer_number(&self->body, "status", problem_status(problem));
	json_writer_member(&self->body, "detail", detail);
	json_writer_member(&self->body, "request_id", request_id);
	end_json(self);
	if (retry_after != 0)
		(void)snprintf(self->extra, sizeof self->extra, "Retry-After: %u\r\n", retry_after);
}

void
reply_allow(struct reply *self, const char *methods)
{
	(void)snprintf(self->extra, sizeof self->extra, "Allow: %s\r\n", methods);
}

static void
print_list(struct buffer *out, const char *key, const char *const *items)
{
	json_writer_key(out, key);
	buffer_append(out, "[", 1);
	for (size_t i = 0; items[i] != NULL; i++) {
		if (i > 0)
			buffer_append(out, ",", 1);
		json_writer_string(out, items[i]);
	}
	buffer_append(out, "]", 1);
}

static void
on_licence(const struct policy_licence *licence, void *arg)
{
	struct buffer *out = arg;

	buffer_append(out, out->data[out->end - 1] == '[' ? "{" : ",{",
	    out->data[out->end - 1] == '[' ? 1 : 2);
	json_writer_member(out, "product", licence->product);
	print_list(out, "paths", licence->paths);
	print_list(out, "except", licence->except);
	json_writer_member(out, "from", *licence->from ? licence->from : NULL);
	json_writer_member(out, "until", *licence->until ? licence->until : NULL);
	json_writer_key(out, "valid");
	buffer_printf(out, "%s}", licence->valid_now ? "true" : "false");
}

void
reply_licence(
    struct reply *self, const struct policy *policy, const struct policy_caller *caller, time_t now)
{
	start_json(self, 200);
	json_writer_member(&self->body, "customer", caller->customer);
	json_writer_key(&self->body, "licences");
	buffer_append(&self->body, "[", 1);
	policy_each_licence(policy, caller, now, on_licence, &self->body);
	buffer_append(&self->body, "]", 1);
	end_json(self);
}

void
reply_healthz(struct reply *self, const struct services *services, time_t now)
{
	const char *reason = readiness_unhealthy(services, now);

	self->status = reason == NULL ? 200 : 503;
	self->content_type = "text/plain";
	buffer_printf(&self->body, "%s\n", reason == NULL ? "ok" : reason);
}

void
reply_readyz(struct reply *self, const struct services *services, time_t now)
{
	self->status = readiness_is_ready(services, now) ? 200 : 503;
	self->content_type = "text/plain";
	readiness_print(services, now, &self->body);
}

static void
print_store_list(const struct services *services, struct buffer *out)
{
	const struct config *config = services->config;

	json_writer_key(out, "stores");
	buffer_append(out, "[", 1);
	for (unsigned i = 0; i < config->store_count; i++) {
		buffer_append(out, i > 0 ? ",{" : "{", i > 0 ? 2 : 1);
		json_writer_member(out, "server", config->stores[i].name);
		json_writer_number(out, "ejections",
		    metrics_store_ejections(services->metrics, config->stores[i].slot));
		json_writer_number(out, "passed_over",
		    metrics_store_passed_over(services->metrics, config->stores[i].slot));
		buffer_append(out, "}", 1);
	}
	buffer_append(out, "]", 1);
}

void
reply_status_json(struct reply *self, const struct services *services, time_t now)
{
	const char *reason = readiness_unhealthy(services, now);
	struct buffer *out = &self->body;

	start_json(self, 200);
	json_writer_member(out, "version", MIRRORGATE_VERSION);
	json_writer_member(out, "health", reason == NULL ? "ok" : reason);
	json_writer_number(out, "generation", services->generation);
	json_writer_number(out, "policy_serial", policy_serial(services->policy));
	json_writer_number(out, "customers", policy_customer_count(services->policy));
	json_writer_number(
	    out, "crl_expires", (unsigned long long)tls_context_crl_expires(services->tls));
#define STATUS_METRIC(id, type, series, help) \
	json_writer_number(out, series, metrics_total(services->metrics, METRIC_##id));
	METRICS_TABLE(STATUS_METRIC)
#undef STATUS_METRIC
	print_store_list(services, out);
	end_json(self);
}

/* The same for people. */
void
reply_status(struct reply *self, const struct services *services, time_t now)
{
	const struct node_report report = {.metrics = services->metrics,
	    .history = services->history,
	    .quota = services->quota,
	    .config = services->config,
	    .generation = services->generation,
	    .draining = services->announcing || services->draining,
	    .now = now};

	self->status = 200;
	self->content_type = "text/html; charset=utf-8";
	(void)snprintf(self->extra, sizeof self->extra, "%s", status_page_headers);
	status_page_print(&report, &self->body);
}

void
reply_metrics(struct reply *self, const struct services *services, time_t now)
{
	self->status = 200;
	self->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_page_print(services, now, &self->body);
}

void
reply_receipt(struct reply *self, const char *customer, const char *name,
    const struct snapshot *snapshot, const char *path, const char *request_id)
{
	struct buffer *out = &self->body;

	start_json(self, 201);
	json_writer_member(out, "customer", customer);
	json_writer_member(out, "name", name);
	json_writer_member(out, "sha256", snapshot->sha256);
	json_writer_number(out, "bytes", snapshot->len);
	json_writer_number(out, "components", snapshot->components);
	json_writer_member(out, "path", path);
	json_writer_member(out, "request_id", request_id);
	end_json(self);
}
