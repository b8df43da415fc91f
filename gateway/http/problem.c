/* The table of refusal reasons, looked up by number. */
#include "problem.h"

#include <assert.h>
#include <stddef.h>

struct row {
	unsigned status;
	const char *name, *title;
};

#define PROBLEM_ROW(id, status, name, title) {status, name, title},
static const struct row rows[PROBLEM_COUNT] = {{0, "none", ""}, PROBLEM_TABLE(PROBLEM_ROW)};

static const struct {
	unsigned status;
	const char *text;
} status_texts[] = {
    {200, "OK"},
    {201, "Created"},
    {206, "Partial Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

unsigned
problem_status(enum problem self)
{
	assert(self > PROBLEM_NONE && self < PROBLEM_COUNT);
	return rows[self].status;
}

const char *
problem_name(enum problem self)
{
	assert(self < PROBLEM_COUNT);
	return rows[self].name;
}

const char *
problem_title(enum problem self)
{
	assert(self < PROBLEM_COUNT);
	return rows[self].title;
}

const char *
problem_status_text(unsigned status)
{
	for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++)
		if (status_texts[i].status == status)
			return status_texts[i].text;
	assert(0 && "every status the gateway sends has a text");
	return "";
}
