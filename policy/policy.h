/*
 * Who may do what: decisions over one immutable policy image.
 *
 * An image is a tinycdb file: subject -> caller record, path rule -> products, product ->
 * exceptions, customer -> licences. policy_compile() makes one from policy.yaml; the gateway
 * maps it read-only and shares the pages between its workers. Every record is bounds-checked
 * when read: a damaged image yields "no" answers, never a crash, and policy_open() refuses an image
 * whose format or checksum is wrong.
 *
 * Nothing here knows of sockets, TLS or an event loop. Finding a caller and deciding allocate
 * nothing and take time in proportion to the path (or the longest rule) and to the caller's own
 * licences, whatever the number of customers.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/value.h"
#include "policy_verdict.h"

enum {
	POLICY_ID_MAX = VALUE_ID_MAX, /* longest customer or product id, in bytes */
	POLICY_ERROR_MAX = 512,
	POLICY_SNAPSHOTS_PER_DAY = 100, /* of a customer for whom the policy does not say */
};

struct policy;

/* Maps the image at FD (which stays the caller's, and may be sealed; nobody may truncate the file
 * while the policy lives). NAME is for messages. Returns NULL and fills
 * ERROR when FD does not hold a complete image of this format. */
struct policy *policy_open(int fd, const char *name, char error[POLICY_ERROR_MAX]);
/* The same for an image that policy_open() took before and that was sealed against writing then:
 * the checksum, for which all of a large image is read, is not made again. */
struct policy *policy_open_known(int fd, const char *name, char error[POLICY_ERROR_MAX]);
void policy_free(struct policy *self);

uint64_t policy_serial(const struct policy *self);
uint32_t policy_customer_count(const struct policy *self);

/* What the policy says about a subject. Points into nothing: a plain value. */
struct policy_caller {
	enum policy_role role;
	char customer[POLICY_ID_MAX + 1]; /* "" unless a customer */
	uint64_t rate;                    /* bytes per second; 0: no limit */
	uint32_t connections;             /* 0: no limit */
	uint32_t snapshots_per_day;       /* 0: no limit, which a policy has to say */
	uint32_t requests_per_second;     /* 0: no limit */
};

/* Looks up SUBJECT, a canonical RFC 4514 string, byte-exact, as certified by the client CA whose
 * canonical name is ISSUER ("": it has none). An unknown subject, or one that another CA has to
 * certify, gives POLICY_ROLE_NONE. */
struct policy_caller policy_find_certified(
    const struct policy *self, const char *subject, const char *issuer);
/* The same, as if certified by the right CA: for questions, never for a request. */
struct policy_caller policy_find_caller(const struct policy *self, const char *subject);
/* The name of the CA that has to certify SUBJECT, as long as the policy; "" when any may. */
const char *policy_issuer(const struct policy *self, const char *subject);

struct policy_decision {
	enum policy_verdict verdict;
	char product[POLICY_ID_MAX + 1]; /* the deciding product, "" when none */
	uint32_t
	    licence; /* if there is one: the number of the deciding licence among the caller's */
	size_t rule_len; /* and the length of its product's rule, with which the path begins */
	time_t ends;     /* ALLOW: first second at which the licence no longer holds; 0: never */
};

/* May CALLER download PATH (canonical, path_defect() == NULL) at NOW? Reserved and non-canonical
 * paths are never allowed. When several licences cover the path, one that is valid allows; if none
 * is, "expired" wins over "not started". */
struct policy_decision policy_decide_download(const struct policy *self,
    const struct policy_caller *caller, const char *path, size_t path_len, time_t now);

/* May CALLER file a snapshot called NAME? Customers may, under their own name, valid names only. */
struct policy_decision policy_decide_snapshot(
    const struct policy *self, const struct policy_caller *caller, const char *name, size_t len);

/* One licence of a customer, as GET /licence shows it. The pointers live until the callback
 * returns. FROM and UNTIL are "YYYY-MM-DD" or "". PATHS and EXCEPT are NULL-terminated. */
struct policy_licence {
	const char *product;
	const char *const *paths;
	const char *const *except;
	const char *from;
	const char *until;
	bool valid_now;
};
typedef void policy_licence_fn(const struct policy_licence *licence, void *arg);

/* Calls FN for each licence of CALLER in the policy's order; returns how many. Allocates. */
size_t policy_each_licence(const struct policy *self, const struct policy_caller *caller,
    time_t now, policy_licence_fn *fn, void *arg);

struct policy_product {
	const char *id;
	const char *const *paths; /* ends with NULL */
	bool catalogue_required;  /* nothing is to be served without one */
};

/* Calls FN for each product in the policy's order; it and its texts live until FN returns.
 * Allocates. */
typedef void policy_product_fn(const struct policy_product *product, void *arg);
void policy_each_product(const struct policy *self, policy_product_fn *fn, void *arg);

/* For those who go through all of an image: its header; its records one after another, each as
 * tinycdb has it (length of the key, length of the value, key, value); whether looking up KEY
 * finds the record whose value begins at VALUE; and how many places the tables for look-ups lead
 * to, SIZE_MAX when these tables are not what follows the records. */
const struct policy_image_header *policy_header(const struct policy *self);
const unsigned char *policy_records(const struct policy *self, size_t *len);
bool policy_finds(
    const struct policy *self, const unsigned char *key, size_t len, const unsigned char *value);
size_t policy_table_entries(const struct policy *self);

#endif
