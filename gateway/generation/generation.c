/* A generation's files. */
#include "generation.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"

struct generation *
generation_new(uint64_t number)
{
	struct generation *self = buffer_alloc(sizeof *self);

	self->number = number;
	for (int i = 0; i < GENERATION_FILES; i++)
		self->files[i] = -1;
	return self;
}

struct catalogue_image *
generation_catalogues(const struct generation *self)
{
	const char *defect;
	int fd = self->files[GENERATION_CATALOGUES];

	return fd >= 0 ? catalogue_image_open(fd, &defect) : NULL;
}

void
generation_close(struct generation *self)
{
	for (int i = 0; i < GENERATION_FILES; i++) {
		if (self->files[i] >= 0)
			close(self->files[i]);
		self->files[i] = -1;
	}
}

void
generation_free(struct generation *self)
{
	if (self == NULL)
		return;
	generation_close(self);
	free(self);
}
