/* Handshakes by version, group and whether they were resumed. What a list does not have is counted
 * as "other", so that a new OpenSSL cannot make series without end. */
#include "handshake_cell.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"

/* The gate's own (crypto/tls_groups.h), by their names in RFC 8446. */
static const char *const groups[METRICS_GROUPS] = {
    "none", "X25519MLKEM768", "x25519", "secp256r1", "x448", "secp384r1", "secp521r1", "other"};

enum { NO_GROUP = 0, OTHER_GROUP = METRICS_GROUPS - 1 };

static unsigned
group_number(const char *group)
{
	unsigned i = NO_GROUP + 1;

	if (group == NULL)
		return NO_GROUP;
	while (i < OTHER_GROUP && strcasecmp(group, groups[i]) != 0)
		i++;
	return i;
}

unsigned
handshake_cell_of(const char *version, const char *group, bool resumed)
{
	unsigned is_12 = strcmp(version, "TLSv1.2") == 0;

	return ((is_12 * 2) + resumed) * METRICS_GROUPS + group_number(group);
}

void
handshake_cell_print(unsigned cell, char text[HANDSHAKE_CELL_TEXT])
{
	unsigned rest = cell / METRICS_GROUPS;

	assert(cell < METRICS_HANDSHAKES);
	(void)snprintf(text, HANDSHAKE_CELL_TEXT, "version=\"%s\",group=\"%s\",resumed=\"%s\"",
	    rest / 2 == 1 ? "TLSv1.2" : "TLSv1.3", groups[cell % METRICS_GROUPS],
	    rest % 2 == 1 ? "true" : "false");
}
