/*
 * Redis Sentinel: which server is the master now?
 *
 * https://redis.io/docs/latest/develop/reference/sentinel-clients/
 *
 * A sentinel that was cut off from the others still names the former master.
 * So all of them are asked, and those that have seen the latest failover (the
 * highest config epoch) are believed.  Whether what they name is a master is
 * for ROLE to tell.
 */
#ifndef PGRIPPLE_REDIS_SENTINEL_H
#define PGRIPPLE_REDIS_SENTINEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "redis/url.h"

struct redis_master {
	char host[256]; /* mostly an address */
	uint16_t port;
	int64_t epoch; /* rises with every failover */
};

struct redis_masters {
	/* Different ones, all of the highest epoch that anybody knows. */
	struct redis_master items[REDIS_MAX_SENTINELS];
	size_t n_items;
};

bool redis_master_equals(
    const struct redis_master *a, const struct redis_master *b);

/* Blocks: up to timeout_ms for each address of a sentinel that is silent.  May
 * run in a thread.  -1: PEER, NOMEM: of the last one. */
int redis_sentinel_ask(const struct redis_url *url, int64_t timeout_ms,
    struct redis_masters *ret_masters, struct pgripple_error *err) MUST_CHECK;

#endif
