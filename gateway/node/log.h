/*
 * Operational messages: one line each on standard error, "mirrorgate: LEVEL: MESSAGE".
 *
 * A message says what was being done ("... while connecting to store 127.0.0.1:8080"). Control
 * characters in it are replaced by "?", so that no peer can forge a line. Never log a secret.
 */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Messages above LEVEL are dropped; info until set. */
void log_set_level(enum log_level level);
/* For a process that serves nobody and may have thousands of lines to say: waits so long for a
 * reader of standard error that falls behind, until one has kept it waiting in vain. 0, as at the
 * start: never waits. */
void log_set_patience(int milliseconds);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
