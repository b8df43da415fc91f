/*
 * Images of catalogues. A record's key begins with a letter:
 *
 *     F path     size, SHA-256
 *     V folder   state, SHA-256 of the catalogue, origin, until, whether it was good
 *     R base     a byte: below it catalogues are required
 *     H          format, origin, until, counts: written last, when these are known
 *
 * Integers are little-endian. The hard part is to know a whole image from a part of one without
 * reading all of it: tinycdb's tables must follow the records and each other and end with the file.
 */
#include "catalogue_image.h"

#include <assert.h>
#include <cdb.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cdb_mapping.h"
#include "base/path.h"
#include "catalogue.h"

enum {
	FORMAT = 2,
	KEY_MAX = 1 + PATH_MAX_BYTES,
	TABLE_PLACE = 8, /* bytes: where a table is, and how many slots of this size it has */
	HEADER_SIZE = 4 + CATALOGUE_IMAGE_DIGEST + 8 + 4 + 4 * CATALOGUE_IMAGE_STATES + 8,
	FILE_SIZE = 8 + CATALOGUE_IMAGE_DIGEST,
	VERSION_SIZE = 1 + 2 * CATALOGUE_IMAGE_DIGEST + 8 + 1,
};

enum kind { KIND_FILE = 'F', KIND_VERSION = 'V', KIND_REQUIRED = 'R', KIND_HEADER = 'H' };

struct key {
	char bytes[KEY_MAX];
	unsigned len;
};

static bool
make_key(struct key *key, enum kind kind, const char *name, size_t len)
{
	if (len > PATH_MAX_BYTES)
		return false;
	key->bytes[0] = (char)kind;
	memcpy(key->bytes + 1, name, len);
	key->len = (unsigned)len + 1;
	return true;
}

/* --- writing */

struct catalogue_image_writer {
	struct cdb_make make;
	struct catalogue_image_header header;
	int error; /* errno of the first failure; 0: none */
};

struct catalogue_image_writer *
catalogue_image_writer_new(int fd)
{
	struct catalogue_image_writer *self = buffer_alloc(sizeof *self);
	if (cdb_make_start(&self->make, fd) != 0)
		self->error = errno;
	return self;
}

/* False when NAME is too long for any request. */
static bool
add(struct catalogue_image_writer *self, enum kind kind, const char *name,
    const unsigned char *value, unsigned len)
{
	struct key key;
	if (!make_key(&key, kind, name, strlen(name)))
		return false;
	if (self->error == 0 && cdb_make_add(&self->make, key.bytes, key.len, value, len) != 0)
		self->error = errno;
	return true;
}

static bool
may_not_be_served(enum catalogue_image_state state)
{
	return state == CATALOGUE_IMAGE_REFUSED || state == CATALOGUE_IMAGE_PENDING ||
	       state == CATALOGUE_IMAGE_LOST;
}

void
catalogue_image_writer_add_version(struct catalogue_image_writer *self, const char *folder,
    const struct catalogue_image_version *version)
{
	unsigned char value[VERSION_SIZE];
	assert(version->state > CATALOGUE_IMAGE_ABSENT && version->state < CATALOGUE_IMAGE_STATES);
	value[0] = (unsigned char)version->state;
	memcpy(value + 1, version->digest, CATALOGUE_IMAGE_DIGEST);
	memcpy(value + 1 + CATALOGUE_IMAGE_DIGEST, version->origin, CATALOGUE_IMAGE_DIGEST);
	uint64_t until = htole64((uint64_t)version->until);
	memcpy(value + 1 + 2 * CATALOGUE_IMAGE_DIGEST, &until, 8);
	value[VERSION_SIZE - 1] = version->was_good;
	if (!add(self, KIND_VERSION, folder, value, sizeof value))
		return;
	self->header.versions[version->state]++;
	if (may_not_be_served(version->state) && strlen(folder) > self->header.longest_refused)
		self->header.longest_refused = (uint32_t)strlen(folder);
}

void
catalogue_image_writer_add_required(struct catalogue_image_writer *self, const char *base)
{
	const unsigned char value = 1;
	size_t len = strlen(base);
	if (add(self, KIND_REQUIRED, base, &value, 1) && len > self->header.longest_required)
		self->header.longest_required = (uint32_t)len;
}

void
catalogue_image_writer_add_file(
    struct catalogue_image_writer *self, const char *path, const struct catalogue_image_file *file)
{
	unsigned char value[FILE_SIZE];
	uint64_t size = htole64(file->size);
	memcpy(value, &size, 8);
	memcpy(value + 8, file->sha256, CATALOGUE_IMAGE_DIGEST);
	self->header.files += add(self, KIND_FILE, path, value, sizeof value);
}

static unsigned char *
put_u32(unsigned char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, 4);
	return at + 4;
}

static void
add_header(struct catalogue_image_writer *self)
{
	unsigned char value[HEADER_SIZE], *at = put_u32(value, FORMAT);
	uint64_t until = htole64((uint64_t)self->header.until);
	memcpy(at, self->header.origin, CATALOGUE_IMAGE_DIGEST);
	memcpy(at + CATALOGUE_IMAGE_DIGEST, &until, 8);
	at = put_u32(at + CATALOGUE_IMAGE_DIGEST + 8, self->header.files);
	for (int i = 0; i < CATALOGUE_IMAGE_STATES; i++)
		at = put_u32(at, self->header.versions[i]);
	at = put_u32(at, self->header.longest_required);
	at = put_u32(at, self->header.longest_refused);
	assert(at == value + sizeof value);
	add(self, KIND_HEADER, "", value, sizeof value);
}

bool
catalogue_image_writer_end(struct catalogue_image_writer *self,
    const unsigned char origin[CATALOGUE_IMAGE_DIGEST], time_t until)
{
	memcpy(self->header.origin, origin, CATALOGUE_IMAGE_DIGEST);
	self->header.until = until;
	add_header(self);
	/* Also after a failure: it frees what cdb_make holds. */
	if (cdb_make_finish(&self->make) != 0 && self->error == 0)
		self->error = errno;
	int error = self->error;
	free(self);
	errno = error;
	return error == 0;
}

/* --- reading */

struct catalogue_image {
	struct cdb cdb; /* holds the mapping; look-ups work on a copy */
	struct catalogue_image_header header;
};

static bool
has_whole_tables(const struct cdb *cdb)
{
	size_t end = cdb->cdb_dend;
	for (size_t place = 0; place < CDB_MAPPING_RECORDS; place += TABLE_PLACE) {
		size_t slots = cdb_unpack(cdb->cdb_mem + place + 4);
		if (cdb_unpack(cdb->cdb_mem + place) != end ||
		    slots > (cdb->cdb_fsize - end) / TABLE_PLACE)
			return false;
		end += slots * TABLE_PLACE;
	}
	return end == cdb->cdb_fsize;
}

/* The value of KEY, which has SIZE bytes; NULL when there is no such record. */
static const unsigned char *
find(const struct catalogue_image *self, const struct key *key, unsigned size)
{
	struct cdb cdb = self->cdb;
	if (cdb_find(&cdb, key->bytes, key->len) <= 0 || cdb_datalen(&cdb) != size)
		return NULL;
	return cdb_getdata(&cdb);
}

static uint32_t
get_u32(const unsigned char *at)
{
	uint32_t value;
	memcpy(&value, at, 4);
	return le32toh(value);
}

static uint64_t
get_u64(const unsigned char *at)
{
	uint64_t value;
	memcpy(&value, at, 8);
	return le64toh(value);
}

static bool
read_header(struct catalogue_image *self)
{
	struct key key;
	make_key(&key, KIND_HEADER, "", 0);
	const unsigned char *at = find(self, &key, HEADER_SIZE);
	if (at == NULL || get_u32(at) != FORMAT)
		return false;
	memcpy(self->header.origin, at + 4, CATALOGUE_IMAGE_DIGEST);
	at += 4 + CATALOGUE_IMAGE_DIGEST;
	self->header.until = (time_t)get_u64(at);
	self->header.files = get_u32(at + 8);
	for (size_t i = 0; i < CATALOGUE_IMAGE_STATES; i++)
		self->header.versions[i] = get_u32(at + 12 + 4 * i);
	self->header.longest_required = get_u32(at + 12 + 4 * CATALOGUE_IMAGE_STATES);
	self->header.longest_refused = get_u32(at + 16 + 4 * CATALOGUE_IMAGE_STATES);
	return true;
}

struct catalogue_image *
catalogue_image_open(int fd, const char **defect)
{
	struct catalogue_image *self = buffer_alloc(sizeof *self);
	*defect = cdb_mapping_open(&self->cdb, fd, "is not an image of catalogues");
	if (*defect != NULL)
		goto free_self;
	if (!has_whole_tables(&self->cdb))
		*defect = "is an incomplete image of catalogues";
	else if (!read_header(self))
		*defect = "is not an image of catalogues of this format";
	if (*defect == NULL)
		return self;
	cdb_mapping_close(&self->cdb);
free_self:
	free(self);
	return NULL;
}

void
catalogue_image_free(struct catalogue_image *self)
{
	if (self == NULL)
		return;
	cdb_mapping_close(&self->cdb);
	free(self);
}

const struct catalogue_image_header *
catalogue_image_header(const struct catalogue_image *self)
{
	return &self->header;
}

/* What is known of the folder in KEY. A state that is none counts as refused. */
static struct catalogue_image_version
find_version(const struct catalogue_image *self, const struct key *key)
{
	struct catalogue_image_version version = {.state = CATALOGUE_IMAGE_ABSENT};
	const unsigned char *value = self != NULL ? find(self, key, VERSION_SIZE) : NULL;
	if (value == NULL)
		return version;
	version.state = CATALOGUE_IMAGE_REFUSED;
	if (value[0] > CATALOGUE_IMAGE_ABSENT && value[0] < CATALOGUE_IMAGE_STATES)
		version.state = (enum catalogue_image_state)value[0];
	memcpy(version.digest, value + 1, CATALOGUE_IMAGE_DIGEST);
	memcpy(version.origin, value + 1 + CATALOGUE_IMAGE_DIGEST, CATALOGUE_IMAGE_DIGEST);
	version.until = (time_t)get_u64(value + 1 + 2 * CATALOGUE_IMAGE_DIGEST);
	version.was_good = value[VERSION_SIZE - 1] != 0;
	return version;
}

static bool
is_below_refused(const struct catalogue_image *self, const char *path, size_t len)
{
	struct key key;
	if (len > self->header.longest_refused)
		len = self->header.longest_refused;
	if (!make_key(&key, KIND_VERSION, path, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (path[i] != '/')
			continue;
		key.len = 1 + (unsigned)i + 1;
		if (may_not_be_served(find_version(self, &key).state))
			return true;
	}
	return false;
}

/* True for the catalogue of the folder of LEN bytes in KEY, and its signature. */
static bool
is_own_file(const char *name, size_t len)
{
	static const char *const names[] = {CATALOGUE_NAME, CATALOGUE_SIGNATURE_NAME};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

/* True when PATH, of which there is no record, lies in a folder below a base that requires one. */
static bool
is_missing_record(const struct catalogue_image *self, const char *path, size_t len)
{
	struct key key;
	if (self->header.longest_required == 0 || !make_key(&key, KIND_REQUIRED, path, len))
		return false;
	for (size_t i = 0; i < len && i < self->header.longest_required; i++) {
		if (path[i] != '/')
			continue;
		key.bytes[0] = (char)KIND_REQUIRED;
		key.len = 1 + (unsigned)i + 1;
		const char *slash = memchr(path + i + 1, '/', len - i - 1);
		if (slash == NULL || find(self, &key, 1) == NULL)
			continue;
		size_t folder = (size_t)(slash + 1 - path);
		key.bytes[0] = (char)KIND_VERSION;
		key.len = 1 + (unsigned)folder;
		return find_version(self, &key).state != CATALOGUE_IMAGE_VALID ||
		       !is_own_file(path + folder, len - folder);
	}
	return false;
}

static void
take_file(const unsigned char *value, struct catalogue_image_file *file)
{
	file->size = get_u64(value);
	memcpy(file->sha256, value + 8, CATALOGUE_IMAGE_DIGEST);
}

enum catalogue_image_answer
catalogue_image_find(const struct catalogue_image *self, const char *path, size_t len,
    struct catalogue_image_file *file)
{
	struct key key;
	if (!make_key(&key, KIND_FILE, path, len))
		return CATALOGUE_IMAGE_NO_RECORD;
	if (is_below_refused(self, path, len))
		return CATALOGUE_IMAGE_NOT_TRUSTED;
	const unsigned char *value = find(self, &key, FILE_SIZE);
	if (value == NULL)
		return is_missing_record(self, path, len) ? CATALOGUE_IMAGE_NOT_TRUSTED
		                                          : CATALOGUE_IMAGE_NO_RECORD;
	take_file(value, file);
	return CATALOGUE_IMAGE_FILE;
}

struct catalogue_image_version
catalogue_image_version(const struct catalogue_image *self, const char *folder)
{
	struct catalogue_image_version none = {.state = CATALOGUE_IMAGE_ABSENT};
	struct key key;
	return make_key(&key, KIND_VERSION, folder, strlen(folder)) ? find_version(self, &key)
	                                                            : none;
}

/* Takes the next key of KIND in SELF; *AT is tinycdb's place. */
static bool
next_key(const struct catalogue_image *self, enum kind kind, unsigned *at, struct key *key)
{
	struct cdb cdb = self->cdb;
	while (cdb_seqnext(at, &cdb) > 0) {
		const char *bytes = cdb_getkey(&cdb);
		unsigned len = cdb_keylen(&cdb);
		if (bytes != NULL && len > 1 && bytes[0] == (char)kind &&
		    make_key(key, kind, bytes + 1, len - 1))
			return true;
	}
	return false;
}

void
catalogue_image_each_file(
    const struct catalogue_image *self, catalogue_image_file_fn *fn, void *arg)
{
	struct key key;
	unsigned at;
	cdb_seqinit(&at, &self->cdb);
	while (next_key(self, KIND_FILE, &at, &key)) {
		struct catalogue_image_file file;
		const unsigned char *value = find(self, &key, FILE_SIZE);
		if (value == NULL)
			continue;
		take_file(value, &file);
		char *path = buffer_copy(key.bytes + 1, key.len - 1);
		fn(path, &file, arg);
		free(path);
	}
}

void
catalogue_image_each_version(
    const struct catalogue_image *self, catalogue_image_version_fn *fn, void *arg)
{
	struct key key;
	unsigned at;
	cdb_seqinit(&at, &self->cdb);
	while (next_key(self, KIND_VERSION, &at, &key)) {
		struct catalogue_image_version version = find_version(self, &key);
		char *folder = buffer_copy(key.bytes + 1, key.len - 1);
		fn(folder, &version, arg);
		free(folder);
	}
}

/* Shows those folders of FROM in which OTHER has something else, or nothing when ONLY_ABSENT. */
static void
each_change(const struct catalogue_image *from, const struct catalogue_image *other,
    bool only_absent, catalogue_image_change_fn *fn, void *arg)
{
	struct key key;
	unsigned at;
	cdb_seqinit(&at, &from->cdb);
	while (next_key(from, KIND_VERSION, &at, &key)) {
		struct catalogue_image_version here = find_version(from, &key);
		struct catalogue_image_version there = find_version(other, &key);
		if (only_absent ? there.state != CATALOGUE_IMAGE_ABSENT
		                : here.state == there.state &&
		                      memcmp(here.digest, there.digest, sizeof here.digest) == 0)
			continue;
		char *folder = buffer_copy(key.bytes + 1, key.len - 1);
		fn(folder, only_absent ? here.state : there.state,
		    only_absent ? there.state : here.state, arg);
		free(folder);
	}
}

void
catalogue_image_each_change(const struct catalogue_image *before,
    const struct catalogue_image *after, catalogue_image_change_fn *fn, void *arg)
{
	each_change(after, before, false, fn, arg);
	if (before != NULL)
		each_change(before, after, true, fn, arg);
}
