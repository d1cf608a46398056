/*
 * Addresses to listen at.
 */
#include "config/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/unit.h"
#include "base/util.h"

#define UNIX_SCHEME "unix://"

static bool
parse_unix(const char *path, struct listen_address *address)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address->socket;
	size_t length = strlen(path);

	if (*path != '/' || length >= sizeof(un->sun_path))
		return false;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, length + 1);
	address->path = path;
	address->length = sizeof(*un);
	return true;
}

static bool
parse_port(const char *text, in_port_t *ret_port)
{
	int64_t port;

	if (strlen(text) > 5 || !unit_parse_count(text, &port) || port > 65535)
		return false;
	*ret_port = htons((uint16_t)port);
	return true;
}

static bool
parse_v4(const char *host, in_port_t port, struct listen_address *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->socket;

	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return false;
	in->sin_family = AF_INET;
	in->sin_port = port;
	address->is_loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
	address->length = sizeof(*in);
	return true;
}

static bool
parse_v6(const char *host, in_port_t port, struct listen_address *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->socket;

	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	address->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	address->length = sizeof(*in6);
	return true;
}

bool
listen_address_parse(const char *text, struct listen_address *ret_address)
{
	struct listen_address address = {0};
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	in_port_t port;
	size_t n;
	bool is_valid;

	if (strncmp(text, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0) {
		is_valid = parse_unix(text + strlen(UNIX_SCHEME), &address);
	} else {
		n = colon == NULL ? 0 : (size_t)(colon - text);
		if (n == 0 || n >= sizeof(host) ||
		    !parse_port(colon + 1, &port))
			return false;
		memcpy(host, text, n);
		host[n] = '\0';
		if (host[0] == '[' && host[n - 1] == ']') {
			host[n - 1] = '\0';
			is_valid = parse_v6(host + 1, port, &address);
		} else {
			is_valid = parse_v4(host, port, &address);
		}
	}
	if (is_valid)
		*ret_address = address;
	return is_valid;
}

void
listen_address_print(const struct sockaddr *socket, char *text, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)socket;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)socket;
	char host[INET6_ADDRSTRLEN] = "";

	if (socket->sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		(void)snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
	} else if (socket->sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		(void)snprintf(
		    text, size, "[%s]:%d", host, ntohs(in6->sin6_port));
	}
}
