/*
 * The stack of a process that crashes, on standard error: a line for each call, as file and offset
 * for addr2line(1).
 */
#ifndef GATEWAY_CRASH_TRACE_H
#define GATEWAY_CRASH_TRACE_H

/* Prints the stack of this process, worker WORKER, when it gets SIGSEGV, SIGBUS, SIGILL, SIGFPE or
 * SIGABRT, which then end it as before. A signal for which there is a handler already, a
 * sanitizer's, is left to that. Call it before system calls are restricted; what the handlers need
 * is write, rt_sigaction, and what abort() needs. */
void crash_trace_install(unsigned worker);

#endif
