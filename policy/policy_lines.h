/*
 * Where in policy.yaml something stands.
 *
 * Private to the policy library. Each question goes through the whole policy: this is for a person
 * who asks about one decision.
 */
#ifndef POLICY_POLICY_LINES_H
#define POLICY_POLICY_LINES_H

#include "policy_file.h"

struct policy_lines;

/* Takes FILE, without mistakes, and SOURCE over. */
struct policy_lines *policy_lines_new(struct policy_file *file, struct yaml_source *source);
void policy_lines_free(struct policy_lines *self);

/* All return a line, from 1; 0 when there is no such thing. */
size_t policy_lines_subject(const struct policy_lines *self, const char *subject);
size_t policy_lines_customer(const struct policy_lines *self, const char *id);
/* NUMBER counts the customer's licences from 0. */
size_t policy_lines_licence(const struct policy_lines *self, const char *customer, uint32_t number);
size_t policy_lines_path(const struct policy_lines *self, const char *product, const char *path);
size_t policy_lines_except(const struct policy_lines *self, const char *product, const char *path);

#endif
