/*
 * Whether a connection keeps what belongs to a session: LISTEN and the locks.
 *
 * Behind a transaction pooler every transaction may run in another session of
 * the server.  A pooler without other clients tends to give the same one
 * again, so one connection alone sees nothing.  Two do: while the second one
 * has a transaction open, the first one's session is either the second one's
 * (the pooler lent it out) or must still be what it was.
 */
#include "cli/pooler.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "postgres/command.h"

/* A notification between two idle sessions takes a few ms. */
#define NOTIFY_TIMEOUT_MS 3000

struct look {
	struct command *one;
	struct command *two;
	uint32_t number; /* of the lock and of the channel */
	int64_t pid; /* of the session that listens and holds the lock */
	const char *sign;
};

static int run(struct command *command, struct rows *ret_rows,
    struct pgripple_error *err, const char *format, ...) PRINTF_LIKE(4, 5);

static int
run(struct command *command, struct rows *ret_rows, struct pgripple_error *err,
    const char *format, ...)
{
	char sql[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	return command_query(command, sql, 0, NULL, ret_rows, err);
}

static int
take(struct look *look, struct pgripple_error *err)
{
	struct rows rows;

	if (run(look->one, NULL, err, "LISTEN pgripple_check_%" PRIu32,
		look->number) != 0 ||
	    run(look->one, &rows, err,
		"SELECT pg_backend_pid(), pg_try_advisory_lock(%" PRIu32 ")",
		look->number) != 0)
		return -1;
	look->pid = rows_int(&rows, 0, 0);
	return 0;
}

/* The first connection, in a statement of its own: still the same session? */
static int
look_again(struct look *look, struct pgripple_error *err)
{
	struct rows rows;

	if (run(look->one, &rows, err,
		"SELECT pg_backend_pid(), EXISTS ("
		"SELECT FROM pg_locks WHERE locktype = 'advisory' "
		"AND pid = pg_backend_pid() AND classid = 0 "
		"AND objid::bigint = %" PRIu32 "), "
		"'pgripple_check_%" PRIu32 "' IN "
		"(SELECT pg_listening_channels())",
		look->number, look->number) != 0)
		return -1;
	if (rows_int(&rows, 0, 0) != look->pid)
		look->sign = "the next statement ran in another session";
	else if (!rows_bool(&rows, 0, 1))
		look->sign = "a session lock was lost";
	else if (!rows_bool(&rows, 0, 2))
		look->sign = "LISTEN was lost";
	return 0;
}

/* While the second connection has a transaction open. */
static int
compare(struct look *look, struct pgripple_error *err)
{
	struct rows rows;

	if (run(look->two, NULL, err, "BEGIN") != 0 ||
	    run(look->two, &rows, err, "SELECT pg_backend_pid()") != 0)
		return -1;
	/* Asking the first one now would wait for the second one's end. */
	if (rows_int(&rows, 0, 0) == look->pid)
		look->sign = "two connections shared one session";
	else if (look_again(look, err) != 0)
		return -1;
	if (look->sign == NULL &&
	    run(look->two, NULL, err, "NOTIFY pgripple_check_%" PRIu32,
		look->number) != 0)
		return -1;
	return run(look->two, NULL, err, "COMMIT");
}

static int
hear(struct look *look, struct pgripple_error *err)
{
	const char *channel, *payload;
	int outcome =
	    command_wait(look->one, NOTIFY_TIMEOUT_MS, &channel, &payload, err);

	if (outcome < 0)
		return -1;
	if (outcome == COMMAND_TIMED_OUT)
		look->sign = "a notification did not arrive";
	return 0;
}

/* With a pooler it is not known whose session it is: as well as it goes. */
static void
give_back(struct command *command, const struct look *look)
{
	(void)run(command, NULL, NULL, "UNLISTEN pgripple_check_%" PRIu32,
	    look->number);
	(void)run(command, NULL, NULL,
	    "SELECT pg_advisory_unlock(%" PRIu32 ") FROM pg_locks "
	    "WHERE locktype = 'advisory' AND pid = pg_backend_pid() "
	    "AND classid = 0 AND objid::bigint = %" PRIu32,
	    look->number, look->number);
}

int
pooler_look(struct command *one, struct command *two, const char **ret_sign,
    struct pgripple_error *err)
{
	struct look look = {.one = one, .two = two};

	if (getrandom(&look.number, sizeof(look.number), 0) !=
	    sizeof(look.number))
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_PEER, "could not get a random number");
	if (take(&look, err) != 0 || compare(&look, err) != 0)
		return -1;
	if (look.sign == NULL && hear(&look, err) != 0)
		return -1;
	give_back(one, &look);
	give_back(two, &look);
	if (look.sign == NULL)
		return POOLER_NONE;
	*ret_sign = look.sign;
	return POOLER_FOUND;
}
