/*
 * Where a server of ours listens: "127.0.0.1:9821", "[::1]:9821" or
 * "unix:///path/to/socket".  Names are not looked up.
 */
#ifndef PGRIPPLE_CONFIG_LISTEN_ADDRESS_H
#define PGRIPPLE_CONFIG_LISTEN_ADDRESS_H

#include <stdbool.h>

#include <sys/socket.h>

#define LISTEN_OFF "off"

struct listen_address {
	struct sockaddr_storage socket;
	socklen_t length;
	bool is_loopback; /* 127.0.0.0/8, ::1 */
	/* Of a socket in the file system, borrowed from the text; else NULL. */
	const char *path;
};

/* False if it is none.  Port 0 is allowed: the system chooses. */
bool listen_address_parse(const char *text, struct listen_address *ret_address);
/* Host and port of an internet address; else the text stays. */
void listen_address_print(
    const struct sockaddr *socket, char *text, size_t size);

#endif
