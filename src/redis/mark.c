/*
 * The mark: looked at, and set again.
 */
#include "redis/mark.h"

#include <stdio.h>
#include <string.h>

struct look {
	struct redis_connection *conn;
	redis_look_cb callback;
	void *context;
	int n_owed; /* replies */
	char mark[REDIS_MARK_TEXT];
	char replication_id[sizeof(((struct redis_server *)0)->run_id)];
	bool is_empty;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;
};

bool
redis_replication_id(struct redis_connection *conn,
    const struct redis_reply *info, char *id, size_t size,
    struct pgripple_error *err)
{
	char role[16];

	redis_info_field(info->text, "role", role, sizeof(role));
	redis_info_field(info->text, "master_replid", id, size);
	if (strcmp(role, "master") == 0 && *id != '\0')
		return true;
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" is no master any more",
	    redis_connection_describe(conn));
	return false;
}

/* The last reply: all others came before. */
static void
finish(struct look *look)
{
	const struct redis_look found = {
	    .mark = look->mark,
	    .run_id = redis_connection_server(look->conn)->run_id,
	    .replication_id = look->replication_id,
	    .is_empty = look->is_empty,
	};
	bool is_done = look->outcome == REDIS_APPLY_DONE;

	if (--look->n_owed > 0)
		return;
	look->callback(look->context, look->outcome, is_done ? &found : NULL,
	    is_done ? NULL : &look->err);
	free(look);
}

static void
fail(struct look *look, enum redis_apply_outcome outcome,
    const struct pgripple_error *err)
{
	if (look->outcome != REDIS_APPLY_DONE)
		return;
	look->outcome = outcome;
	look->err = *err;
}

static void
on_info(void *context, const struct redis_reply *reply)
{
	struct look *look = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	if (!redis_apply_expect(look->conn, reply, REDIS_REPLY_KIND_TEXT,
		"INFO", &outcome, &err)) {
		fail(look, outcome, &err);
	} else if (!redis_replication_id(look->conn, reply,
		       look->replication_id, sizeof(look->replication_id),
		       &err)) {
		redis_connection_drop(look->conn, &err);
		fail(look, REDIS_APPLY_LOST, &err);
	}
	finish(look);
}

static void
on_mark(void *context, const struct redis_reply *reply)
{
	struct look *look = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	if (reply == NULL || reply->kind != REDIS_REPLY_KIND_NIL) {
		if (redis_apply_expect(look->conn, reply, REDIS_REPLY_KIND_TEXT,
			"GET of the mark", &outcome, &err))
			(void)snprintf(
			    look->mark, sizeof(look->mark), "%s", reply->text);
		else
			fail(look, outcome, &err);
	}
	finish(look);
}

static void
on_size(void *context, const struct redis_reply *reply)
{
	struct look *look = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	if (redis_apply_expect(look->conn, reply, REDIS_REPLY_KIND_INTEGER,
		"DBSIZE", &outcome, &err))
		look->is_empty = reply->integer == 0;
	else
		fail(look, outcome, &err);
	finish(look);
}

/* The replication id first: should the server go back after it, the next look
 * at the id shows it. */
int
redis_look(struct redis_connection *conn, const char *key,
    redis_look_cb callback, void *context, struct pgripple_error *err)
{
	const char *info[] = {"INFO", "replication"};
	const char *get[] = {"GET", key};
	const char *size[] = {"DBSIZE"};
	struct look *look = calloc(1, sizeof(*look));

	if (look == NULL)
		return pgripple_error_nomem(err);
	look->conn = conn;
	look->callback = callback;
	look->context = context;
	look->outcome = REDIS_APPLY_DONE;
	if (redis_command(conn, 2, info, NULL, on_info, look, err) < 0) {
		free(look);
		return -1;
	}
	look->n_owed = 1;
	/* What is not accepted is told with the reply to what was. */
	if (redis_command(conn, 2, get, NULL, on_mark, look, err) < 0) {
		fail(look, REDIS_APPLY_REFUSED, err);
		return 0;
	}
	look->n_owed = 2;
	if (redis_command(conn, 1, size, NULL, on_size, look, err) < 0)
		fail(look, REDIS_APPLY_REFUSED, err);
	else
		look->n_owed = 3;
	return 0;
}

static void
on_set_again(void *context UNUSED, const struct redis_reply *reply UNUSED)
{
	/* A full Redis may refuse it: the next batch sets it anyway. */
}

int
redis_mark_again(struct redis_connection *conn, const char *key,
    const char *text, struct pgripple_error *err)
{
	const char *argv[] = {"SET", key, text, "NX"};

	return redis_command(conn, 4, argv, NULL, on_set_again, NULL, err);
}
