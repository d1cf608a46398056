/*
 * The options of a socket.
 */
#include "redis/socket.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3

static void
set_option(int fd, int level, int name, int value)
{
	/* A socket that lacks it (a Unix one) works as well. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void
redis_socket_tune(int fd, int64_t timeout_ms)
{
	int timeout = timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout);
}
