/*
 * Buffers: what is filled at the end comes out at the front, and an empty one owns no memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "random.h"

static void
assert_holds(const struct buffer *buffer, const char *expected)
{
	assert_int_equal(buffer_size(buffer), strlen(expected));
	assert_memory_equal(buffer_bytes(buffer), expected, strlen(expected));
}

static void
test_bytes_come_out_in_the_order_they_went_in(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	buffer_append(&buffer, "abc", 3);
	buffer_append(&buffer, "d\0e", 3);
	assert_int_equal(buffer_size(&buffer), 6);
	assert_memory_equal(buffer_bytes(&buffer), "abcd\0e", 6);
	buffer_consume(&buffer, 2);
	assert_memory_equal(buffer_bytes(&buffer), "cd\0e", 4);
	buffer_fini(&buffer);
}

static void
test_numbers_are_decimal_and_as_wide_as_asked(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	const unsigned long long numbers[] = {0, 7, 10, 999, 1000, ~0ULL};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		for (unsigned width = 0; width <= 20; width++) {
			char expected[32];
			(void)snprintf(expected, sizeof expected, "%0*llu", (int)width, numbers[i]);
			buffer_number(&buffer, numbers[i], width);
			assert_holds(&buffer, expected);
			buffer_consume(&buffer, buffer_size(&buffer));
		}
	buffer_puts(&buffer, "");
	assert_null(buffer.data);
	buffer_puts(&buffer, "text");
	assert_holds(&buffer, "text");
	buffer_fini(&buffer);
}

static void
test_an_empty_buffer_owns_no_memory(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	buffer_append(&buffer, "abc", 3);
	buffer_consume(&buffer, 3);
	assert_null(buffer.data);
	assert_int_equal(buffer_size(&buffer), 0);
	buffer_append(&buffer, "x", 0);
	assert_null(buffer.data);
	buffer_append(&buffer, "abc", 3);
	buffer_fini(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer_size(&buffer), 0);
	buffer_fini(&buffer);
	buffer_append(&buffer, "again", 5);
	assert_holds(&buffer, "again");
	buffer_fini(&buffer);
}

static void
test_reserved_room_counts_only_when_it_is_committed(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	memset(buffer_reserve(&buffer, 1000), 'x', 1000);
	assert_int_equal(buffer_size(&buffer), 0);
	buffer_commit(&buffer, 2);
	memcpy(buffer_reserve(&buffer, 1), "y", 1);
	buffer_commit(&buffer, 1);
	assert_holds(&buffer, "xxy");
	buffer_fini(&buffer);
}

static void
test_room_at_the_front_is_used_again_before_it_grows(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	char block[64];

	memset(block, 'b', sizeof block);
	buffer_append(&buffer, "first", 5);
	size_t capacity = buffer.capacity;
	for (int i = 0; i < 1000; i++) {
		buffer_append(&buffer, block, sizeof block);
		buffer_consume(&buffer, sizeof block);
	}
	assert_int_equal(buffer.capacity, capacity);
	assert_holds(&buffer, "bbbbb");
	buffer_fini(&buffer);
}

static void
test_printing_appends_without_a_nul(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	char longer[1000];

	memset(longer, 'l', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	buffer_append(&buffer, "a", 1);
	buffer_printf(&buffer, "%d-%s", 42, "b");
	buffer_append(&buffer, "c", 1);
	assert_holds(&buffer, "a42-bc");
	buffer_consume(&buffer, 6);
	buffer_printf(&buffer, "%s%s", longer, longer);
	assert_int_equal(buffer_size(&buffer), 2 * (sizeof longer - 1));
	assert_memory_equal(buffer_bytes(&buffer), longer, sizeof longer - 1);
	buffer_fini(&buffer);
}

/* Does one random thing to BUFFER; MODEL says where it stands in the sequence 0, 1, 2 ... */
static void
random_step(uint64_t *seed, struct buffer *buffer, size_t model[2])
{
	size_t size = buffer_size(buffer), n = random_below(seed, 700);

	if (random_below(seed, 2)) {
		size_t taken = n < size ? n : size;
		buffer_consume(buffer, taken);
		model[0] += taken;
		return;
	}
	char *room = buffer_reserve(buffer, n + 1);
	size_t used = random_below(seed, n + 1) + 1;
	for (size_t i = 0; i < used; i++)
		room[i] = (char)(model[1] + i);
	buffer_commit(buffer, used);
	model[1] += used;
}

static void
test_any_sequence_of_steps_loses_and_repeats_nothing(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	uint64_t seed = 13;
	size_t model[2] = {0, 0};

	for (int step = 0; step < 20000; step++) {
		random_step(&seed, &buffer, model);
		assert_int_equal(buffer_size(&buffer), model[1] - model[0]);
		for (size_t i = model[0]; i < model[1]; i += 97)
			assert_int_equal(buffer_bytes(&buffer)[i - model[0]], (char)i);
		assert_true((buffer.data == NULL) == (model[0] == model[1]));
	}
	buffer_fini(&buffer);
}

static void
test_allocated_memory_is_zero_and_copies_are_equal(void **state)
{
	(void)state;
	char *zero = buffer_alloc(100), *copy = buffer_strdup("text");

	for (int i = 0; i < 100; i++)
		assert_int_equal(zero[i], 0);
	assert_string_equal(copy, "text");
	free(zero);
	free(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes_come_out_in_the_order_they_went_in),
	    cmocka_unit_test(test_numbers_are_decimal_and_as_wide_as_asked),
	    cmocka_unit_test(test_an_empty_buffer_owns_no_memory),
	    cmocka_unit_test(test_reserved_room_counts_only_when_it_is_committed),
	    cmocka_unit_test(test_room_at_the_front_is_used_again_before_it_grows),
	    cmocka_unit_test(test_printing_appends_without_a_nul),
	    cmocka_unit_test(test_any_sequence_of_steps_loses_and_repeats_nothing),
	    cmocka_unit_test(test_allocated_memory_is_zero_and_copies_are_equal),
	};
	return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
