/*
 * Telling systemd how the service is (sd_notify(3)): READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1,
 * MAINPID.
 * Nothing happens when NOTIFY_SOCKET is not set.
 */
#ifndef GATEWAY_NOTIFY_H
#define GATEWAY_NOTIFY_H

#include <sys/types.h>

void notify_ready(void);
void notify_reloading(void); /* with MONOTONIC_USEC, as Type=notify-reload wants */
void notify_stopping(void);
void notify_main_process(pid_t pid); /* it is the service's main process from now on */
void notify_alive(void);             /* for the watchdog */

/* Seconds between two calls of notify_alive(), half of what the service manager waits for one
 * (WATCHDOG_USEC, sd_watchdog_enabled(3)); 0: it waits for none from this process. */
double notify_watchdog_interval(void);

#endif
