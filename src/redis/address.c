/*
 * The addresses of a host, and the options of a socket.
 */
#include "redis/address.h"

#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3

int
redis_resolve(const char *host, struct redis_addresses *ret_addresses,
    struct pgripple_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct redis_addresses found = {0};
	struct addrinfo *list;
	int status;

	status = getaddrinfo(host, NULL, &hints, &list);
	if (status != 0)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "could not resolve host \"%s\" of redis: %s", host,
		    gai_strerror(status));
	for (const struct addrinfo *each = list;
	     each != NULL && found.n_ips < REDIS_MAX_ADDRESSES;
	     each = each->ai_next)
		if (getnameinfo(each->ai_addr, each->ai_addrlen,
			found.ips[found.n_ips], REDIS_ADDRESS_TEXT, NULL, 0,
			NI_NUMERICHOST) == 0)
			found.n_ips++;
	freeaddrinfo(list);
	if (found.n_ips == 0)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "could not resolve host \"%s\" of redis: no address", host);
	*ret_addresses = found;
	return 0;
}

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
