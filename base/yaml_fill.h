/*
 * C structures filled while a YAML text is walked.
 *
 * Private to yaml_source.c and yaml_walk.c. For schemas made of texts, lists and mappings only,
 * which a policy of millions of values has: libcyaml would parse the text a second time, and
 * allocate each text by itself. The structures are laid out as libcyaml does; the texts stand close
 * together in a store of their own. All functions here abort when memory is exhausted.
 */
#ifndef BASE_YAML_FILL_H
#define BASE_YAML_FILL_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts that are freed together. */
struct yaml_fill_texts;
struct yaml_fill_texts *yaml_fill_texts_new(void);
void yaml_fill_texts_free(struct yaml_fill_texts *self);

/* The place of one value in a structure. */
struct yaml_fill {
	void *value;     /* NULL: nowhere, and whatever is filled in is dropped */
	uint32_t *count; /* of a list's entries */
};

/* Is SCHEMA, of a whole file, a mapping with only what can be filled here: pointers to texts and to
 * lists with 32-bit counts, and mappings? */
bool yaml_fill_can(const cyaml_schema_value_t *schema);

/* Stores a copy of TEXT, LEN bytes, and a NUL, in TEXTS. */
void yaml_fill_text(
    struct yaml_fill place, struct yaml_fill_texts *texts, const void *text, size_t len);

/* The structure for a mapping at PLACE; new and zeroed where SCHEMA says that it is a pointer. */
void *yaml_fill_structure(struct yaml_fill place, const cyaml_schema_value_t *schema);

/* The place of FIELD in STRUCTURE. */
struct yaml_fill yaml_fill_field(void *structure, const cyaml_schema_field_t *field);

/* One more entry, zeroed, of the list at PLACE. The places of those before become invalid. */
struct yaml_fill yaml_fill_entry(struct yaml_fill place, const cyaml_schema_value_t *schema);

/* Frees the structure DATA of a file, or NULL, but not its texts. SCHEMA passed yaml_fill_can(). */
void yaml_fill_free(const cyaml_schema_value_t *schema, void *data);

#endif
