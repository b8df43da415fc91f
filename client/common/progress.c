/*
 * Progress. The one hard part is none: the bar is one line that is never wider than the terminal,
 * and report.c takes it away before it prints anything else.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "report.h"

enum {
	BAR_MS = 200,        /* between two bars */
	LINE_MS = 10 * 1000, /* between two plain lines */
	BAR_CELLS = 20,
	LINE_MAX_BYTES = 256,
};

struct progress {
	const char *what;
	size_t files, files_done;
	uint64_t bytes, bytes_done;
	uint64_t arrived;     /* bytes that came since the beginning, never taken back */
	int64_t begun, shown; /* milliseconds */
};

struct progress *
progress_new(const char *what, size_t files, uint64_t bytes)
{
	struct progress *self = buffer_alloc(sizeof *self);
	int64_t now = clock_ms();

	*self = (struct progress){
	    .what = what, .files = files, .bytes = bytes, .begun = now, .shown = now};
	return self;
}

void
progress_add(struct progress *self, int64_t bytes)
{
	self->bytes_done += (uint64_t)bytes;
	if (bytes > 0)
		self->arrived += (uint64_t)bytes;
}

void
progress_file_done(struct progress *self)
{
	self->files_done++;
}

void
progress_print_size(uint64_t bytes, char text[PROGRESS_SIZE_MAX])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(text, PROGRESS_SIZE_MAX, "%" PRIu64 " B", bytes);
		return;
	}
	for (; value >= 1024 && unit < 5; unit++)
		value /= 1024;
	snprintf(text, PROGRESS_SIZE_MAX, "%.1f %s", value, units[unit]);
}

static unsigned
percent(const struct progress *self)
{
	return self->bytes == 0 ? 100
	                        : (unsigned)((double)self->bytes_done * 100 / (double)self->bytes);
}

/* "45 %, 12.3 MiB of 27.1 MiB, 3 of 8 files, 3.1 MiB/s" */
static void
print_figures(const struct progress *self, int64_t now, char *text, size_t size)
{
	char done[PROGRESS_SIZE_MAX], all[PROGRESS_SIZE_MAX], rate[PROGRESS_SIZE_MAX];
	uint64_t elapsed = (uint64_t)(now - self->begun) + 1;

	progress_print_size(self->bytes_done, done);
	progress_print_size(self->bytes, all);
	progress_print_size(self->arrived * 1000 / elapsed, rate);
	snprintf(text, size, "%u %%, %s of %s, %zu of %zu files, %s/s", percent(self), done, all,
	    self->files_done, self->files, rate);
}

static void
show_bar(const struct progress *self, int64_t now)
{
	char bar[BAR_CELLS + 1], figures[LINE_MAX_BYTES];
	size_t full = percent(self) * BAR_CELLS / 100;

	memset(bar, ' ', BAR_CELLS);
	memset(bar, '#', full < BAR_CELLS ? full : BAR_CELLS);
	bar[BAR_CELLS] = '\0';
	print_figures(self, now, figures, sizeof figures);
	report_status("%s [%s] %s", self->what, bar, figures);
}

void
progress_tick(struct progress *self)
{
	char figures[LINE_MAX_BYTES];
	int64_t now = clock_ms();

	if (report_has_status()) {
		if (now - self->shown < BAR_MS)
			return;
		show_bar(self, now);
	} else {
		if (now - self->shown < LINE_MS)
			return;
		print_figures(self, now, figures, sizeof figures);
		report_note("%s: %s", self->what, figures);
	}
	self->shown = now;
}

void
progress_free(struct progress *self)
{
	if (self == NULL)
		return;
	report_clear_status();
	free(self);
}
