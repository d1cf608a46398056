/*
 * The options of a socket that leads to Redis.
 */
#ifndef PGRIPPLE_REDIS_SOCKET_H
#define PGRIPPLE_REDIS_SOCKET_H

#include <stdint.h>

/* FD_CLOEXEC, and for TCP: keepalive, no delay, and an end of the connection
 * when sent bytes are not acknowledged for timeout_ms.  What a socket does not
 * know is left out: our own deadlines find the same faults, only later. */
void redis_socket_tune(int fd, int64_t timeout_ms);

#endif
