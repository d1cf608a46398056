/*
 * Where the server of a Redis URL is: its socket, the addresses of its name, or
 * those of the master that its sentinels name.
 *
 * Name servers and sentinels are asked in a thread; nothing here blocks.
 */
#ifndef PGRIPPLE_REDIS_LOCATE_H
#define PGRIPPLE_REDIS_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "redis/url.h"

struct event_base;
struct redis_locate;

struct redis_place {
	bool is_unix;
	const char *address; /* numeric; or the path of a socket */
	uint16_t port;
};

/* "127.0.0.1:6379", "[::1]:6379", "/run/redis.sock": for people. */
#define REDIS_PLACE_TEXT 128
void redis_place_print(
    const struct redis_place *place, char *buffer, size_t size);

struct redis_locate_options {
	const struct redis_url *url; /* must live as long */
	const char *target; /* for the log; likewise */
	int64_t timeout_ms; /* for each sentinel that is silent */
	int64_t interval_ms; /* of looking whether the master has moved */
};

struct redis_locate_listener {
	void *context;
	/* Exactly one is not NULL.  May come before redis_locate_next()
	 * returns. */
	void (*on_place)(void *context, const struct redis_place *place,
	    const struct pgripple_error *err);
	/* While watching: the sentinels name another master. */
	void (*on_moved)(void *context, const struct pgripple_error *why);
};

/* -1: NOMEM. */
int redis_locate_new(struct event_base *base,
    const struct redis_locate_options *options,
    const struct redis_locate_listener *listener,
    struct redis_locate **ret_locate, struct pgripple_error *err) MUST_CHECK;
void redis_locate_free(struct redis_locate *locate);

/* The next address; after the last one everybody is asked anew. */
void redis_locate_next(struct redis_locate *locate);
/* Whether there is one more before that. */
bool redis_locate_has_more(const struct redis_locate *locate);
/* The place was good: the next one is asked for anew.  With sentinels, they are
 * asked now and then whether the master is still the same. */
void redis_locate_settle(struct redis_locate *locate);
/* Ends what is under way; no callback follows.  Nothing happens if it is
 * NULL. */
void redis_locate_cancel(struct redis_locate *locate);

#endif
