/*
 * What became of the operations, by the replies.
 *
 * A command for many operations that is refused for one key's sake is sent
 * again, one by one, to learn for which.
 */
#include "redis/apply_private.h"

#include <string.h>

#include "base/json_write.h"
#include "observe/log.h"

/* Bytes of a key, and of Redis's words, that a reason has. */
#define MAX_TOLD 500

void
reply_fail(struct apply *apply, enum redis_apply_outcome outcome,
    const struct pgripple_error *err)
{
	if (apply->has_failed && apply->outcome == REDIS_APPLY_LOST)
		return;
	if (apply->has_failed && outcome == REDIS_APPLY_REFUSED)
		return;
	apply->has_failed = true;
	apply->outcome = outcome;
	apply->err = *err;
}

static void
fail_nomem(struct apply *apply)
{
	struct pgripple_error err;

	(void)pgripple_error_nomem(&err);
	reply_fail(apply, REDIS_APPLY_REFUSED, &err);
}

/* Room for one item more; false, and the apply has failed, without memory. */
static bool
reserve(
    struct apply *apply, void **items, size_t n, size_t *capacity, size_t size)
{
	size_t wanted = *capacity * 2 + 16;
	void *more;

	if (n < *capacity)
		return true;
	more = reallocarray(*items, wanted, size);
	if (more == NULL) {
		fail_nomem(apply);
		return false;
	}
	*items = more;
	*capacity = wanted;
	return true;
}

static void
send_again(struct apply *apply, const struct range *range, bool is_single)
{
	if (!reserve(apply, (void **)&apply->again, apply->n_again,
		&apply->again_capacity, sizeof(*apply->again)))
		return;
	apply->again[apply->n_again] = *range;
	apply->again[apply->n_again++].is_single = is_single;
	apply->is_end_sent = false;
}

/* Postgres keeps it: so it is ASCII, whatever bytes key and words have, and can
 * be cut anywhere. */
static char *
explain(const struct apply *apply, const struct pgripple_operation *refused,
    const struct redis_reply *words)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP(buf_done) struct buf ascii = BUF_INIT;
	const char *server = redis_connection_describe(apply->conn);

	buf_add_string(&text, "redis at ");
	json_write_quoted(&text, server, strlen(server));
	buf_printf(&text, " refused %s of ", command_name(refused->kind));
	json_write_quoted(&text, refused->key,
	    refused->key_length < MAX_TOLD ? refused->key_length : MAX_TOLD);
	buf_add_string(&text, ": ");
	json_write_quoted(&text, words->text,
	    words->length < MAX_TOLD ? words->length : MAX_TOLD);
	if (!text.failed)
		json_write_ascii(&ascii, text.bytes, text.n);
	return text.failed || ascii.failed ? NULL : steal(&ascii.bytes);
}

static void
reject(struct apply *apply, size_t operation, const struct redis_reply *words)
{
	char *reason = explain(apply, &apply->operations[operation], words);

	if (reason == NULL) {
		fail_nomem(apply);
		return;
	}
	if (!reserve(apply, (void **)&apply->rejections,
		apply->result.n_rejections, &apply->rejection_capacity,
		sizeof(*apply->rejections))) {
		free(reason);
		return;
	}
	apply->rejections[apply->result.n_rejections++] =
	    (struct redis_rejection){operation, reason};
}

static void
take_left(struct apply *apply, size_t operation, int64_t left)
{
	if (left == 0 ||
	    !reserve(apply, (void **)&apply->leftovers,
		apply->result.n_leftovers, &apply->leftover_capacity,
		sizeof(*apply->leftovers)))
		return;
	apply->leftovers[apply->result.n_leftovers++] = (struct redis_leftover){
	    .operation = operation,
	    .is_aside = (left & 1) != 0,
	    .is_itself = (left & 2) != 0,
	};
}

/* {removed, left, words}: see tag.lua and drain.lua. */
static void
take_array(struct apply *apply, const struct range *range,
    const struct redis_reply *reply)
{
	struct redis_reply removed, left;

	if (reply->n_items < 2)
		return;
	removed = redis_reply_item(reply, 0);
	left = redis_reply_item(reply, 1);
	apply->result.n_removed += (uint64_t)removed.integer;
	take_left(apply, range->from, left.integer);
	if (reply->n_items > 2) {
		struct redis_reply words = redis_reply_item(reply, 2);

		reject(apply, range->from, &words);
	}
}

static void
take_dependencies(struct apply *apply, const struct range *range,
    const struct redis_reply *keys, bool is_pattern)
{
	for (size_t i = 0; i < keys->n_items; i++) {
		struct redis_reply key = redis_reply_item(keys, i);
		struct redis_leftover left = {
		    .operation = range->from,
		    .key_length = key.length,
		    .is_pattern = is_pattern,
		};
		char *copy = malloc(key.length + 1);

		if (copy == NULL) {
			fail_nomem(apply);
			return;
		}
		memcpy(copy, key.text, key.length);
		copy[key.length] = '\0';
		left.key = copy;
		if (!reserve(apply, (void **)&apply->leftovers,
			apply->result.n_leftovers, &apply->leftover_capacity,
			sizeof(*apply->leftovers))) {
			free(copy);
			return;
		}
		apply->leftovers[apply->result.n_leftovers++] = left;
	}
}

/* {removed, rows done, keys, patterns, words}: see cacheops.lua.  Rows that
 * were too much for one call go into another one; so do all, one by one, to
 * learn for which of them a key was refused. */
static void
take_rows(struct apply *apply, const struct range *range,
    const struct redis_reply *reply)
{
	struct redis_reply keys, patterns;
	struct range rest = *range;
	size_t n_done;

	if (reply->n_items < 4)
		return;
	apply->result.n_removed += (uint64_t)redis_reply_item(reply, 0).integer;
	n_done = (size_t)redis_reply_item(reply, 1).integer;
	keys = redis_reply_item(reply, 2);
	patterns = redis_reply_item(reply, 3);
	take_dependencies(apply, range, &keys, false);
	take_dependencies(apply, range, &patterns, true);
	if (reply->n_items > 4 && range->n > 1) {
		send_again(apply, range, true);
		return;
	}
	if (reply->n_items > 4) {
		struct redis_reply words = redis_reply_item(reply, 4);

		reject(apply, range->from, &words);
	}
	if (n_done >= range->n)
		return;
	rest.from += n_done;
	rest.n -= n_done;
	send_again(apply, &rest, range->is_single);
}

static void
take_done(struct apply *apply, const struct range *range,
    const struct redis_reply *reply)
{
	switch (apply->operations[range->from].kind) {
	case PGRIPPLE_OPERATION_UNLINK:
	case PGRIPPLE_OPERATION_HDEL:
		apply->result.n_removed += (uint64_t)reply->integer;
		break;
	case PGRIPPLE_OPERATION_TAG:
	case PGRIPPLE_OPERATION_DRAIN:
	case PGRIPPLE_OPERATION_CONJ:
		take_array(apply, range, reply);
		break;
	case PGRIPPLE_OPERATION_CACHEOPS:
		take_rows(apply, range, reply);
		break;
	case PGRIPPLE_OPERATION_FENCE:
	case PGRIPPLE_OPERATION_VERSION:
	case PGRIPPLE_OPERATION_PUBLISH:
	case PGRIPPLE_OPERATION_STREAM:
	case PGRIPPLE_OPERATION_SCAN:
		break;
	}
}

/* A full Redis takes no fence but lets keys go, which is what counts: late
 * fills are refused, too, as long as it is full. */
static bool
goes_without_fence(const struct apply *apply, const struct range *range,
    const struct redis_reply *reply)
{
	const struct pgripple_operation *operation =
	    &apply->operations[range->from];

	if (operation->kind != PGRIPPLE_OPERATION_FENCE ||
	    strncmp(reply->text, "OOM ", 4) != 0)
		return false;
	log_event(LOG_LEVEL_WARNING, "redis.fence_refused",
	    log_string("key", log_shows_values() ? operation->key : NULL),
	    log_string("error", reply->text),
	    log_string("hint",
		"Redis is full; the key was removed all the same, without a "
		"fence against late fills."));
	return true;
}

/* True if the refusal was dealt with. */
static bool
take_refusal(struct apply *apply, const struct range *range,
    const struct redis_reply *reply)
{
	enum pgripple_operation_kind kind = apply->operations[range->from].kind;

	if (goes_without_fence(apply, range, reply))
		return true;
	switch (redis_refusal_of(reply->text)) {
	case REDIS_REFUSAL_SCRIPT:
		if (!command_is_script(kind))
			return false;
		apply->has_scripts = true;
		send_again(apply, range, range->is_single);
		return true;
	case REDIS_REFUSAL_KEY:
		if (range->n > 1)
			send_again(apply, range, true);
		else
			reject(apply, range->from, reply);
		return true;
	default:
		return false;
	}
}

void
reply_take(struct apply *apply, const struct range *range,
    const struct redis_reply *reply)
{
	enum pgripple_operation_kind kind = apply->operations[range->from].kind;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	if (reply != NULL && reply->kind == REDIS_REPLY_KIND_ERROR &&
	    take_refusal(apply, range, reply))
		return;
	if (redis_apply_expect(apply->conn, reply, command_expects(kind),
		command_name(kind), &outcome, &err))
		take_done(apply, range, reply);
	else
		reply_fail(apply, outcome, &err);
}
