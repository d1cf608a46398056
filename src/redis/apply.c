/*
 * Applies the UNLINK operations of a plan.
 *
 * Two cursors walk over the operations in the same chunks: "sent" ahead,
 * "answered" behind; what lies between them is in flight.  The nonce comes
 * last, when everything was sent.  After a failure nothing more is sent, and
 * the end is reported when the last reply that is still owed has come.
 */
#include "redis/apply.h"

#include <string.h>

#define NONCE_SIZE 64

/* "*2\r\n$6\r\nUNLINK\r\n", and "$5\r\n...\r\n" around a key. */
#define COMMAND_OVERHEAD 24
#define KEY_OVERHEAD 16

struct apply {
	struct redis_connection *conn;
	const struct pgripple_operation *operations;
	size_t n_operations;
	size_t n_sent;
	size_t n_answered;
	size_t flight_commands;
	size_t flight_bytes;
	uint64_t n_removed;
	char nonce[NONCE_SIZE];
	bool is_nonce_sent;
	bool has_failed;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;
	redis_apply_cb callback;
	void *context;
};

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

/* How many operations, from an index on, make the next command. */
static size_t
chunk(const struct apply *apply, size_t from, size_t *ret_bytes)
{
	size_t bytes = COMMAND_OVERHEAD;
	size_t n = 0;

	while (from + n < apply->n_operations && n < REDIS_APPLY_COMMAND_KEYS) {
		size_t key =
		    apply->operations[from + n].key_length + KEY_OVERHEAD;

		if (n > 0 && bytes + key > REDIS_APPLY_COMMAND_BYTES)
			break;
		bytes += key;
		n++;
	}
	*ret_bytes = bytes;
	return n;
}

/* A loss says more than a refusal. */
static void
fail(struct apply *apply, enum redis_apply_outcome outcome,
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

static bool
is_finished(const struct apply *apply)
{
	return apply->flight_commands == 0 &&
	       (apply->has_failed || apply->is_nonce_sent);
}

static void
finish(struct apply *apply)
{
	struct apply last = *apply;

	free(apply);
	last.callback(last.context, last.outcome, last.n_removed,
	    last.has_failed ? &last.err : NULL);
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

	apply->flight_commands--;
	if (!redis_apply_expect(apply->conn, reply, REDIS_REPLY_KIND_TEXT,
		"ECHO", &outcome, &err)) {
		fail(apply, outcome, &err);
	} else if (!redis_reply_equals(reply, apply->nonce)) {
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" echoed another nonce than was sent",
		    redis_connection_describe(apply->conn));
		redis_connection_drop(apply->conn, &err);
		fail(apply, REDIS_APPLY_LOST, &err);
	}
	if (is_finished(apply))
		finish(apply);
}

static void
on_unlinked(void *context, const struct redis_reply *reply)
{
	struct apply *apply = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;
	size_t bytes;

	apply->n_answered += chunk(apply, apply->n_answered, &bytes);
	apply->flight_bytes -= bytes;
	apply->flight_commands--;
	if (redis_apply_expect(apply->conn, reply, REDIS_REPLY_KIND_INTEGER,
		"UNLINK", &outcome, &err))
		apply->n_removed += (uint64_t)reply->integer;
	else
		fail(apply, outcome, &err);
	pump(apply);
	if (is_finished(apply))
		finish(apply);
}

static int
send_unlink(struct apply *apply, size_t n_keys, size_t bytes,
    struct pgripple_error *err)
{
	const char *argv[1 + REDIS_APPLY_COMMAND_KEYS];
	size_t lengths[1 + REDIS_APPLY_COMMAND_KEYS];

	argv[0] = "UNLINK";
	lengths[0] = strlen(argv[0]);
	for (size_t i = 0; i < n_keys; i++) {
		const struct pgripple_operation *operation =
		    &apply->operations[apply->n_sent + i];

		argv[1 + i] = operation->key;
		lengths[1 + i] = operation->key_length;
	}
	if (redis_command(apply->conn, 1 + (int)n_keys, argv, lengths,
		on_unlinked, apply, err) < 0)
		return -1;
	apply->n_sent += n_keys;
	apply->flight_commands++;
	apply->flight_bytes += bytes;
	return 0;
}

static int
send_echo(struct apply *apply, struct pgripple_error *err)
{
	const char *argv[] = {"ECHO", apply->nonce};

	if (redis_command(apply->conn, 2, argv, NULL, on_echo, apply, err) < 0)
		return -1;
	apply->is_nonce_sent = true;
	apply->flight_commands++;
	return 0;
}

/* Sends one command if there is one and it may go.  0: none; 1: sent. */
static int
send_next(struct apply *apply, struct pgripple_error *err)
{
	size_t n_keys, bytes;

	if (apply->is_nonce_sent || apply->has_failed ||
	    apply->flight_commands >= REDIS_APPLY_FLIGHT_COMMANDS)
		return 0;
	n_keys = chunk(apply, apply->n_sent, &bytes);
	if (n_keys == 0)
		return send_echo(apply, err) < 0 ? -1 : 1;
	if (apply->flight_commands > 0 &&
	    apply->flight_bytes + bytes > REDIS_APPLY_FLIGHT_BYTES)
		return 0;
	return send_unlink(apply, n_keys, bytes, err) < 0 ? -1 : 1;
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
		fail(apply,
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
		if (operations[i].kind != PGRIPPLE_OPERATION_UNLINK)
			return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
			    "an operation that is not UNLINK in a batch");
	return 0;
}

int
redis_apply(struct redis_connection *conn,
    const struct pgripple_operation *operations, size_t n_operations,
    const char *nonce, redis_apply_cb callback, void *context,
    struct pgripple_error *err)
{
	struct apply *apply;

	if (check(operations, n_operations, nonce, err) < 0)
		return -1;
	apply = calloc(1, sizeof(*apply));
	if (apply == NULL)
		return pgripple_error_nomem(err);
	apply->conn = conn;
	apply->operations = operations;
	apply->n_operations = n_operations;
	memcpy(apply->nonce, nonce, strlen(nonce) + 1);
	apply->outcome = REDIS_APPLY_DONE;
	apply->callback = callback;
	apply->context = context;
	pump(apply);
	if (apply->flight_commands > 0)
		return 0;
	*err = apply->err; /* not even the first command was accepted */
	free(apply);
	return -1;
}
