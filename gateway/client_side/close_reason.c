/* The table of close reasons, looked up by number. */
#include "close_reason.h"

#include <assert.h>

#define CLOSE_TEXT(name, level, text) text,
static const char *const texts[] = {CLOSE_TABLE(CLOSE_TEXT)};

#define CLOSE_LEVEL(name, level, text) level,
static const enum close_level levels[] = {CLOSE_TABLE(CLOSE_LEVEL)};

const char *
close_reason_text(enum close_reason self)
{
	assert(self < CLOSE_REASON_COUNT);
	return texts[self];
}

enum close_level
close_reason_level(enum close_reason self)
{
	assert(self < CLOSE_REASON_COUNT);
	return levels[self];
}
