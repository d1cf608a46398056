/*
 * Applies the operations of a plan.
 *
 * Commands go out in the order of the operations, as many as the bounds of
 * what may be in flight allow; their replies come in the same order.  Messages
 * wait until all before them was answered, and the nonce, or the mark, comes
 * last.  What has to be sent again goes before what is new.  After a failure
 * nothing more is sent, and the end is reported when the last reply that is
 * still owed has come.
 */
#include "redis/apply.h"

#include <stdio.h>
#include <string.h>

#include "redis/apply_private.h"

const char *
redis_apply_outcome_name(enum redis_apply_outcome outcome)
{
	switch (outcome) {
	case REDIS_APPLY_DONE:
		return "done";
	case REDIS_APPLY_LOST:
		return "lost";
	case REDIS_APPLY_REFUSED:
		return "refused";
	}
	return "?";
}

static size_t
n_in_flight(const struct apply *apply)
{
	return (size_t)(apply->n_flown - apply->n_landed);
}

static bool
is_finished(const struct apply *apply)
{
	return n_in_flight(apply) == 0 && apply->n_proofs == 0 &&
	       (apply->has_failed || apply->is_end_sent);
}

static void
free_apply(struct apply *apply)
{
	for (size_t i = 0; i < apply->result.n_rejections; i++)
		free((char *)(uintptr_t)apply->rejections[i].reason);
	free(apply->rejections);
	for (size_t i = 0; i < apply->result.n_leftovers; i++)
		free((char *)(uintptr_t)apply->leftovers[i].key);
	free(apply->leftovers);
	free(apply->again);
	words_done(&apply->words);
	free(apply);
}

static void
finish(struct apply *apply)
{
	static const struct redis_apply_result nothing;

	struct redis_apply_result result =
	    apply->has_failed ? nothing : apply->result;

	if (!apply->has_failed) {
		result.rejections = apply->rejections;
		result.leftovers = apply->leftovers;
	}
	result.is_marked = apply->result.is_marked;
	if (apply->is_mark_found)
		result.mark_found = apply->mark_found;
	apply->callback(apply->context, apply->outcome, &result,
	    apply->has_failed ? &apply->err : NULL);
	free_apply(apply);
}

bool
redis_apply_expect(struct redis_connection *conn,
    const struct redis_reply *reply, enum redis_reply_kind kind,
    const char *command, enum redis_apply_outcome *ret_outcome,
    struct pgripple_error *err)
{
	const char *server = redis_connection_describe(conn);

	if (reply == NULL) {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "the connection to redis at \"%s\" was lost before the "
		    "reply to %s",
		    server, command);
		*ret_outcome = REDIS_APPLY_LOST;
		return false;
	}
	if (reply->kind == kind)
		return true;
	(void)redis_reply_refuse(reply, server, command, err);
	if (reply->kind != REDIS_REPLY_KIND_ERROR) {
		redis_connection_drop(conn, err);
		*ret_outcome = REDIS_APPLY_LOST;
	} else if (redis_refusal_of(reply->text) == REDIS_REFUSAL_ROLE) {
		*ret_outcome = REDIS_APPLY_LOST;
	} else {
		*ret_outcome = REDIS_APPLY_REFUSED;
	}
	return false;
}

static void pump(struct apply *apply);

/* The connection lives on the nonce's being right: it shows that the replies
 * before it were those of our commands. */
static void
on_echo(void *context, const struct redis_reply *reply)
{
	struct apply *apply = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	apply->n_proofs--;
	if (!redis_apply_expect(apply->conn, reply, REDIS_REPLY_KIND_TEXT,
		"ECHO", &outcome, &err)) {
		reply_fail(apply, outcome, &err);
	} else if (!redis_reply_equals(reply, apply->nonce)) {
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" echoed another nonce than was sent",
		    redis_connection_describe(apply->conn));
		redis_connection_drop(apply->conn, &err);
		reply_fail(apply, REDIS_APPLY_LOST, &err);
	}
	if (is_finished(apply))
		finish(apply);
}

/* Something is wrong with the connection or with who is behind it: a new one
 * begins with a look at the mark. */
static void
give_up(struct apply *apply, const char *what)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" %s", redis_connection_describe(apply->conn), what);
	redis_connection_drop(apply->conn, &err);
	reply_fail(apply, REDIS_APPLY_LOST, &err);
}

/* That it is gone, evicted or flushed, takes nothing back; it may be there
 * already when something had to be sent again behind it. */
static void
take_mark_found(struct apply *apply, const struct redis_reply *reply)
{
	if (apply->is_mark_found &&
	    redis_reply_equals(reply, apply->mark->text))
		return;
	apply->is_mark_found = true;
	(void)snprintf(
	    apply->mark_found, sizeof(apply->mark_found), "%s", reply->text);
	if (reply->kind == REDIS_REPLY_KIND_TEXT &&
	    !redis_reply_equals(reply, apply->mark->before))
		give_up(apply, "holds another mark than was set");
}

static void
on_mark(void *context, const struct redis_reply *reply)
{
	struct apply *apply = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	apply->n_proofs--;
	if (reply != NULL && reply->kind == REDIS_REPLY_KIND_ERROR &&
	    strncmp(reply->text, "OOM ", 4) == 0) {
		apply->result.is_marked = false;
	} else if ((reply != NULL && reply->kind == REDIS_REPLY_KIND_NIL) ||
		   redis_apply_expect(apply->conn, reply, REDIS_REPLY_KIND_TEXT,
		       "SET of the mark", &outcome, &err)) {
		apply->result.is_marked = true;
		take_mark_found(apply, reply);
	} else {
		reply_fail(apply, outcome, &err);
	}
	if (is_finished(apply))
		finish(apply);
}

static void
on_history(void *context, const struct redis_reply *reply)
{
	struct apply *apply = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;
	char id[sizeof(((struct redis_server *)0)->run_id)];

	apply->n_proofs--;
	if (!redis_apply_expect(apply->conn, reply, REDIS_REPLY_KIND_TEXT,
		"INFO", &outcome, &err)) {
		reply_fail(apply, outcome, &err);
	} else if (!redis_replication_id(
		       apply->conn, reply, id, sizeof(id), &err)) {
		redis_connection_drop(apply->conn, &err);
		reply_fail(apply, REDIS_APPLY_LOST, &err);
	} else if (strcmp(id, apply->mark->replication_id) != 0) {
		give_up(apply, "was promoted and may have gone back");
	}
	if (is_finished(apply))
		finish(apply);
}

static void
on_reply(void *context, const struct redis_reply *reply)
{
	struct apply *apply = context;
	struct range range =
	    apply->flights[apply->n_landed++ % REDIS_APPLY_FLIGHT_COMMANDS];

	apply->flight_bytes -= range.bytes;
	reply_take(apply, &range, reply);
	pump(apply);
	if (is_finished(apply))
		finish(apply);
}

static int
send_range(
    struct apply *apply, const struct range *range, struct pgripple_error *err)
{
	struct words *words = &apply->words;

	if (command_make(apply, range, err) < 0 ||
	    redis_command(apply->conn, (int)words->n, words->argv,
		words->lengths, on_reply, apply, err) < 0)
		return -1;
	apply->flights[apply->n_flown++ % REDIS_APPLY_FLIGHT_COMMANDS] = *range;
	apply->flight_bytes += range->bytes;
	return 0;
}

static int
send_echo(struct apply *apply, struct pgripple_error *err)
{
	const char *argv[] = {"ECHO", apply->nonce};

	if (redis_command(apply->conn, 2, argv, NULL, on_echo, apply, err) < 0)
		return -1;
	apply->is_end_sent = true;
	apply->n_proofs++;
	return 0;
}

/* The replication id comes behind the mark: what it proves is all that was done
 * before. */
static int
send_mark(struct apply *apply, struct pgripple_error *err)
{
	const struct redis_mark *mark = apply->mark;
	const char *set[] = {"SET", mark->key, mark->text, "GET"};
	const char *info[] = {"INFO", "replication"};

	if (redis_command(apply->conn, 4, set, NULL, on_mark, apply, err) < 0)
		return -1;
	apply->is_end_sent = true;
	apply->n_proofs++;
	if (redis_command(apply->conn, 2, info, NULL, on_history, apply, err) <
	    0)
		return -1;
	apply->n_proofs++;
	return 0;
}

static int
send_end(struct apply *apply, struct pgripple_error *err)
{
	return apply->mark != NULL ? send_mark(apply, err)
				   : send_echo(apply, err);
}

/* The first of what has to be sent again, whole or its first operation. */
static struct range
range_again(const struct apply *apply)
{
	struct range range = apply->again[0];

	if (range.is_single)
		range.n = 1;
	return range;
}

static void
forget_again(struct apply *apply, size_t n)
{
	struct range *first = &apply->again[0];

	first->from += n;
	first->n -= n;
	if (first->n > 0)
		return;
	apply->n_again--;
	memmove(first, first + 1, apply->n_again * sizeof(*first));
}

/* What they tell of must have been done. */
static bool
must_wait(const struct apply *apply, const struct range *range)
{
	enum pgripple_operation_kind kind = apply->operations[range->from].kind;

	if (n_in_flight(apply) == 0)
		return false;
	if (kind == PGRIPPLE_OPERATION_PUBLISH ||
	    kind == PGRIPPLE_OPERATION_STREAM) {
		const struct range *oldest =
		    &apply->flights[apply->n_landed %
				    REDIS_APPLY_FLIGHT_COMMANDS];

		if (apply->operations[oldest->from].kind <
		    PGRIPPLE_OPERATION_PUBLISH)
			return true;
	}
	return apply->flight_bytes + range->bytes > REDIS_APPLY_FLIGHT_BYTES;
}

/* Sends one command if there is one and it may go.  0: none; 1: sent. */
static int
send_next(struct apply *apply, struct pgripple_error *err)
{
	bool is_again = apply->n_again > 0;
	struct range range;

	if (apply->is_end_sent || apply->has_failed ||
	    n_in_flight(apply) >= apply->max_flown)
		return 0;
	if (!is_again && apply->n_sent == apply->n_operations)
		return send_end(apply, err) < 0 ? -1 : 1;
	range =
	    is_again ? range_again(apply) : command_range(apply, apply->n_sent);
	if (must_wait(apply, &range))
		return 0;
	if (send_range(apply, &range, err) < 0)
		return -1;
	if (is_again)
		forget_again(apply, range.n);
	else
		apply->n_sent += range.n;
	return 1;
}

static void
pump(struct apply *apply)
{
	struct pgripple_error err;
	int status;

	do
		status = send_next(apply, &err);
	while (status > 0);
	if (status < 0)
		reply_fail(apply,
		    redis_connection_is_up(apply->conn) ? REDIS_APPLY_REFUSED
							: REDIS_APPLY_LOST,
		    &err);
}

static int
check(const struct pgripple_operation *operations, size_t n_operations,
    const char *nonce, struct pgripple_error *err)
{
	if (strlen(nonce) >= NONCE_SIZE)
		return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
		    "the nonce \"%s\" is too long", nonce);
	for (size_t i = 0; i < n_operations; i++)
		if (operations[i].kind == PGRIPPLE_OPERATION_SCAN)
			return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
			    "a scan cannot be applied at once");
	return 0;
}

int
redis_apply(struct redis_connection *conn,
    const struct pgripple_operation *operations, size_t n_operations,
    const struct redis_apply_options *options, redis_apply_cb callback,
    void *context, struct pgripple_error *err)
{
	struct apply *apply;

	if (check(operations, n_operations, options->nonce, err) < 0)
		return -1;
	apply = calloc(1, sizeof(*apply));
	if (apply == NULL)
		return pgripple_error_nomem(err);
	apply->conn = conn;
	apply->operations = operations;
	apply->n_operations = n_operations;
	memcpy(apply->nonce, options->nonce, strlen(options->nonce) + 1);
	apply->tag_members = options->tag_members;
	apply->max_flown = options->is_unhurried ? REDIS_APPLY_FLIGHT_UNHURRIED
						 : REDIS_APPLY_FLIGHT_COMMANDS;
	apply->mark = options->mark;
	apply->outcome = REDIS_APPLY_DONE;
	apply->callback = callback;
	apply->context = context;
	pump(apply);
	if (n_in_flight(apply) > 0 || apply->n_proofs > 0)
		return 0;
	*err = apply->err; /* not even the first command was accepted */
	free_apply(apply);
	return -1;
}
