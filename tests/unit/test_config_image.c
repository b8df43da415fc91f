/*
 * A configuration as bytes: what is read is what was written, and nothing that is cut short or
 * goes on is a configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_image.h"
#include "gateway/config/config_settings.h"
#include "sample.h"

/* A file with every kind of list, and texts that are there and that are not. */
static struct config *
rich_config(void)
{
	static const char added[] = "server_names: [a.example, b.example]\n"
	                            "user: nobody\nstate_dir: state\n"
	                            "log: {access: none, level: debug}\n";
	static const char networks[] = "    proxy_protocol_from: [10.0.0.0/8, \"2001:db8::/32\"]";

	return sample_load(sample_text(3, networks, added), false);
}

static char *
settings_of(const struct config *config)
{
	struct buffer text = {0};

	config_settings_print(config, &text);
	buffer_append(&text, "", 1);
	return buffer_bytes(&text);
}

static void
test_what_is_read_is_what_was_written(void **state)
{
	struct config *config = rich_config();
	struct buffer image = {0};

	(void)state;
	config_image_write(config, &image);
	struct config *copy = config_image_read(buffer_bytes(&image), buffer_size(&image));
	assert_non_null(copy);
	char *before = settings_of(config), *after = settings_of(copy);
	assert_string_equal(before, after);
	assert_string_equal(config->file, copy->file);
	assert_string_equal(config->stores[0].host, copy->stores[0].host);
	assert_int_equal(config->serial, copy->serial);
	assert_string_equal(config->content, copy->content);
	assert_null(copy->access_log);
	free(before);
	free(after);
	config_free(copy);
	config_free(config);
	buffer_fini(&image);
}

static void
test_no_beginning_is_a_configuration(void **state)
{
	struct config *config = rich_config();
	struct buffer image = {0};

	(void)state;
	config_image_write(config, &image);
	for (size_t len = 0; len < buffer_size(&image); len++) {
		char *part = buffer_copy(buffer_bytes(&image), len);
		assert_null(config_image_read(part, len));
		free(part);
	}
	buffer_append(&image, "", 1);
	assert_null(config_image_read(buffer_bytes(&image), buffer_size(&image)));
	config_free(config);
	buffer_fini(&image);
}

static void
test_lists_longer_than_the_bytes_are_refused(void **state)
{
	struct config *config = rich_config();
	struct buffer image = {0};

	(void)state;
	config_image_write(config, &image);
	struct config *head = (struct config *)(void *)buffer_bytes(&image);
	size_t *counts[] = {&head->listen_count, &head->server_name_count, &head->store_count};
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		size_t count = *counts[i];
		*counts[i] = SIZE_MAX / 2;
		assert_null(config_image_read(buffer_bytes(&image), buffer_size(&image)));
		*counts[i] = count;
	}
	config->stores[0].slot = CONFIG_SLOTS;
	buffer_fini(&image);
	config_image_write(config, &image);
	assert_null(config_image_read(buffer_bytes(&image), buffer_size(&image)));
	config_free(config);
	buffer_fini(&image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_read_is_what_was_written),
	    cmocka_unit_test(test_no_beginning_is_a_configuration),
	    cmocka_unit_test(test_lists_longer_than_the_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
