/* The configuration of a generation. The hard part is in config_image.c. */
#include "generation_config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/config/config_image.h"
#include "sealed_file.h"

int
generation_config_take(struct config *config, struct problems *problems)
{
	struct buffer image = {0};

	config_image_write(config, &image);
	int fd = sealed_file_new("configuration", buffer_bytes(&image), buffer_size(&image));
	if (fd < 0)
		problems_add(
		    problems, config->file, 0, "cannot be kept in memory: %s", strerror(errno));
	buffer_fini(&image);
	return fd;
}

struct config *
generation_config_open(const struct generation *self)
{
	struct sealed_bytes image;

	if (!sealed_file_map(self->files[GENERATION_CONFIG], &image))
		return NULL;
	struct config *config =
	    image.bytes != NULL ? config_image_read(image.bytes, image.len) : NULL;
	sealed_file_unmap(&image);
	return config;
}
