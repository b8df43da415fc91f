/*
 * A configuration as bytes, for other processes of this program: the same binary, forked.
 */
#ifndef GATEWAY_CONFIG_IMAGE_H
#define GATEWAY_CONFIG_IMAGE_H

#include "base/buffer.h"
#include "config_types.h"

/* Appends CONFIG to OUT. */
void config_image_write(struct config *config, struct buffer *out);

/* The configuration in the LEN bytes, with one reference, the caller's; NULL when they are not what
 * config_image_write() made. */
struct config *config_image_read(const char *bytes, size_t len);

#endif
