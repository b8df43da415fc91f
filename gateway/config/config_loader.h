/*
 * What the parts of the configuration loader share. Private to config.c and config_scalars.c.
 */
#ifndef GATEWAY_CONFIG_LOADER_H
#define GATEWAY_CONFIG_LOADER_H

#include "base/yaml_source.h"
#include "config_schema.h"
#include "config_types.h"

struct config_loader {
	const char *file;
	char *folder; /* of the file: "" or with a "/" at the end */
	bool unsafe_any_port;
	const struct config_schema *texts;
	const struct yaml_source *source;
	struct problems *problems;
	const struct config *known; /* NULL, or one whose stores' names need not be looked up */
	struct config *config;      /* what is being built */
};

/* Adds the problem "`KEY` MESSAGE" at the line of KEY, a path such as "listen[0].port". */
void config_loader_problem(const struct config_loader *self, const char *key, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* Adds the problem that the file does not have KEY. */
void config_loader_missing(const struct config_loader *self, const char *key);

/* Returns MEMORY; aborts when it is NULL. */
void *config_loader_never_null(void *memory);

#endif
