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
	char cursor[REDIS_CURSOR_TEXT];
	char next_cursor[REDIS_CURSOR_TEXT];
	enum pgripple_operation_kind each;
	int64_t tag_members;
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
finish(struct scan *scan, enum redis_apply_outcome outcome,
    const struct redis_apply_result *applied, const struct pgripple_error *err)
{
	struct redis_scan_result result = {
	    .next_cursor = scan->next_cursor,
	    .n_found = scan->n_found,
	};

	if (applied != NULL) {
		result.n_removed = applied->n_removed;
		result.n_refused = applied->n_rejections;
		if (applied->n_rejections > 0)
			result.reason = applied->rejections[0].reason;
		if (applied->n_leftovers > 0)
			result.next_cursor = scan->cursor;
		result.is_last = applied->n_leftovers == 0;
	} else {
		result.is_last = true;
	}
	result.is_last &= strcmp(scan->next_cursor, "0") == 0;
	scan->callback(scan->context, outcome,
	    outcome == REDIS_APPLY_DONE ? &result : NULL, err);
	arena_free(scan->arena);
}

static void
on_applied(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err)
{
	finish(context, outcome, result, err);
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
		    .kind = scan->each,
		    .key = copy,
		    .key_length = key.length,
		};
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
apply_to_keys(struct scan *scan, const struct redis_reply *keys,
    struct pgripple_error *err)
{
	char nonce[40];
	struct redis_apply_options options = {
	    .nonce = nonce,
	    .tag_members = scan->tag_members,
	    .is_unhurried = true,
	};

	if (copy_keys(scan, keys, err) < 0)
		return -1;
	(void)snprintf(
	    nonce, sizeof(nonce), "scan-%lld", (long long)clock_monotonic_us());
	return redis_apply(scan->conn, scan->operations, scan->n_found,
	    &options, on_applied, scan, err);
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
		finish(scan, outcome, NULL, &err);
		return;
	}
	if (!split_page(scan, page, &keys)) {
		(void)redis_reply_refuse(
		    page, redis_connection_describe(scan->conn), "SCAN", &err);
		redis_connection_drop(scan->conn, &err);
		finish(scan, REDIS_APPLY_LOST, NULL, &err);
		return;
	}
	if (keys.n_items == 0)
		finish(scan, REDIS_APPLY_DONE, NULL, NULL);
	else if (apply_to_keys(scan, &keys, &err) < 0)
		finish(scan, REDIS_APPLY_REFUSED, NULL, &err);
}

static int
send_scan(struct scan *scan, const struct redis_scan *wanted,
    struct pgripple_error *err)
{
	const struct pgripple_operation *operation = wanted->operation;
	char number[24];
	const char *argv[] = {"SCAN", scan->cursor, "MATCH", operation->key,
	    "COUNT", number, "TYPE", "set"};
	size_t lengths[N_ELEMENTS(argv)];
	int argc = operation->each == PGRIPPLE_OPERATION_DRAIN ? 8 : 6;

	(void)snprintf(
	    number, sizeof(number), "%lld", (long long)wanted->count);
	for (size_t i = 0; i < N_ELEMENTS(argv); i++)
		lengths[i] = i == 3 ? operation->key_length : strlen(argv[i]);
	return redis_command(
	    scan->conn, argc, argv, lengths, on_page, scan, err);
}

int
redis_scan_step(struct redis_connection *conn, const struct redis_scan *wanted,
    redis_scan_cb callback, void *context, struct pgripple_error *err)
{
	struct arena *arena;
	struct scan *scan;

	if (!is_cursor(wanted->cursor, strlen(wanted->cursor)))
		return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
		    "\"%s\" is no cursor", wanted->cursor);
	arena = arena_new();
	scan = arena != NULL ? arena_alloc(arena, sizeof(*scan)) : NULL;
	if (scan == NULL) {
		arena_free(arena);
		return pgripple_error_nomem(err);
	}
	scan->arena = arena;
	scan->conn = conn;
	scan->each = wanted->operation->each;
	scan->tag_members = wanted->tag_members;
	scan->callback = callback;
	scan->context = context;
	memcpy(scan->cursor, wanted->cursor, strlen(wanted->cursor) + 1);
	if (send_scan(scan, wanted, err) < 0) {
		arena_free(arena);
		return -1;
	}
	return 0;
}
