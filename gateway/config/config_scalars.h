/*
 * The keys of mirrorgate.yaml with a single value. Private to config.c.
 */
#ifndef GATEWAY_CONFIG_SCALARS_H
#define GATEWAY_CONFIG_SCALARS_H

#include "config_loader.h"

/* Fills all of the configuration but its lists, defaults included, and adds every problem. */
void config_scalars_load(struct config_loader *self);

/* Calls FN for each text that config_scalars_load() put there. */
void config_scalars_each_text(struct config *config, config_text_fn *fn, void *arg);

/* The value of a key that is not there and has no default. */
#define CONFIG_NO_VALUE "(none)"

typedef void config_setting_fn(const char *key, const char *value, void *arg);

/* Who wants to read them all, and how: KEY is a key of the file, VALUE what it stands for, written
 * as in the file. */
struct config_scalars_reader {
	const struct config *config;
	config_setting_fn *fn;
	void *arg;
};
void config_scalars_print(const struct config_scalars_reader *reader);

#endif
