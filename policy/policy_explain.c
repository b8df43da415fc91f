/*
 * Explaining decisions.
 *
 * The decision is the library's own, never a second opinion: what is worked out here is only which
 * entry of the policy decided.
 */
#include "policy_explain.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "base/value.h"
#include "policy_lines.h"

enum { TIME_SIZE = sizeof "YYYY-MM-DDTHH:MM:SSZ" };

struct answer {
	const struct policy_question *question;
	const char *name; /* of the policy */
	const struct policy_lines *lines;
	struct policy_caller caller;
	const char *issuer; /* that the policy wants; "": any */
	struct policy_decision decision;
	char at[TIME_SIZE];
	/* the deciding licence; its days are "" when open */
	char from[VALUE_DATE_SIZE], until[VALUE_DATE_SIZE];
	size_t licence_line;
	/* the rule of its product */
	char *path; /* NULL: no product decided */
	size_t path_line;
	/* the entry that decided, in a sentence */
	struct buffer because;
	size_t line;
};

static bool
is_allowed(const struct answer *answer)
{
	return answer->decision.verdict == POLICY_ALLOW;
}

/* ---- what decided ---- */

static const char *
role_name(enum policy_role role)
{
	static const char *const names[] = {
	    [POLICY_ROLE_NONE] = "none",
	    [POLICY_ROLE_CUSTOMER] = "customer",
	    [POLICY_ROLE_PROBE] = "probe",
	    [POLICY_ROLE_OBSERVER] = "observer",
	};
	return names[role];
}

static bool
covers(const char *rule, const char *path)
{
	return path_matches(rule, strlen(rule), path, strlen(path));
}

static bool
any_covers(const char *const *rules, const char *path)
{
	while (*rules != NULL && !covers(*rules, path))
		rules++;
	return *rules != NULL;
}

/* Notes the exception that keeps the path out of a licence which would cover it, once. */
static void
find_exception(const struct policy_licence *licence, void *arg)
{
	struct answer *self = arg;
	const char *path = self->question->download;
	const char *const *except = licence->except;
	if (buffer_size(&self->because) > 0 || !any_covers(licence->paths, path))
		return;
	while (*except != NULL && !covers(*except, path))
		except++;
	if (*except == NULL)
		return;
	buffer_printf(&self->because, "product %s excepts %s", licence->product, *except);
	if (self->lines != NULL)
		self->line = policy_lines_except(self->lines, licence->product, *except);
}

static void
explain_not_licensed(struct answer *self, const struct policy *policy)
{
	policy_each_licence(policy, &self->caller, self->question->at, find_exception, self);
	if (buffer_size(&self->because) > 0)
		return;
	buffer_printf(&self->because, "no licence of %s covers the path", self->caller.customer);
	if (self->lines != NULL)
		self->line = policy_lines_customer(self->lines, self->caller.customer);
}

static void
explain_not_permitted(struct answer *self)
{
	const struct policy_question *question = self->question;
	if (self->caller.role != POLICY_ROLE_CUSTOMER) {
		buffer_printf(&self->because,
		    "this subject is %s %s, which may neither download "
		    "nor file snapshots",
		    self->caller.role == POLICY_ROLE_OBSERVER ? "an" : "a",
		    role_name(self->caller.role));
		if (self->lines != NULL)
			self->line = policy_lines_subject(self->lines, question->subject);
	} else if (question->download != NULL) {
		buffer_printf(&self->because, "the path is the gateway's own");
	} else {
		buffer_printf(&self->because, "the name of the snapshot is malformed");
	}
}

/* Licences are shown in order: LEFT counts down to the deciding one. */
struct licence_search {
	struct answer *answer;
	uint32_t left;
};

static void
take_dates(const struct policy_licence *licence, void *arg)
{
	struct licence_search *search = arg;
	if (search->left-- != 0)
		return;
	snprintf(search->answer->from, VALUE_DATE_SIZE, "%s", licence->from);
	snprintf(search->answer->until, VALUE_DATE_SIZE, "%s", licence->until);
}

static void
explain_licence(struct answer *self, const struct policy *policy)
{
	const struct policy_decision *decision = &self->decision;
	struct licence_search search = {self, decision->licence};
	policy_each_licence(policy, &self->caller, self->question->at, take_dates, &search);
	self->path = buffer_copy(self->question->download, decision->rule_len);
	buffer_printf(
	    &self->because, "licence of %s for %s", self->caller.customer, decision->product);
	if (self->lines == NULL)
		return;
	self->path_line = policy_lines_path(self->lines, decision->product, self->path);
	self->licence_line =
	    policy_lines_licence(self->lines, self->caller.customer, decision->licence);
	self->line = self->licence_line;
}

static void
explain(struct answer *self, const struct policy *policy)
{
	if (self->decision.product[0] != '\0') {
		explain_licence(self, policy);
	} else if (self->decision.verdict == POLICY_UNKNOWN_SUBJECT && self->issuer[0] != '\0') {
		buffer_printf(&self->because, "the subject counts only when %s has certified it",
		    self->issuer);
		if (self->lines != NULL)
			self->line = policy_lines_subject(self->lines, self->question->subject);
	} else if (self->decision.verdict == POLICY_UNKNOWN_SUBJECT) {
		buffer_printf(
		    &self->because, "the subject is no customer's, no probe and no observer");
	} else if (self->decision.verdict == POLICY_NOT_LICENSED) {
		explain_not_licensed(self, policy);
	} else if (self->decision.verdict == POLICY_NOT_PERMITTED) {
		explain_not_permitted(self);
	} else { /* a snapshot that is allowed */
		buffer_printf(&self->because, "%s may file snapshots", self->caller.customer);
		if (self->lines != NULL)
			self->line = policy_lines_subject(self->lines, self->question->subject);
	}
}

static struct answer
answer_to(struct policy_explained explained, const struct policy_question *question)
{
	struct answer self = {
	    .question = question, .name = explained.name, .lines = explained.lines};
	const struct policy *policy = explained.policy;
	const char *download = question->download, *snapshot = question->snapshot;
	struct tm utc;
	self.issuer = policy_issuer(policy, question->subject);
	self.caller = policy_find_certified(
	    policy, question->subject, question->issuer != NULL ? question->issuer : self.issuer);
	self.decision = download != NULL ? policy_decide_download(policy, &self.caller, download,
	                                       strlen(download), question->at)
	                                 : policy_decide_snapshot(
	                                       policy, &self.caller, snapshot, strlen(snapshot));
	if (gmtime_r(&question->at, &utc) == NULL ||
	    strftime(self.at, sizeof self.at, "%FT%TZ", &utc) == 0)
		self.at[0] = '\0'; /* the years after 9999 */
	explain(&self, policy);
	buffer_append(&self.because, "", 1);
	return self;
}

static void
answer_fini(struct answer *self)
{
	free(self->path);
	buffer_fini(&self->because);
}

/* The customer's limits, for who asks about an upload; none of them is part of the verdict. */
static const struct limit {
	const char *key;
	size_t value; /* the place of a uint32_t in the caller */
} limits[] = {
    {"snapshots_per_day", offsetof(struct policy_caller, snapshots_per_day)},
    {"requests_per_second", offsetof(struct policy_caller, requests_per_second)},
    {"connections", offsetof(struct policy_caller, connections)},
};

enum { LIMIT_COUNT = sizeof limits / sizeof limits[0] };

static bool
has_limits(const struct answer *self)
{
	return self->question->download == NULL && self->caller.role == POLICY_ROLE_CUSTOMER;
}

static uint32_t
limit_of(const struct answer *self, const struct limit *limit)
{
	uint32_t value;
	memcpy(&value, (const char *)&self->caller + limit->value, sizeof value);
	return value;
}

/* ---- text ---- */

/* One line of an explanation. */
static void
print_fact(FILE *out, const char *what, const char *text)
{
	fprintf(out, "%-10s %s\n", what, text);
}

static void
print_licence(const struct answer *self, FILE *out)
{
	bool starts = self->from[0] != '\0', ends = self->until[0] != '\0';
	print_fact(out, "product", self->decision.product);
	fprintf(out, "%-10s", "licence");
	if (!starts && !ends)
		fputs(" always", out);
	if (starts)
		fprintf(out, " from %s", self->from);
	if (ends)
		fprintf(out, " until %s", self->until);
	putc('\n', out);
	fprintf(out, "%-10s %s", "path", self->path);
	if (self->path_line != 0)
		fprintf(out, " (line %zu)", self->path_line);
	putc('\n', out);
}

static void
print_limits(const struct answer *self, FILE *out)
{
	fprintf(out, "%-10s", "limits");
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		uint32_t value = limit_of(self, &limits[i]);
		fprintf(out, "%s %s ", i > 0 ? "," : "", limits[i].key);
		if (value != 0)
			fprintf(out, "%" PRIu32, value);
		else
			fputs("none", out);
	}
	putc('\n', out);
}

/* The deciding entry, in the form in which editors follow it. */
static void
print_rule(const struct answer *self, FILE *out)
{
	fprintf(out, "%-10s %s:", "rule", self->name);
	if (self->line != 0)
		fprintf(out, "%zu:", self->line);
	fprintf(out, " %s%s\n", buffer_bytes(&self->because),
	    self->lines == NULL ? " (an image has no lines)" : "");
}

bool
policy_explain_text(
    struct policy_explained policy, const struct policy_question *question, FILE *out)
{
	struct answer self = answer_to(policy, question);
	bool allowed = is_allowed(&self);
	print_fact(out, "verdict", allowed ? "allowed" : "refused");
	print_fact(out, "reason", policy_verdict_name(self.decision.verdict));
	print_fact(out, "subject", question->subject);
	if (self.issuer[0] != '\0')
		print_fact(out, "issuer", self.issuer);
	print_fact(out, "role", role_name(self.caller.role));
	if (self.caller.customer[0] != '\0')
		print_fact(out, "customer", self.caller.customer);
	if (question->download != NULL)
		print_fact(out, "download", question->download);
	else
		print_fact(out, "snapshot", question->snapshot);
	print_fact(out, "at", self.at);
	if (self.path != NULL)
		print_licence(&self, out);
	if (has_limits(&self))
		print_limits(&self, out);
	print_rule(&self, out);
	answer_fini(&self);
	return allowed;
}

/* ---- JSON ---- */

/* A member that is null when the text is empty. */
static void
add_text(struct buffer *out, const char *key, const char *text)
{
	json_writer_member(out, key, text[0] != '\0' ? text : NULL);
}

static void
add_line(struct buffer *out, size_t line)
{
	if (line != 0)
		json_writer_number(out, "line", line);
	else
		json_writer_member(out, "line", NULL);
}

static void
begin_object(struct buffer *out, const char *key)
{
	json_writer_key(out, key);
	buffer_append(out, "{", 1);
}

static void
add_licence(struct buffer *out, const struct answer *self)
{
	json_writer_member(out, "product", self->decision.product);
	begin_object(out, "licence");
	add_text(out, "from", self->from);
	add_text(out, "until", self->until);
	add_line(out, self->licence_line);
	buffer_append(out, "}", 1);
	begin_object(out, "path");
	json_writer_member(out, "path", self->path);
	add_line(out, self->path_line);
	buffer_append(out, "}", 1);
}

/* null: no limit. */
static void
add_limits(struct buffer *out, const struct answer *self)
{
	begin_object(out, "limits");
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		uint32_t value = limit_of(self, &limits[i]);
		if (value != 0)
			json_writer_number(out, limits[i].key, value);
		else
			json_writer_member(out, limits[i].key, NULL);
	}
	buffer_append(out, "}", 1);
}

bool
policy_explain_json(
    struct policy_explained policy, const struct policy_question *question, FILE *out)
{
	struct answer self = answer_to(policy, question);
	bool allowed = is_allowed(&self);
	struct buffer text = {0};
	buffer_append(&text, "{", 1);
	json_writer_member(&text, "verdict", allowed ? "allowed" : "refused");
	json_writer_member(&text, "reason", policy_verdict_name(self.decision.verdict));
	json_writer_member(&text, "subject", question->subject);
	add_text(&text, "issuer", self.issuer);
	json_writer_member(&text, "role", role_name(self.caller.role));
	add_text(&text, "customer", self.caller.customer);
	json_writer_member(&text, "download", question->download);
	json_writer_member(&text, "snapshot", question->snapshot);
	json_writer_member(&text, "at", self.at);
	if (self.path != NULL)
		add_licence(&text, &self);
	if (has_limits(&self))
		add_limits(&text, &self);
	begin_object(&text, "rule");
	json_writer_member(&text, "file", self.name);
	add_line(&text, self.line);
	json_writer_member(&text, "text", buffer_bytes(&self.because));
	buffer_append(&text, "}}\n", 3);
	fwrite(buffer_bytes(&text), 1, buffer_size(&text), out);
	buffer_fini(&text);
	answer_fini(&self);
	return allowed;
}
