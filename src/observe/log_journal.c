/*
 * The systemd journal as the place where the log goes.  The protocol is
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: an entry is a datagram.
 *
 * sd_journal_send() is not used, because it waits for a journald that is slow
 * or stopped.  The socket has no peer, but each datagram an address, so that a
 * journald that was started again is found.
 */
#include "observe/log_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
	bool is_open;
	int fd; /* -1: none yet */
	struct sockaddr_un address;
} journal = {.fd = -1, .address.sun_family = AF_UNIX};

/* systemd.exec(5): JOURNAL_STREAM has device and inode of what the service
 * manager has made standard error, which somebody may have redirected. */
static bool
is_stderr_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return text != NULL &&
	       sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void
log_journal_open(const char *path)
{
	journal.is_open = is_stderr_journal();
	(void)snprintf(journal.address.sun_path,
	    sizeof(journal.address.sun_path), "%s", path);
	if (journal.is_open && journal.fd < 0)
		journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	journal.is_open &= journal.fd >= 0;
}

bool
log_journal_is_open(void)
{
	return journal.is_open;
}

int
log_journal_send(const char *entry, size_t n)
{
	const struct sockaddr *address = (void *)&journal.address;

	while (sendto(journal.fd, entry, n, MSG_DONTWAIT | MSG_NOSIGNAL,
		   address, sizeof(journal.address)) < 0) {
		switch (errno) {
		case EINTR:
			continue;
		case EAGAIN:
		case ENOBUFS:
		case ENOMEM:
			return LOG_JOURNAL_FULL;
		case EMSGSIZE:
			return LOG_JOURNAL_TOO_LARGE;
		default:
			return LOG_JOURNAL_GONE;
		}
	}
	return 0;
}
