/*
 * The service manager: state, readiness and watchdog.
 *
 * The protocol is sd_notify(3), which waits for a manager that does not read.
 * So do readiness, reloading and stopping, for which the manager itself waits;
 * nothing else may hold the loop up.  Failures are not looked at: without the
 * manager's socket there is nobody to tell, and with it nothing could be done.
 */
#include "observe/systemd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_STATUS 400 /* bytes */

static char shown[MAX_STATUS]; /* the status that the manager was told last */

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
	memcpy(shown, text, sizeof(shown));
}

/* A path, or a name that begins with "@" instead of a byte of zero. */
static bool
find_manager(struct sockaddr_un *address, socklen_t *ret_length)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path == NULL ? 0 : strlen(path);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (length < 2 || length >= sizeof(address->sun_path) ||
	    (*path != '/' && *path != '@'))
		return false;
	memcpy(address->sun_path, path, length);
	if (*path == '@')
		address->sun_path[0] = '\0';
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				  length + (*path == '/'));
	return true;
}

/* Without waiting: false if it was not taken. */
static bool
tell(const char *text)
{
	struct sockaddr_un address;
	socklen_t length;
	ssize_t sent;
	int fd;

	if (!find_manager(&address, &length))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	sent = sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
	    (const struct sockaddr *)&address, length);
	(void)close(fd); /* what was sent is sent */
	return sent >= 0;
}

void
systemd_ready(const char *status)
{
	notify("READY=1", status);
}

void
systemd_status(const char *format, ...)
{
	static const char name[] = "STATUS=";
	char text[sizeof(name) - 1 + MAX_STATUS];
	char *status = text + sizeof(name) - 1;
	va_list args;

	memcpy(text, name, sizeof(name));
	va_start(args, format);
	(void)vsnprintf(status, MAX_STATUS, format, args);
	va_end(args);
	flatten(status);
	if (strcmp(status, shown) == 0)
		return;
	shown[0] = '\0'; /* what is not taken is told the next time */
	if (tell(text))
		memcpy(shown, status, sizeof(shown));
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
	(void)tell("WATCHDOG=1"); /* the next one comes within its interval */
}
