/*
 * One slice of long work.  The keys that SCAN found are copied, because a
 * reply is only lent, and go the way of every other plan: see apply.c.
 */
#include "redis/scan.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

struct scan {
	struct arena *arena; /* holds this too */
	struct redis_connection *conn;
	char next_cursor[REDIS_CURSOR_TEXT];
	struct pgripple_operation *operations;
	size_t n_found;
	redis_scan_cb callback;
	void *context;
};

static bool
is_cursor(const char *text, size_t length)
{
	return length > 0 && length <= 20 &&
	       strspn(text, "0123456789") == length && text[length] == '\0';
}

static void
finish(struct scan *scan, enum redis_apply_outcome outcome, uint64_t n_removed,
    const struct pgripple_error *err)
{
	scan->callback(scan->context, outcome,
	    outcome == REDIS_APPLY_DONE ? scan->next_cursor : NULL,
	    scan->n_found, n_removed, err);
	arena_free(scan->arena);
}

static void
on_applied(void *context, enum redis_apply_outcome outcome, uint64_t n_removed,
    const struct pgripple_error *err)
{
	finish(context, outcome, n_removed, err);
}

static int
copy_keys(struct scan *scan, const struct redis_reply *keys,
    struct pgripple_error *err)
{
	size_t n = keys->n_items;

	scan->operations =
	    arena_array(scan->arena, n, sizeof(*scan->operations));
	if (scan->operations == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < n; i++) {
		struct redis_reply key = redis_reply_item(keys, i);
		const char *copy =
		    arena_copy(scan->arena, key.text, key.length);

		if (copy == NULL)
			return pgripple_error_nomem(err);
		scan->operations[i] = (struct pgripple_operation){
		    PGRIPPLE_OPERATION_UNLINK, copy, key.length};
	}
	scan->n_found = n;
	return 0;
}

/* https://redis.io/commands/scan: [next cursor, [key, ...]]; false and *keys
 * untouched if it is not that. */
static bool
split_page(struct scan *scan, const struct redis_reply *page,
    struct redis_reply *ret_keys)
{
	struct redis_reply cursor, keys;

	if (page->n_items != 2)
		return false;
	cursor = redis_reply_item(page, 0);
	keys = redis_reply_item(page, 1);
	if (cursor.kind != REDIS_REPLY_KIND_TEXT ||
	    !is_cursor(cursor.text, cursor.length) ||
	    keys.kind != REDIS_REPLY_KIND_ARRAY)
		return false;
	for (size_t i = 0; i < keys.n_items; i++)
		if (redis_reply_item(&keys, i).kind != REDIS_REPLY_KIND_TEXT)
			return false;
	memcpy(scan->next_cursor, cursor.text, cursor.length + 1);
	*ret_keys = keys;
	return true;
}

static int
unlink_keys(struct scan *scan, const struct redis_reply *keys,
    struct pgripple_error *err)
{
	char nonce[40];

	if (copy_keys(scan, keys, err) < 0)
		return -1;
	(void)snprintf(
	    nonce, sizeof(nonce), "scan-%lld", (long long)clock_monotonic_us());
	return redis_apply(scan->conn, scan->operations, scan->n_found, nonce,
	    on_applied, scan, err);
}

static void
on_page(void *context, const struct redis_reply *page)
{
	struct scan *scan = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;
	struct redis_reply keys;

	if (!redis_apply_expect(scan->conn, page, REDIS_REPLY_KIND_ARRAY,
		"SCAN", &outcome, &err)) {
		finish(scan, outcome, 0, &err);
		return;
	}
	if (!split_page(scan, page, &keys)) {
		(void)redis_reply_refuse(
		    page, redis_connection_describe(scan->conn), "SCAN", &err);
		redis_connection_drop(scan->conn, &err);
		finish(scan, REDIS_APPLY_LOST, 0, &err);
		return;
	}
	if (keys.n_items == 0)
		finish(scan, REDIS_APPLY_DONE, 0, NULL);
	else if (unlink_keys(scan, &keys, &err) < 0)
		finish(scan, REDIS_APPLY_REFUSED, 0, &err);
}

static int
send_scan(struct scan *scan, const char *cursor, const char *pattern,
    size_t pattern_length, int64_t count, struct pgripple_error *err)
{
	char number[24];
	const char *argv[] = {
	    "SCAN", cursor, "MATCH", pattern, "COUNT", number};
	size_t lengths[N_ELEMENTS(argv)];

	(void)snprintf(number, sizeof(number), "%lld", (long long)count);
	for (size_t i = 0; i < N_ELEMENTS(argv); i++)
		lengths[i] = i == 3 ? pattern_length : strlen(argv[i]);
	return redis_command(
	    scan->conn, N_ELEMENTS(argv), argv, lengths, on_page, scan, err);
}

int
redis_scan_step(struct redis_connection *conn, const char *cursor,
    const char *pattern, size_t pattern_length, int64_t count,
    redis_scan_cb callback, void *context, struct pgripple_error *err)
{
	struct arena *arena;
	struct scan *scan;

	if (!is_cursor(cursor, strlen(cursor)))
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_BUG, "\"%s\" is no cursor", cursor);
	arena = arena_new();
	scan = arena != NULL ? arena_alloc(arena, sizeof(*scan)) : NULL;
	if (scan == NULL) {
		arena_free(arena);
		return pgripple_error_nomem(err);
	}
	scan->arena = arena;
	scan->conn = conn;
	scan->callback = callback;
	scan->context = context;
	if (send_scan(scan, cursor, pattern, pattern_length, count, err) < 0) {
		arena_free(arena);
		return -1;
	}
	return 0;
}
