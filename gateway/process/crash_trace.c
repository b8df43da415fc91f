/*
 * A stack trace from a signal handler. The hard part is what may be called there: no malloc, no
 * stdio, nothing that opens a file. What backtrace(3) loads when it is first called is therefore
 * loaded at the start, and the lines are put together here. Offsets, not addresses, are printed:
 * they are what addr2line wants, and say nothing of where the program lies in memory.
 */
#include "crash_trace.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

enum { FRAMES_MAX = 48, LINE_BYTES = 256, STACK_BYTES = 64 * 1024 };

static unsigned worker_index;

struct line {
	char text[LINE_BYTES];
	size_t len;
};

static void
put_text(struct line *line, const char *text)
{
	while (*text != '\0' && line->len < sizeof line->text - 1)
		line->text[line->len++] = *text++;
}

static void
put_number(struct line *line, uintptr_t number, unsigned base)
{
	char digits[24];
	size_t at = sizeof digits - 1;

	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number != 0);
	put_text(line, digits + at);
}

static void
begin_line(struct line *line)
{
	line->len = 0;
	put_text(line, "mirrorgate: error: worker ");
	put_number(line, worker_index, 10);
}

static void
end_line(struct line *line)
{
	line->text[line->len++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line->text, line->len);
	(void)ignored;
}

static void
print_frame(const void *address, int depth)
{
	struct line line;
	Dl_info info;

	begin_line(&line);
	put_text(&line, ", call ");
	put_number(&line, (uintptr_t)depth, 10);
	put_text(&line, ": ");
	if (dladdr(address, &info) != 0 && info.dli_fname != NULL) {
		const char *slash = strrchr(info.dli_fname, '/');
		put_text(&line, slash != NULL ? slash + 1 : info.dli_fname);
		put_text(&line, " +0x");
		put_number(&line, (uintptr_t)address - (uintptr_t)info.dli_fbase, 16);
	} else {
		put_text(&line, "?");
	}
	end_line(&line);
}

/* The signal's usual effect is back (SA_RESETHAND), and follows when this returns. */
static void
on_fatal_signal(int number)
{
	int saved_depth;
	void *frames[FRAMES_MAX];
	struct line line;

	begin_line(&line);
	put_text(&line, " ends by signal ");
	put_number(&line, (uintptr_t)number, 10);
	put_text(&line, ", after these calls, the last one first:");
	end_line(&line);
	saved_depth = backtrace(frames, FRAMES_MAX);
	for (int i = 0; i < saved_depth; i++)
		print_frame(frames[i], i);
	(void)raise(number);
}

/* A stack that has overflown has no room for a handler. */
static void
give_stack(void)
{
	static char *memory;

	if (memory == NULL)
		memory = buffer_alloc(STACK_BYTES);
	const stack_t stack = {.ss_sp = memory, .ss_size = STACK_BYTES};
	(void)sigaltstack(&stack, NULL);
}

void
crash_trace_install(unsigned worker)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct sigaction action = {
	    .sa_handler = on_fatal_signal, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)};
	struct sigaction before;
	void *frame;

	worker_index = worker;
	(void)backtrace(&frame, 1);
	give_stack();
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		if (sigaction(fatal[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			(void)sigaction(fatal[i], &action, NULL);
}
