/*
 * How long does a decision take, whatever the number of customers?
 *
 *     policy_lookup IMAGE CUSTOMERS PRODUCTS ROUNDS
 *
 * Asks the policy library itself, about customers and paths of tests/bench/policy_text.py taken at
 * random, and prints nanoseconds a look-up as JSON: the median of ROUNDS rounds. Each answer is
 * compared with the one that the policy must give, so that nothing wrong is measured. The hard part
 * is that the questions are made before the clock starts, and are too many for the caches to hold
 * their answers.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy.h"

enum { QUESTIONS = 1 << 15, ROUNDS_MAX = 64, LICENCES = 20, TEXT_MAX = 80, AHEAD = 4, LINE = 64 };

struct question {
	char subject[TEXT_MAX];
	char stranger[TEXT_MAX];
	char licensed[TEXT_MAX];
	char unlicensed[TEXT_MAX];
	struct policy_caller caller; /* of SUBJECT */
};

struct bench {
	struct policy *policy;
	struct question *questions;
	time_t now;
};

static void
fail(const char *what)
{
	fprintf(stderr, "policy_lookup: %s\n", what);
	exit(EXIT_FAILURE);
}

/* Repeatable, so that runs can be compared (xorshift64*). */
static uint32_t
draw(uint64_t *state, uint32_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static void
print_path(char to[TEXT_MAX], uint32_t product, uint32_t file)
{
	(void)snprintf(
	    to, TEXT_MAX, "/artifacts/product-%04u/10.%u/file-%u.zip", product, file % 9, file);
}

static void
make_questions(struct bench *self, uint32_t customers, uint32_t products)
{
	uint64_t state = UINT64_C(88172645463325252);
	uint32_t stride = products / LICENCES;
	for (size_t i = 0; i < QUESTIONS; i++) {
		struct question *question = &self->questions[i];
		uint32_t customer = draw(&state, customers), file = draw(&state, 1000);
		uint32_t mine = (customer + stride * draw(&state, LICENCES)) % products;
		(void)snprintf(question->subject, TEXT_MAX, "CN=customer-%07u,O=Customer %07u,C=DK",
		    customer, customer);
		(void)snprintf(question->stranger, TEXT_MAX,
		    "CN=customer-%07u,O=Customer %07u,C=SE", customer, customer);
		print_path(question->licensed, mine, file);
		print_path(question->unlicensed, (mine + 1) % products, file);
		question->caller = policy_find_caller(self->policy, question->subject);
	}
}

static void
find_known(const struct bench *self, const struct question *question)
{
	if (policy_find_caller(self->policy, question->subject).role != POLICY_ROLE_CUSTOMER)
		fail("a customer is not known");
}

static void
find_unknown(const struct bench *self, const struct question *question)
{
	if (policy_find_caller(self->policy, question->stranger).role != POLICY_ROLE_NONE)
		fail("a stranger is known");
}

static void
decide(const struct bench *self, const struct question *question, const char *path,
    enum policy_verdict expected)
{
	struct policy_decision decision =
	    policy_decide_download(self->policy, &question->caller, path, strlen(path), self->now);
	if (decision.verdict != expected)
		fail("a wrong decision");
}

static void
decide_licensed(const struct bench *self, const struct question *question)
{
	decide(self, question, question->licensed, POLICY_ALLOW);
}

static void
decide_unlicensed(const struct bench *self, const struct question *question)
{
	decide(self, question, question->unlicensed, POLICY_NOT_LICENSED);
}

/* A gateway has just read the path and knows its caller when it asks: a question is in the cache,
 * only the answer is not. */
static void
fetch(const struct question *question)
{
	for (size_t at = 0; at < sizeof *question; at += LINE)
		__builtin_prefetch((const char *)question + at);
}

typedef void look_up_fn(const struct bench *self, const struct question *question);

static int
compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

static double
nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The median, over the rounds, of the time that one look-up takes. */
static double
measure(const struct bench *self, look_up_fn *look_up, size_t rounds)
{
	double each[ROUNDS_MAX] = {0};
	for (size_t round = 0; round < rounds; round++) {
		double start = nanoseconds();
		for (size_t i = 0; i < QUESTIONS; i++) {
			fetch(&self->questions[(i + AHEAD) % QUESTIONS]);
			look_up(self, &self->questions[i]);
		}
		each[round] = (nanoseconds() - start) / (double)QUESTIONS;
	}
	qsort(each, rounds, sizeof *each, compare);
	return each[rounds / 2];
}

int
main(int argc, char **argv)
{
	char error[POLICY_ERROR_MAX];
	if (argc != 5)
		fail("usage: policy_lookup IMAGE CUSTOMERS PRODUCTS ROUNDS");
	uint32_t customers = (uint32_t)strtoul(argv[2], NULL, 10);
	uint32_t products = (uint32_t)strtoul(argv[3], NULL, 10);
	size_t rounds = strtoul(argv[4], NULL, 10);
	if (customers == 0 || products < 2 * LICENCES || rounds == 0 || rounds > ROUNDS_MAX)
		fail("a number makes no sense");
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open the image");
	struct bench bench = {.policy = policy_open(fd, argv[1], error), .now = time(NULL)};
	close(fd);
	if (bench.policy == NULL)
		fail(error);
	bench.questions = calloc(QUESTIONS, sizeof *bench.questions);
	if (bench.questions == NULL)
		fail("no memory");
	make_questions(&bench, customers, products);
	printf("{\"known\": %.0f, \"unknown\": %.0f, \"licensed\": %.0f, \"unlicensed\": %.0f, "
	       "\"lookups\": %zu}\n",
	    measure(&bench, find_known, rounds), measure(&bench, find_unknown, rounds),
	    measure(&bench, decide_licensed, rounds), measure(&bench, decide_unlicensed, rounds),
	    rounds * QUESTIONS);
	free(bench.questions);
	policy_free(bench.policy);
	return EXIT_SUCCESS;
}
