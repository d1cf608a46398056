/*
 * TLS to Redis: the server must have a certificate for the host of the URL, of
 * an authority that is trusted.
 *
 * It needs hiredis_ssl, which hiredis has from 1.0 on; PGRIPPLE_REDIS_TLS says
 * whether it was there.  Without it no URL with TLS is taken.
 */
#ifndef PGRIPPLE_REDIS_TLS_H
#define PGRIPPLE_REDIS_TLS_H

#include "base/util.h"
#include "redis/url.h"

struct redisContext;

/* To be called when the socket is there, and before anything is sent.  Files
 * are read anew each time: a certificate that was exchanged is used from the
 * next connection on.  -1: PEER, NOMEM. */
int redis_tls_start(const struct redis_url *url, struct redisContext *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
