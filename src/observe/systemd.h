/*
 * The service manager: state, readiness and watchdog.  All of it does nothing
 * when the process was not started by systemd.  The only user of libsystemd.
 */
#ifndef PGRIPPLE_OBSERVE_SYSTEMD_H
#define PGRIPPLE_OBSERVE_SYSTEMD_H

#include <stdint.h>

#include "base/util.h"

/* READY=1 with the first status. */
void systemd_ready(const char *status);
/* STATUS=..., one line for "systemctl status", if it is another than before.
 * Neither this nor the watchdog waits for a manager that does not read. */
void systemd_status(const char *format, ...) PRINTF_LIKE(1, 2);
/* RELOADING=1; to be ended by systemd_ready(), reload accepted or not. */
void systemd_reloading(void);
/* STOPPING=1 with a status. */
void systemd_stopping(const char *status);
/* Half the watchdog's interval in microseconds, 0 if there is none. */
int64_t systemd_watchdog_us(void);
void systemd_watchdog(void);

#endif
