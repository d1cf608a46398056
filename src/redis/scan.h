/*
 * One slice of long work: looks at some of the keyspace and does something to
 * what matches.  The caller sets the pace.
 */
#ifndef PGRIPPLE_REDIS_SCAN_H
#define PGRIPPLE_REDIS_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "redis/apply.h"
#include "redis/connection.h"

/* A cursor is a decimal number of up to 20 digits. */
#define REDIS_CURSOR_TEXT 24

struct redis_scan {
	const char *cursor;
	const struct pgripple_operation *operation; /* SCAN */
	int64_t count; /* of keys to be looked at, about */
	int64_t tag_members;
};

struct redis_scan_result {
	/* Where to go on: the old one where a tag is not drained yet. */
	const char *next_cursor;
	bool is_last; /* all was seen */
	uint64_t n_found;
	uint64_t n_removed;
	const char *reason; /* why a key was refused for good; NULL: none was */
	size_t n_refused;
};

/* The result is NULL unless DONE.  Found keys may come twice: Redis promises at
 * least once.  LOST and REFUSED: repeat the step with its old cursor; but after
 * on_down the server may be another one or have been restarted, where old
 * cursors skip keys: begin with "0". */
typedef void (*redis_scan_cb)(void *context, enum redis_apply_outcome outcome,
    const struct redis_scan_result *result, const struct pgripple_error *err);

/* SCAN cursor MATCH pattern COUNT count, then what the operation says to each
 * key that it found.  All is copied.  An accepted call (0) completes exactly
 * once, and not from inside.  -1: PEER when not up, BUG for a malformed cursor,
 * LIMIT, NOMEM. */
int redis_scan_step(struct redis_connection *conn,
    const struct redis_scan *wanted, redis_scan_cb callback, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
