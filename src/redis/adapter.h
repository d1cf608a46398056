/*
 * Lets hiredis wait on libevent, by the hooks that hiredis 0.14 and 1.x have
 * in common.
 */
#ifndef PGRIPPLE_REDIS_ADAPTER_H
#define PGRIPPLE_REDIS_ADAPTER_H

#include "base/util.h"

struct event_base;
struct redis_guard;
struct redisAsyncContext;

/* To be called before any callback is set.  hiredis frees what this makes,
 * before it closes the socket.  Reads only while the guard lets it; when it
 * does not any more the context is freed, and the disconnect callback called.
 * -1: NOMEM. */
int redis_adapter_attach(struct redisAsyncContext *ac, struct event_base *base,
    struct redis_guard *guard, struct pgripple_error *err) MUST_CHECK;

#endif
