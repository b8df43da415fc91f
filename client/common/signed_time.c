/* The latest signing time, as one global: a check that had to be handed it could go without. The
 * hard part is in the header: when not to believe it. */
#include "signed_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/value.h"
#include "file.h"
#include "report.h"
#include "seen.h"

#define TIME_NAME ".time" /* no product is called that */

enum { TEXT_MAX = 32, DAY_SIZE = 32, MINUTE_SIZE = 32 };

static time_t latest, on_disk;

time_t
signed_time_later(time_t floor, time_t wall, time_t signed_at)
{
	time_t now = wall > floor ? wall : floor;

	return signed_at > floor && signed_at - SIGNED_TIME_AHEAD <= now ? signed_at : floor;
}

time_t
signed_time_now(void)
{
	time_t wall = time(NULL);

	return wall > latest ? wall : latest;
}

void
signed_time_see(time_t signed_at)
{
	latest = signed_time_later(latest, time(NULL), signed_at);
}

static void
print_minute(time_t when, char text[MINUTE_SIZE])
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(text, MINUTE_SIZE, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		memcpy(text, "a far day", sizeof "a far day");
}

bool
signed_time_blame(struct failure *failure)
{
	const struct failure first = *failure;
	const int room = FAILURE_TEXT_MAX - 200;
	char now[MINUTE_SIZE], seen[MINUTE_SIZE];
	time_t wall = time(NULL);

	print_minute(wall, now);
	print_minute(latest, seen);
	if (latest - SIGNED_TIME_AHEAD > wall)
		failure_set(failure, first.kind,
		    "%.*s; the clock of this machine says %s, and something was signed on %s: set "
		    "the clock",
		    room, first.text, now, seen);
	else
		failure_set(failure, first.kind,
		    "%.*s; if this machine's clock, which says %s, is wrong, that is the cause",
		    room, first.text, now);
	failure->passes = first.passes;
	return false;
}

/* ---- the cache's memory ------------------------------------------------------------------- */

static char *
name_in(const char *cache)
{
	return buffer_text("%s/" SEEN_FOLDER "/" TIME_NAME, cache);
}

/* Sets *WHEN to what the file NAME holds; 0 when there is none. */
static bool
read_time(const char *name, time_t *when, struct failure *failure)
{
	struct buffer text = {0};
	uint64_t seconds = 0;

	*when = 0;
	if (access(name, F_OK) != 0 && errno == ENOENT)
		return true;
	bool done = file_read(name, TEXT_MAX, &text, failure);
	if (done) {
		char *line = buffer_copy(
		    buffer_size(&text) > 0 ? buffer_bytes(&text) : "", buffer_size(&text));
		line[strcspn(line, "\n")] = '\0';
		done = value_number(line, INT64_MAX, &seconds) ||
		       failure_set(
		           failure, FAILURE_LOCAL, "%s is damaged: remove it, and try again", name);
		free(line);
	}
	*when = (time_t)seconds;
	buffer_fini(&text);
	return done;
}

static void
print_day(time_t when, char day[DAY_SIZE])
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(day, DAY_SIZE, "%Y-%m-%d", &tm) == 0)
		memcpy(day, "a far day", sizeof "a far day");
}

bool
signed_time_use(const char *cache, struct failure *failure)
{
	char *name = name_in(cache), today[DAY_SIZE], day[DAY_SIZE];
	time_t wall = time(NULL);
	bool done = read_time(name, &on_disk, failure);

	latest = on_disk;
	/* It was not so far ahead when it was believed. */
	if (done && latest - SIGNED_TIME_AHEAD > wall) {
		print_day(wall, today);
		print_day(latest, day);
		report_note("warning: the clock says %s, and something was signed on %s, which "
		            "counts for all that expires: set the clock, or remove %s if it is "
		            "right",
		    today, day, name);
	}
	free(name);
	return done;
}

void
signed_time_save(const char *cache)
{
	char *name = name_in(cache);
	struct failure failure = {0};
	struct buffer text = {0};
	time_t there = 0;

	int lock = latest > on_disk ? seen_lock(cache, &failure) : -1;
	if (lock >= 0) {
		buffer_printf(&text, "%" PRIdMAX "\n", (intmax_t)latest);
		/* Another process may have seen a later one; what is damaged is told of by the next
		 * run. */
		bool done = read_time(name, &there, &failure) &&
		            (there >= latest || file_write(name, &text, &failure));
		if (done)
			on_disk = latest;
		close(lock);
	}
	if (latest > on_disk)
		report_note("warning: the time of the latest signature is not remembered: %s",
		    failure.text);
	buffer_fini(&text);
	free(name);
}
