/*
 * Telling systemd how the service is (sd_notify(3)): READY=1, RELOADING=1, STOPPING=1. Nothing
 * happens when NOTIFY_SOCKET is not set.
 */
#ifndef GATEWAY_NOTIFY_H
#define GATEWAY_NOTIFY_H

void notify_ready(void);
void notify_reloading(void); /* with MONOTONIC_USEC, as Type=notify-reload wants */
void notify_stopping(void);

#endif
