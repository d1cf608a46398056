/*
 * The addresses of a host, and the options of a socket that leads to one.
 */
#ifndef PGRIPPLE_REDIS_ADDRESS_H
#define PGRIPPLE_REDIS_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define REDIS_MAX_ADDRESSES 16
#define REDIS_ADDRESS_TEXT 64 /* IPv6 with a scope */

struct redis_addresses {
	size_t n_ips;
	char ips[REDIS_MAX_ADDRESSES][REDIS_ADDRESS_TEXT]; /* numeric */
};

/* Blocks while the resolver thinks.  -1: PEER. */
int redis_resolve(const char *host, struct redis_addresses *ret_addresses,
    struct pgripple_error *err) MUST_CHECK;

/* FD_CLOEXEC, and for TCP: keepalive, no delay, and an end of the connection
 * when sent bytes are not acknowledged for timeout_ms.  What a socket does not
 * know is left out: our own deadlines find the same faults, only later. */
void redis_socket_tune(int fd, int64_t timeout_ms);

#endif
