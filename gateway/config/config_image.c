/*
 * Configurations as bytes. The hard part is that a struct full of pointers is copied: the struct
 * goes as it is, its lists and then its texts follow, and the reader puts its own pointers where
 * those of the writer stood.
 */
#include "config_image.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_texts.h"

/* What stands before a text that is NULL. */
#define NO_TEXT SIZE_MAX

static void
write_text(char **text, void *arg)
{
	size_t len = *text != NULL ? strlen(*text) : NO_TEXT;

	buffer_append(arg, &len, sizeof len);
	if (*text != NULL)
		buffer_append(arg, *text, len);
}

void
config_image_write(struct config *config, struct buffer *out)
{
	buffer_append(out, config, sizeof *config);
	buffer_append(out, config->listens, config->listen_count * sizeof *config->listens);
	for (size_t i = 0; i < config->listen_count; i++) {
		const struct config_listen *listen = &config->listens[i];
		buffer_append(
		    out, listen->proxy_from, listen->proxy_from_count * sizeof *listen->proxy_from);
	}
	buffer_append(out, config->stores, config->store_count * sizeof *config->stores);
	config_texts_each(config, write_text, out);
}

/* What is left to read. */
struct reader {
	const char *at;
	size_t left;
	bool broken; /* something was not there */
};

/* Copies N bytes to TO; zeros when they are not there. */
static void
read_bytes(struct reader *self, void *to, size_t n)
{
	if (n > self->left) {
		self->broken = true;
		memset(to, 0, n);
		return;
	}
	if (n > 0)
		memcpy(to, self->at, n);
	self->at += n;
	self->left -= n;
}

/* A list of *COUNT entries of SIZE bytes; empty, with *COUNT 0, when they are not there. */
static void *
read_list(struct reader *self, size_t *count, size_t size)
{
	if (*count > self->left / size) {
		self->broken = true;
		*count = 0;
	}
	void *list = buffer_alloc_list(*count, size);
	read_bytes(self, list, *count * size);
	return list;
}

static void
read_text(char **text, void *arg)
{
	struct reader *self = arg;
	size_t len;

	*text = NULL;
	read_bytes(self, &len, sizeof len);
	if (self->broken || len == NO_TEXT)
		return;
	if (len > self->left) {
		self->broken = true;
		return;
	}
	*text = buffer_copy(self->at, len);
	self->at += len;
	self->left -= len;
}

static bool
has_slots(const struct config *self)
{
	for (size_t i = 0; i < self->store_count; i++)
		if (self->stores[i].slot >= CONFIG_SLOTS)
			return false;
	return self->store_count <= CONFIG_STORES_MAX;
}

struct config *
config_image_read(const char *bytes, size_t len)
{
	struct reader reader = {.at = bytes, .left = len};
	struct config *self = buffer_alloc(sizeof *self);

	read_bytes(&reader, self, sizeof *self);
	self->references = 1;
	self->listens = read_list(&reader, &self->listen_count, sizeof *self->listens);
	for (size_t i = 0; i < self->listen_count; i++) {
		struct config_listen *listen = &self->listens[i];
		listen->proxy_from =
		    read_list(&reader, &listen->proxy_from_count, sizeof *listen->proxy_from);
	}
	if (self->server_name_count > reader.left) {
		reader.broken = true;
		self->server_name_count = 0;
	}
	self->server_names = buffer_alloc_list(self->server_name_count, sizeof(char *));
	self->stores = read_list(&reader, &self->store_count, sizeof *self->stores);
	config_texts_each(self, read_text, &reader);
	if (!reader.broken && reader.left == 0 && has_slots(self))
		return self;
	config_free(self);
	return NULL;
}
