/*
 * What hiredis may take from a server: as many replies as there are commands
 * under way, none larger than a limit.
 *
 * Without it hiredis 0.14 ends the process on a reply that nobody asked for,
 * later versions do so in some states, and all of them buffer whatever a
 * server announces.
 */
#ifndef PGRIPPLE_REDIS_GUARD_H
#define PGRIPPLE_REDIS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisAsyncContext;
struct redisReplyObjectFunctions;

struct redis_guard {
	const struct redisReplyObjectFunctions *inner; /* of hiredis */
	size_t max_bytes;
	size_t n_bytes; /* that the objects of the present reply take */
	uint64_t n_owed; /* replies that have not begun */
	const char *fault; /* what the server did; NULL: nothing */
};

/* Before anything was sent; the guard must live as long as replies come. */
void redis_guard_attach(
    struct redis_guard *guard, size_t max_bytes, struct redisAsyncContext *ac);

/* For each command that hiredis has accepted. */
void redis_guard_expect(struct redis_guard *guard);

/* To be asked before more is read.  False: a reply is too large, and fault
 * says so.  (Replies that nobody asked for make hiredis drop the connection:
 * then fault is set, too.) */
bool redis_guard_may_read(
    struct redis_guard *guard, const struct redisAsyncContext *ac);

#endif
