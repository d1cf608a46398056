/*
 * The service manager: state, readiness and watchdog.
 *
 * The protocol is sd_notify(3).  Its failures are not looked at: without the
 * manager's socket there is nobody to tell, and with it nothing could be done.
 */
#include "observe/systemd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define MAX_STATUS 400 /* bytes */

/* A status is one line: a newline in it would begin another assignment. */
static void
flatten(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20)
			*text = ' ';
}

static void
notify(const char *what, const char *status)
{
	char text[MAX_STATUS];

	(void)snprintf(text, sizeof(text), "%s", status);
	flatten(text);
	(void)sd_notifyf(0, "%s\nSTATUS=%s", what, text);
}

void
systemd_ready(const char *status)
{
	notify("READY=1", status);
}

void
systemd_status(const char *format, ...)
{
	char text[MAX_STATUS];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	flatten(text);
	(void)sd_notifyf(0, "STATUS=%s", text);
}

void
systemd_reloading(void)
{
	(void)sd_notifyf(
	    0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_us());
}

void
systemd_stopping(const char *status)
{
	notify("STOPPING=1", status);
}

int64_t
systemd_watchdog_us(void)
{
	uint64_t interval_us;

	if (sd_watchdog_enabled(0, &interval_us) <= 0)
		return 0;
	return (int64_t)(interval_us / 2);
}

void
systemd_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}
