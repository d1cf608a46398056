/*
 * One slice of long work: looks at some of the keyspace and unlinks what
 * matches.  The caller sets the pace.
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

/* Where to go on; "0": finished, and NULL unless DONE.  Found keys may come
 * twice: Redis promises at least once.  LOST and REFUSED: repeat the step with
 * its old cursor; but after on_down the server may be another one or have been
 * restarted, where old cursors skip keys: begin with "0". */
typedef void (*redis_scan_cb)(void *context, enum redis_apply_outcome outcome,
    const char *next_cursor, uint64_t n_found, uint64_t n_removed,
    const struct pgripple_error *err);

/* SCAN cursor MATCH pattern COUNT count, then UNLINK of all that it found.
 * Cursor and pattern are copied.  An accepted call (0) completes exactly once,
 * and not from inside.  -1: PEER when not up, BUG for a malformed cursor,
 * LIMIT, NOMEM. */
int redis_scan_step(struct redis_connection *connection, const char *cursor,
    const char *pattern, size_t pattern_length, int64_t count,
    redis_scan_cb callback, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
