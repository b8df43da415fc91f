/*
 * YAML files: what loads, every mistake with its line, and lines found afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/yaml_source.h"

enum colour { RED = 3, GREEN = 7 };

struct item {
	char *name;
	uint8_t size;
};

struct sample {
	char *title;
	int16_t number;
	bool flag;
	enum colour colour;
	char *note;
	struct item *items;
	uint32_t items_count;
	struct item single;
	char **words;
	uint32_t words_count;
};

static const cyaml_strval_t colours[] = {{"red", RED}, {"green", GREEN}};

static const cyaml_schema_value_t word_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 5)};

static const cyaml_schema_field_t item_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct item, name, 1, 8),
    CYAML_FIELD_UINT("size", CYAML_FLAG_OPTIONAL, struct item, size), CYAML_FIELD_END};

static const cyaml_schema_value_t item_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct item, item_fields)};

static const cyaml_schema_field_t sample_fields[] = {
    CYAML_FIELD_STRING_PTR("title", CYAML_FLAG_POINTER, struct sample, title, 0, 20),
    CYAML_FIELD_INT("number", CYAML_FLAG_OPTIONAL, struct sample, number),
    CYAML_FIELD_BOOL("flag", CYAML_FLAG_OPTIONAL, struct sample, flag),
    CYAML_FIELD_ENUM("colour", CYAML_FLAG_OPTIONAL, struct sample, colour, colours, 2),
    CYAML_FIELD_STRING_PTR(
        "note", CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL, struct sample, note, 0, 20),
    CYAML_FIELD_SEQUENCE("items", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct sample, items,
        &item_schema, 0, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING("single", CYAML_FLAG_OPTIONAL, struct sample, single, item_fields),
    CYAML_FIELD_SEQUENCE("words", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct sample, words,
        &word_schema, 1, 3),
    CYAML_FIELD_END};

static const cyaml_schema_value_t sample_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct sample, sample_fields)};

/* Loads TEXT and joins the problems, one a line, into the returned text, which the caller frees. */
static char *
problems_of(const char *text, size_t len)
{
	struct problems *problems = problems_new();
	void *data;
	struct yaml_source *source =
	    yaml_source_load("f", text, len, &sample_schema, &data, problems);
	assert_int_equal(source == NULL, problems_count(problems) > 0);
	assert_int_equal(data == NULL, source == NULL);
	yaml_source_free(source);
	if (data != NULL)
		yaml_source_free_data(&sample_schema, data);

	char *joined = NULL;
	size_t joined_len;
	FILE *out = open_memstream(&joined, &joined_len);
	problems_print(problems, out);
	fclose(out);
	problems_free(problems);
	return joined;
}

static void
assert_problems(const char *text, const char *expected)
{
	char *found = problems_of(text, strlen(text));
	assert_string_equal(found, expected);
	free(found);
}

/* Fails unless the problems are one line that begins with START. */
static void
assert_one_problem(const char *text, size_t len, const char *start)
{
	char *found = problems_of(text, len);
	if (strncmp(found, start, strlen(start)) != 0 ||
	    strchr(found, '\n') != strrchr(found, '\n'))
		fail_msg("wanted one line with \"%s\", got \"%s\"", start, found);
	free(found);
}

static void
test_a_good_file_fills_the_structure(void **state)
{
	(void)state;
	static const char text[] = "# comment\n"
	                           "title: \"a b\"\n"
	                           "number: -12\n"
	                           "flag: true\n"
	                           "colour: green\n"
	                           "note: null\n"
	                           "items:\n"
	                           "  - {name: one, size: 255}\n"
	                           "  - name: 'two'\n"
	                           "single: {name: s}\n"
	                           "words: [x, 'null', 12]\n";
	struct problems *problems = problems_new();
	void *data;
	struct yaml_source *source =
	    yaml_source_load("f", text, strlen(text), &sample_schema, &data, problems);
	assert_non_null(source);
	assert_int_equal(problems_count(problems), 0);
	const struct sample *sample = data;
	assert_string_equal(sample->title, "a b");
	assert_int_equal(sample->number, -12);
	assert_true(sample->flag);
	assert_int_equal(sample->colour, GREEN);
	assert_null(sample->note);
	assert_int_equal(sample->items_count, 2);
	assert_string_equal(sample->items[0].name, "one");
	assert_int_equal(sample->items[0].size, 255);
	assert_string_equal(sample->items[1].name, "two");
	assert_string_equal(sample->single.name, "s");
	assert_int_equal(sample->words_count, 3);
	assert_string_equal(sample->words[1], "null");
	assert_string_equal(sample->words[2], "12");
	yaml_source_free(source);
	yaml_source_free_data(&sample_schema, data);
	problems_free(problems);
}

static void
test_all_mistakes_of_a_file_are_reported_with_their_lines(void **state)
{
	(void)state;
	assert_problems("number: x\n"
	                "flag: yes\n"
	                "colour: blue\n"
	                "tilte: a\n"
	                "number: 5\n"
	                "items:\n"
	                "  - {size: 1}\n"
	                "  - name: much-too-long\n"
	                "    size: 256\n"
	                "  - word\n"
	                "words: {a: b}\n"
	                "single: [a]\n",
	    "f:1: `number` must be a whole number, at most 32767\n"
	    "f:1: missing key `title`\n"
	    "f:2: `flag` must be true or false\n"
	    "f:3: `colour` must be one of red, green\n"
	    "f:4: unknown key `tilte`; here may stand: title, number, flag, colour, note, items, "
	    "single, words\n"
	    "f:5: repeated key `number`; it stands on line 1 already\n"
	    "f:7: missing key `name`\n"
	    "f:8: `name` must be at most 8 bytes long\n"
	    "f:9: `size` must be a whole number, at most 255\n"
	    "f:10: an entry of `items` must be a mapping (key: value)\n"
	    "f:11: `words` must be a list\n"
	    "f:12: `single` must be a mapping (key: value)\n");
}

static void
test_numbers_are_plain_decimals_within_their_type(void **state)
{
	(void)state;
	static const char *const bad[] = {"010", "0x10", "+1", "1.0", "1e3", "''", "'-'", "--1",
	    "-0", "-01", "32768", "-32769", "99999999999999999999", "1 2", "1_000", "\"1\\0\""};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[80];
		snprintf(text, sizeof text, "title: t\nnumber: %s\n", bad[i]);
		assert_one_problem(text, strlen(text), "f:2: `number` must be a whole number");
	}
	assert_problems("title: t\nnumber: 0\n", "");
	assert_problems("title: t\nnumber: 32767\n", "");
	assert_problems("title: t\nnumber: -32768\n", "");
	assert_problems("title: t\nsingle: {name: a, size: 255}\n", "");
	assert_problems("title: t\nsingle: {name: a, size: -1}\n",
	    "f:2: `size` must be a whole number, at most 255\n");
}

static void
test_a_value_left_out_is_a_mistake_unless_allowed(void **state)
{
	(void)state;
	assert_problems("title:\n", "f:1: `title` must be text, but has no value\n");
	assert_problems("title: ~\n", "f:1: `title` must be text, but has no value\n");
	assert_problems("title: null\n", "f:1: `title` must be text, but has no value\n");
	assert_problems("title: t\nitems:\n", "f:2: `items` must be a list, but has no value\n");
	assert_problems(
	    "title: t\nnumber:\n", "f:2: `number` must be a whole number, but has no value\n");
	assert_problems("title: ''\nnote:\n", "");
	assert_problems("title: 'null'\nnote: ~\n", "");
}

static void
test_lengths_of_texts_and_lists_are_checked(void **state)
{
	(void)state;
	assert_problems(
	    "title: 123456789012345678901\n", "f:1: `title` must be at most 20 bytes long\n");
	assert_problems("title: t\nwords: []\n", "f:2: `words` must be at least 1 long\n");
	assert_problems("title: t\nwords: [a, b, c, d]\n", "f:2: `words` must be at most 3 long\n");
	assert_problems("title: t\nwords:\n  - a\n  - ''\n  - toolong\n",
	    "f:4: an entry of `words` must be something, not an empty text\n"
	    "f:5: an entry of `words` must be at most 5 bytes long\n");
	assert_problems("title: \"a\\0b\"\n", "f:1: `title` must be text without NUL\n");
}

static void
test_anchors_aliases_tags_and_merge_keys_are_refused(void **state)
{
	(void)state;
	assert_problems("title: &a x\n", "f:1: anchors (&) are not allowed\n");
	assert_problems("title: !!str x\n", "f:1: tags (!) are not allowed\n");
	assert_problems("title: t\nwords: &w [a]\nitems: !x []\n",
	    "f:2: anchors (&) are not allowed\nf:3: tags (!) are not allowed\n");
	assert_problems("title: t\nsingle: &s {name: !x a}\n",
	    "f:2: anchors (&) are not allowed\nf:2: tags (!) are not allowed\n");
	assert_problems("title: &a x\nnote: *a\n",
	    "f:1: anchors (&) are not allowed\nf:2: aliases (*) are not allowed\n");
	assert_one_problem("title: t\n<<: {}\n", 15, "f:2: unknown key `<<`");
}

static void
test_a_key_that_is_no_word_is_refused_and_passed_over(void **state)
{
	(void)state;
	assert_problems("? [a, {b: c}]\n: {d: [e]}\ntitle: t\nnumber: x\n",
	    "f:1: a key must be a word\nf:4: `number` must be a whole number, at most 32767\n");
}

static void
test_what_is_not_one_yaml_mapping_is_refused(void **state)
{
	(void)state;
	assert_problems("", "f: the file is empty\n");
	assert_problems("# only a comment\n", "f: the file is empty\n");
	assert_problems("- a\n", "f:1: the file must be a mapping (key: value)\n");
	assert_problems("a\n", "f:1: the file must be a mapping (key: value)\n");
	assert_problems("title: t\n---\ntitle: u\n", "f:2: a second YAML document begins here\n");
	assert_problems("---\ntitle: t\n...\n", "");
}

static void
test_broken_yaml_is_reported_with_its_line(void **state)
{
	(void)state;
	assert_one_problem("title: t\nwords: [a, b\n", 22, "f:3: not valid YAML: ");
	assert_one_problem("title: t\n\tnumber: 1\n", 20, "f:2: not valid YAML: ");
	assert_one_problem("title: t\nnote: \"x\n", 18, "f:3: not valid YAML: ");
	assert_one_problem("title: t\nnote: \xff\n", 17, "f:2: not valid YAML: ");
	assert_one_problem("title: t\nnote: a\0b\n", 19, "f:2: not valid YAML: ");
	assert_one_problem("\xff\xfet\0i\0", 6, "f:1: not valid YAML: ");
	char nothing[100] = {0};
	assert_one_problem(nothing, sizeof nothing, "f:1: not valid YAML: ");
}

static void
test_a_half_written_file_never_loads(void **state)
{
	(void)state;
	static const char text[] = "items: [{name: a, size: 1}, {name: b}]\n"
	                           "single: {name: \"s\"}\n"
	                           "title: \"the end\"";
	for (size_t len = 0; len < strlen(text); len++) {
		char *found = problems_of(text, len);
		if (found[0] == '\0')
			fail_msg("the first %zu bytes load", len);
		free(found);
	}
	assert_problems(text, "");
}

static void
test_control_characters_in_messages_are_escaped(void **state)
{
	(void)state;
	assert_one_problem(
	    "title: t\n\"a\\n\\e[31m\": x\n", 24, "f:2: unknown key `a\\x0a\\x1b[31m`");
}

static void
test_the_tolerant_load_forgives_unknown_keys_only(void **state)
{
	(void)state;
	static const char forgiven[] = "title: t\nother: {a: [b]}\nsingle: {name: s, x: y}\n";
	static const char refused[] = "title: t\ntitle: u\n";
	struct problems *problems = problems_new();
	void *data;
	struct yaml_source *source = yaml_source_load_tolerant(
	    "f", forgiven, strlen(forgiven), &sample_schema, &data, problems);
	assert_non_null(source);
	assert_int_equal(problems_count(problems), 2);
	assert_string_equal(((struct sample *)data)->single.name, "s");
	yaml_source_free(source);
	yaml_source_free_data(&sample_schema, data);
	assert_null(yaml_source_load_tolerant(
	    "f", refused, strlen(refused), &sample_schema, &data, problems));
	assert_null(data);
	assert_int_equal(problems_count(problems), 3);
	problems_free(problems);
}

static void
test_every_value_is_found_on_its_line(void **state)
{
	(void)state;
	static const char text[] = "title: t\n"      /* 1 */
	                           "items:\n"        /* 2 */
	                           "  - name: a\n"   /* 3 */
	                           "    size: 1\n"   /* 4 */
	                           "  - {name: b,\n" /* 5 */
	                           "     size: 2}\n" /* 6 */
	                           "words: [x,\n"    /* 7 */
	                           "  y]\n"          /* 8 */
	                           "single:\n"       /* 9 */
	                           "  name: s\n";    /* 10 */
	struct problems *problems = problems_new();
	void *data;
	struct yaml_source *source =
	    yaml_source_load("f", text, strlen(text), &sample_schema, &data, problems);
	assert_non_null(source);
	assert_int_equal(yaml_source_line(source, "title"), 1);
	assert_int_equal(yaml_source_line(source, "items[%d].name", 0), 3);
	assert_int_equal(yaml_source_line(source, "items[%d].size", 0), 4);
	assert_int_equal(yaml_source_line(source, "items[%d]", 1), 5);
	assert_int_equal(yaml_source_line(source, "items[%d].size", 1), 6);
	assert_int_equal(yaml_source_line(source, "words[0]"), 7);
	assert_int_equal(yaml_source_line(source, "words[1]"), 8);
	assert_int_equal(yaml_source_line(source, "single.name"), 10);
	/* What is not there has the line of the nearest that is. */
	assert_int_equal(yaml_source_line(source, "single.size"), 10);
	assert_int_equal(yaml_source_line(source, "words[9]"), 7);
	assert_int_equal(yaml_source_line(source, "items[1].name.x[3].y"), 5);
	assert_int_equal(yaml_source_line(source, "number"), 1);
	assert_int_equal(yaml_source_line(source, "%s", ""), 1);
	yaml_source_free(source);
	yaml_source_free_data(&sample_schema, data);
	problems_free(problems);
}

/* Reads NAME, at most MAX bytes; returns its length, or -1 with the problem checked for WORD. */
static long
read_length(const char *name, size_t max, const char *word)
{
	struct problems *problems = problems_new();
	size_t len;
	long result = -1;
	char *bytes = yaml_source_read_file(name, max, &len, problems);
	if (bytes != NULL) {
		assert_int_equal(bytes[len], '\0');
		result = (long)len;
	} else if (strstr(problems_text(problems, 0), word) == NULL) {
		fail_msg("refused for another reason: %s", problems_text(problems, 0));
	}
	assert_int_equal(problems_count(problems), bytes == NULL);
	free(bytes);
	problems_free(problems);
	return result;
}

static void
test_only_regular_files_of_limited_size_are_read(void **state)
{
	(void)state;
	char folder[] = "/tmp/yaml-source-XXXXXX", file[64], fifo[64];
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof file, "%s/file", folder);
	snprintf(fifo, sizeof fifo, "%s/fifo", folder);
	FILE *out = fopen(file, "w");
	assert_non_null(out);
	fputs("12345", out);
	fclose(out);
	assert_int_equal(mkfifo(fifo, 0600), 0);

	assert_int_equal(read_length(file, 5, ""), 5);
	assert_int_equal(read_length(file, 1000, ""), 5);
	assert_int_equal(read_length(file, 4, "is larger than 4 bytes"), -1);
	assert_int_equal(read_length(fifo, 100, "not a regular file"), -1);
	assert_int_equal(read_length(folder, 100, "not a regular file"), -1);
	unlink(file);
	assert_int_equal(read_length(file, 100, "cannot open: No such file"), -1);
	unlink(fifo);
	rmdir(folder);
}

static void
test_problems_come_in_order_of_file_and_line(void **state)
{
	(void)state;
	struct problems *problems = problems_new();
	problems_add(problems, "b", 2, "second");
	problems_add(problems, "b", 10, "third %d", 3);
	problems_add(problems, "b", 2, "second again");
	problems_add(problems, "a", 5, "first\n\x1b");
	problems_add(problems, "b", 0, "no line");
	assert_int_equal(problems_count(problems), 5);
	assert_string_equal(problems_text(problems, 0), "a:5: first\\x0a\\x1b");
	assert_string_equal(problems_text(problems, 1), "b: no line");
	assert_string_equal(problems_text(problems, 2), "b:2: second");
	assert_string_equal(problems_text(problems, 3), "b:2: second again");
	assert_string_equal(problems_text(problems, 4), "b:10: third 3");
	problems_free(problems);
	problems_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_good_file_fills_the_structure),
	    cmocka_unit_test(test_all_mistakes_of_a_file_are_reported_with_their_lines),
	    cmocka_unit_test(test_numbers_are_plain_decimals_within_their_type),
	    cmocka_unit_test(test_a_value_left_out_is_a_mistake_unless_allowed),
	    cmocka_unit_test(test_lengths_of_texts_and_lists_are_checked),
	    cmocka_unit_test(test_anchors_aliases_tags_and_merge_keys_are_refused),
	    cmocka_unit_test(test_a_key_that_is_no_word_is_refused_and_passed_over),
	    cmocka_unit_test(test_what_is_not_one_yaml_mapping_is_refused),
	    cmocka_unit_test(test_broken_yaml_is_reported_with_its_line),
	    cmocka_unit_test(test_a_half_written_file_never_loads),
	    cmocka_unit_test(test_control_characters_in_messages_are_escaped),
	    cmocka_unit_test(test_the_tolerant_load_forgives_unknown_keys_only),
	    cmocka_unit_test(test_every_value_is_found_on_its_line),
	    cmocka_unit_test(test_only_regular_files_of_limited_size_are_read),
	    cmocka_unit_test(test_problems_come_in_order_of_file_and_line),
	};
	return cmocka_run_group_tests_name("yaml_source", tests, NULL, NULL);
}
