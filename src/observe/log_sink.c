/*
 * Standard error, without ever waiting for its reader.
 *
 * O_NONBLOCK belongs to the open file description, which the shell and other
 * processes share, so it is not set on descriptor 2.  Instead:
 *
 *   socket (journald)  send() with MSG_DONTWAIT
 *   pipe, terminal     a description of our own, opened through /proc; where
 *                      that is refused, poll() before pieces of PIPE_BUF bytes,
 *                      which a pipe that is writable always takes
 *   anything else      a plain write(): a file does not make one wait
 *
 * A pipe may take the beginning of a line that is longer than PIPE_BUF; its
 * rest gets a tenth of a second.  If that is not enough, the next line starts
 * with a newline, so that the broken one spoils no other.
 */
#include "observe/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define REST_MS 100

enum sink_kind {
	SINK_PLAIN,
	SINK_SOCKET,
	SINK_OWN, /* a description of our own, with O_NONBLOCK */
	SINK_POLLED,
};

static struct {
	enum sink_kind kind;
	int fd;
	bool broken; /* the last line has no newline */
} sink = {SINK_PLAIN, STDERR_FILENO, false};

void
log_sink_open(void)
{
	struct stat status;

	if (sink.kind == SINK_OWN)
		(void)close(sink.fd); /* nothing is buffered in it */
	sink.kind = SINK_PLAIN;
	sink.fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &status) != 0)
		return;
	if (S_ISSOCK(status.st_mode)) {
		sink.kind = SINK_SOCKET;
	} else if (S_ISFIFO(status.st_mode) || isatty(STDERR_FILENO)) {
		int fd = open("/proc/self/fd/2",
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		sink.kind = fd < 0 ? SINK_POLLED : SINK_OWN;
		sink.fd = fd < 0 ? STDERR_FILENO : fd;
	}
}

static bool
is_writable(int timeout_ms)
{
	struct pollfd entry = {.fd = sink.fd, .events = POLLOUT};

	return poll(&entry, 1, timeout_ms) == 1 &&
	       (entry.revents & POLLOUT) != 0;
}

/* Like write(), but fails with EAGAIN where that would wait. */
static ssize_t
put(const char *bytes, size_t n)
{
	if (sink.kind == SINK_SOCKET)
		return send(sink.fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.kind == SINK_POLLED) {
		if (!is_writable(0)) {
			errno = EAGAIN;
			return -1;
		}
		if (n > PIPE_BUF)
			n = PIPE_BUF;
	}
	return write(sink.fd, bytes, n);
}

/* How much of the bytes was written. */
static size_t
put_all(const char *bytes, size_t n)
{
	int64_t deadline_us = 0;
	size_t done = 0;

	while (done < n) {
		ssize_t result = put(bytes + done, n - done);

		if (result >= 0) {
			done += (size_t)result;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || done == 0)
			break;
		if (deadline_us == 0)
			deadline_us =
			    clock_monotonic_us() + (int64_t)REST_MS * 1000;
		else if (clock_monotonic_us() >= deadline_us)
			break;
		(void)is_writable(REST_MS / 10); /* put() finds out */
	}
	return done;
}

bool
log_sink_write(const char *line, size_t n)
{
	size_t done;

	if (sink.broken) {
		if (put_all("\n", 1) != 1)
			return false;
		sink.broken = false;
	}
	done = put_all(line, n);
	sink.broken = done > 0 && done < n;
	return done == n;
}
