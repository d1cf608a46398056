/*
 * A blocking connection to Redis for the command line, verified by the same
 * rules as the daemon's.
 */
#ifndef PGRIPPLE_REDIS_BLOCKING_H
#define PGRIPPLE_REDIS_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "redis/verify.h"

struct redis_blocking;

/* timeout_ms bounds every connect() and every reply.  -1: CONFIG when the URL
 * is bad or the server is there but cannot be used (wrong password, a replica,
 * a cluster, too old), PEER when it cannot be reached, NOMEM. */
int redis_blocking_open(const char *url, int64_t timeout_ms,
    struct redis_blocking **ret_blocking,
    struct pgripple_error *err) MUST_CHECK;
void redis_blocking_close(struct redis_blocking *blocking);

const char *redis_blocking_describe(const struct redis_blocking *blocking);
const struct redis_server *redis_blocking_server(
    const struct redis_blocking *blocking);

/* -1: PEER.  Once the connection broke every further call fails. */
int redis_blocking_set(struct redis_blocking *blocking, const char *key,
    const char *value, int64_t ttl_ms, struct pgripple_error *err) MUST_CHECK;
int redis_blocking_exists(struct redis_blocking *blocking, const char *key,
    bool *ret_exists, struct pgripple_error *err) MUST_CHECK;
int redis_blocking_count_keys(struct redis_blocking *blocking, int64_t *ret_n,
    struct pgripple_error *err) MUST_CHECK;
/* Calls back for each set whose key matches the pattern (by SCAN: it may come
 * twice), and for each member of a set.  Texts are lent; one with a NUL is cut
 * there. */
typedef void (*redis_blocking_text_cb)(void *context, const char *text);
int redis_blocking_scan(struct redis_blocking *blocking, const char *pattern,
    redis_blocking_text_cb callback, void *context,
    struct pgripple_error *err) MUST_CHECK;
int redis_blocking_members(struct redis_blocking *blocking, const char *key,
    redis_blocking_text_cb callback, void *context,
    struct pgripple_error *err) MUST_CHECK;
int redis_blocking_unlink(struct redis_blocking *blocking, const char *key,
    struct pgripple_error *err) MUST_CHECK;

#endif
