/*
 * Mapping tinycdb files. Not by cdb_init(): that makes a shared mapping, which kernels before 6.7
 * refuse for a memfd sealed against writing. Private read-only pages are the same pages.
 */
#include "cdb_mapping.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

const char *
cdb_mapping_open(struct cdb *cdb, int fd, const char *not_one)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return strerror(errno);
	if (status.st_size < CDB_MAPPING_RECORDS || status.st_size >= UINT32_MAX)
		return not_one;
	size_t len = (size_t)status.st_size;
	void *memory = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return strerror(errno);
	cdb->cdb_fd = -1;
	cdb->cdb_mem = memory;
	cdb->cdb_fsize = (unsigned)len;
	/* The first hash table begins where the records end. */
	unsigned records_end = cdb_unpack(memory);
	if (records_end < CDB_MAPPING_RECORDS)
		records_end = CDB_MAPPING_RECORDS;
	cdb->cdb_dend = records_end < cdb->cdb_fsize ? records_end : cdb->cdb_fsize;
	return NULL;
}

void
cdb_mapping_close(struct cdb *cdb)
{
	union {
		const void *read_only;
		void *memory;
	} mapping = {cdb->cdb_mem};
	munmap(mapping.memory, cdb->cdb_fsize);
}
