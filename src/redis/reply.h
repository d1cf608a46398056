/*
 * Replies of Redis, seen from outside this folder: what hiredis parsed,
 * without its types.  A reply and all it points to are lent for a callback.
 */
#ifndef PGRIPPLE_REDIS_REPLY_H
#define PGRIPPLE_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum redis_reply_kind {
	REDIS_REPLY_KIND_TEXT, /* a string or a status */
	REDIS_REPLY_KIND_INTEGER,
	REDIS_REPLY_KIND_NIL,
	REDIS_REPLY_KIND_ARRAY,
	REDIS_REPLY_KIND_ERROR,
	REDIS_REPLY_KIND_OTHER, /* what RESP2 does not know */
};

const char *redis_reply_kind_name(enum redis_reply_kind kind);

struct redis_reply {
	enum redis_reply_kind kind;
	int64_t integer;
	const char *text; /* TEXT, ERROR: bytes, terminated; else "" */
	size_t length;
	size_t n_items; /* ARRAY; see redis_reply_item() */
	const void *raw;
};

/* One item of an array; index < n_items. */
struct redis_reply redis_reply_item(
    const struct redis_reply *reply, size_t index);
bool redis_reply_equals(const struct redis_reply *reply, const char *text);

/* The value of a line "name:value" of INFO, cut to fit; "" if there is none. */
void redis_info_field(
    const char *info, const char *name, char *buffer, size_t size);

struct redisReply;
struct redis_reply redis_reply_from(const struct redisReply *raw);

/* Why a server said no, which decides what to do (docs/operations.md). */
enum redis_refusal {
	REDIS_REFUSAL_KEY, /* WRONGTYPE, ...: for this key, and for good */
	REDIS_REFUSAL_SCRIPT, /* NOSCRIPT: send its text */
	REDIS_REFUSAL_ROLE, /* no master: drop the connection, look again */
	REDIS_REFUSAL_PASSING, /* LOADING, BUSY, ...: do again later */
	REDIS_REFUSAL_SICK, /* MISCONF, OOM, ...: somebody must mend it */
	REDIS_REFUSAL_DENIED, /* NOAUTH, NOPERM, ...: the operator's */
	REDIS_REFUSAL_CLUSTER, /* MOVED, ...: clusters are not supported */
	REDIS_REFUSAL_OTHER, /* do again later */
};

const char *redis_refusal_name(enum redis_refusal refusal);

/* Judges an error reply by its text. */
enum redis_refusal redis_refusal_of(const char *text);

/* Fills *err with what an unfit reply (an error, or one of a wrong kind) says
 * of a command, and a hint where one helps; returns -1. */
int redis_reply_refuse(const struct redis_reply *reply, const char *server,
    const char *command, struct pgripple_error *err);

#endif
