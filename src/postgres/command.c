/*
 * Blocking access to Postgres, for the command line.
 */
#include "postgres/command.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "postgres/conninfo.h"
#include "postgres/pins.h"

struct command {
	struct conninfo *conninfo;
	PGconn *conn;
	PGresult *result; /* of the latest call; lent to its caller */
	PGnotify *notification; /* likewise */
	char sqlstate[6];
	command_notice_cb notice;
	void *notice_context;
};

static void
on_notice(void *arg, const PGresult *result)
{
	struct command *command = arg;
	struct pgripple_error err;

	if (command->notice == NULL)
		return;
	conninfo_result_error(command->conninfo, result, NULL, &err);
	command->notice(command->notice_context,
	    PQresultErrorField(result, PG_DIAG_SEVERITY), err.text);
}

/* 0 when the socket is ready, 1 when the time is over. */
static int
wait_for_socket(PGconn *conn, short events, int64_t deadline_us)
{
	struct pollfd pollfd = {.fd = PQsocket(conn), .events = events};
	int64_t left_ms;
	int n;

	do {
		left_ms = (deadline_us - clock_monotonic_us() + 999) / 1000;
		n = left_ms <= 0 ? 0 : poll(&pollfd, 1, (int)left_ms);
	} while (n < 0 && errno == EINTR);
	/* Of an error libpq will know the reason. */
	return n == 0 ? 1 : 0;
}

static int
connect_in_time(
    struct command *command, int64_t timeout_ms, struct pgripple_error *err)
{
	int64_t deadline_us = clock_monotonic_us() + timeout_ms * 1000;
	PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;

	while (wanted != PGRES_POLLING_OK) {
		if (wanted == PGRES_POLLING_FAILED ||
		    PQstatus(command->conn) == CONNECTION_BAD)
			return conninfo_error(command->conninfo,
			    PQerrorMessage(command->conn), err);
		if (wait_for_socket(command->conn,
			wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			deadline_us) != 0)
			return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
			    "the attempt to connect took too long");
		wanted = PQconnectPoll(command->conn);
	}
	return 0;
}

static int
prepare(struct command *command, int64_t statement_timeout_ms,
    struct pgripple_error *err)
{
	struct buf sql = BUF_INIT;
	struct rows rows;
	int failed;

	if (pins_check_version(command->conn, err) != 0)
		return -1;
	pins_print(
	    &sql, PQserverVersion(command->conn), statement_timeout_ms, false);
	failed = sql.failed ? pgripple_error_nomem(err)
			    : command_script(command, sql.bytes, &rows, err);
	buf_done(&sql);
	if (failed)
		return -1;
	if (rows_bool(&rows, 0, 0))
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "the server is a standby, which cannot be written to");
	return 0;
}

int
command_open(const char *conninfo, int64_t connect_timeout_ms,
    int64_t statement_timeout_ms, struct command **ret_command,
    struct pgripple_error *err)
{
	struct command *command = calloc(1, sizeof(*command));

	if (command == NULL)
		return pgripple_error_nomem(err);
	if (conninfo_new(conninfo, "command", &command->conninfo, err) != 0)
		goto failed;
	command->conn = conninfo_connect(command->conninfo);
	if (command->conn == NULL) {
		pgripple_error_nomem(err);
		goto failed;
	}
	PQsetNoticeReceiver(command->conn, on_notice, command);
	if (connect_in_time(command, connect_timeout_ms, err) != 0 ||
	    prepare(command, statement_timeout_ms, err) != 0)
		goto failed;
	*ret_command = command;
	return 0;
failed:
	command_close(command);
	return -1;
}

static void
forget(struct command *command)
{
	PQclear(command->result);
	command->result = NULL;
	PQfreemem(command->notification);
	command->notification = NULL;
}

void
command_close(struct command *command)
{
	if (command == NULL)
		return;
	forget(command);
	PQfinish(command->conn);
	conninfo_free(command->conninfo);
	free(command);
}

const char *
command_describe(const struct command *command)
{
	return conninfo_describe(command->conninfo);
}

int
command_server_version(const struct command *command)
{
	return PQserverVersion(command->conn);
}

const char *
command_sqlstate(const struct command *command)
{
	return command->sqlstate;
}

void
command_on_notice(
    struct command *command, command_notice_cb notice, void *context)
{
	command->notice = notice;
	command->notice_context = context;
}

static int
take(struct command *command, PGresult *result, struct rows *ret_rows,
    struct pgripple_error *err)
{
	command->result = result;
	command->sqlstate[0] = '\0';
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		if (ret_rows != NULL)
			ret_rows->result = result;
		return 0;
	default:
		break;
	}
	/* Without a result it is the connection that failed. */
	if (result == NULL)
		return conninfo_error(
		    command->conninfo, PQerrorMessage(command->conn), err);
	return conninfo_result_error(
	    command->conninfo, result, command->sqlstate, err);
}

int
command_query(struct command *command, const char *sql, int n_values,
    const char *const *values, struct rows *ret_rows,
    struct pgripple_error *err)
{
	forget(command);
	return take(command,
	    PQexecParams(
		command->conn, sql, n_values, NULL, values, NULL, NULL, 0),
	    ret_rows, err);
}

int
command_script(struct command *command, const char *sql, struct rows *ret_rows,
    struct pgripple_error *err)
{
	int failed;

	forget(command);
	failed = take(command, PQexec(command->conn, sql), ret_rows, err);
	if (failed && PQtransactionStatus(command->conn) == PQTRANS_INERROR)
		PQclear(PQexec(command->conn, "ROLLBACK"));
	return failed;
}

int
command_wait(struct command *command, int64_t timeout_ms,
    const char **ret_channel, const char **ret_payload,
    struct pgripple_error *err)
{
	int64_t deadline_us = clock_monotonic_us() + timeout_ms * 1000;
	bool is_late = false;

	forget(command);
	for (;;) {
		if (PQconsumeInput(command->conn) == 0)
			return conninfo_error(command->conninfo,
			    PQerrorMessage(command->conn), err);
		command->notification = PQnotifies(command->conn);
		if (command->notification != NULL)
			break;
		if (is_late)
			return COMMAND_TIMED_OUT;
		is_late =
		    wait_for_socket(command->conn, POLLIN, deadline_us) != 0;
	}
	*ret_channel = command->notification->relname;
	*ret_payload = command->notification->extra;
	return COMMAND_NOTIFIED;
}

bool
command_conninfo_has_secret(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool found = false;

	/* https://www.postgresql.org/docs/current/libpq-connect.html: "*" is
	 * how libpq marks what is not to be shown. */
	for (const PQconninfoOption *option = options;
	     option != NULL && option->keyword != NULL; option++)
		if (option->val != NULL && *option->dispchar == '*')
			found = true;
	PQconninfoFree(options);
	return found;
}
