/*
 * "status": asking the database, and the daemon over HTTP.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/status.h"
#include "config/listen_address.h"
#include "postgres/command.h"
#include "postgres/listen.h"
#include "postgres/quote.h"

#define HTTP_TIMEOUT_S 2
#define MAX_ANSWER ((size_t)256 * 1024)

/* $ stands for the schema.  Nothing is counted further than it is told: to
 * count many rows takes long. */
static const char database_sql[] =
    "SELECT json_build_object("
    "'enabled', $.is_enabled(),"
    "'changes', (SELECT count(*) FROM"
    " (SELECT FROM $.outbox LIMIT 100001) AS o),"
    "'oldest_seconds', (SELECT round(extract(epoch FROM"
    " clock_timestamp() - at)::numeric, 3) FROM $.outbox ORDER BY id LIMIT 1),"
    "'newest_id', (SELECT CASE WHEN is_called THEN last_value ELSE 0 END"
    " FROM $.outbox_id_seq),"
    "'outbox_limit', $.outbox_limit(),"
    "'dead_rows', (SELECT n_dead_tup FROM pg_stat_all_tables"
    " WHERE relid = '$.outbox'::regclass),"
    "'tasks', (SELECT count(*) FROM (SELECT FROM $.task LIMIT 100001) AS t),"
    "'tasks_due', (SELECT count(*) FROM (SELECT FROM $.task"
    " WHERE due <= clock_timestamp() LIMIT 100001) AS t),"
    "'rejected', (SELECT count(*) FROM"
    " (SELECT FROM $.rejected LIMIT 100001) AS r),"
    "'watched', w.n, 'gaps', w.gaps,"
    "'daemons', (SELECT coalesce(json_agg(json_build_object("
    "'pid', a.pid, 'active', EXISTS (SELECT FROM pg_locks AS l"
    " WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted"
    " AND l.classid = $.lock_class()::oid AND l.objid = %d"
    " AND l.objsubid = 2))), '[]') FROM pg_stat_activity AS a"
    " WHERE a.datname = current_database()"
    " AND a.application_name = 'pgripple listen'))"
    /* Once: it looks at every watched table. */
    " FROM (SELECT count(*) AS n, coalesce(json_agg(json_build_object("
    "'table', table_name, 'problem', problem))"
    " FILTER (WHERE problem IS NOT NULL), '[]') AS gaps"
    " FROM $.watched()) AS w";

static void
add_database_sql(struct buf *sql, const char *schema)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT, quoted = BUF_INIT;

	buf_printf(&text, database_sql, LISTEN_LOCK_L);
	quote_identifier(&quoted, schema);
	for (const char *at = buf_string(&text); *at != '\0'; at++)
		if (*at == '$')
			buf_add_string(sql, buf_string(&quoted));
		else
			buf_add_char(sql, *at);
	sql->failed = sql->failed || text.failed || quoted.failed;
}

int
status_ask_database(struct arena *arena, struct command *command,
    const char *schema, const struct json **ret_database,
    struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf sql = BUF_INIT;
	struct json *database;
	struct rows rows;
	const char *text;

	add_database_sql(&sql, schema);
	if (sql.failed)
		return pgripple_error_nomem(err);
	if (command_query(command, sql.bytes, 0, NULL, &rows, err) != 0)
		return -1;
	text = rows_text(&rows, 0, 0);
	if (json_read(arena, text, strlen(text), &database, err) != 0)
		return -1;
	*ret_database = database;
	return 0;
}

/* ---- the daemon ---- */

static int
failed(struct pgripple_error *err, const char *what, const char *listen)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "could not %s %s: %s", what, listen, strerror(errno));
}

static int
exchange(int fd, const struct listen_address *address, const char *listen,
    struct buf *answer, struct pgripple_error *err)
{
	static const char request[] =
	    "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
	const struct timeval timeout = {.tv_sec = HTTP_TIMEOUT_S};
	char bytes[4096];
	ssize_t n;

	if (setsockopt(
		fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    setsockopt(
		fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    connect(fd, (const struct sockaddr *)&address->socket,
		address->length) != 0)
		return failed(err, "reach", listen);
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return failed(err, "ask", listen);
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0 &&
	       answer->n < MAX_ANSWER)
		buf_add(answer, bytes, (size_t)n);
	if (n < 0)
		return failed(err, "hear", listen);
	return answer->failed ? pgripple_error_nomem(err) : 0;
}

int
status_ask_daemon(struct arena *arena, const char *listen,
    const struct json **ret_daemon, struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf answer = BUF_INIT;
	struct listen_address address;
	struct json *daemon;
	const char *body;
	int fd, result;

	if (!listen_address_parse(listen, &address))
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_CONFIG, "\"%s\" is no address", listen);
	fd = socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(err, "reach", listen);
	result = exchange(fd, &address, listen, &answer, err);
	(void)close(fd);
	if (result != 0)
		return -1;
	body = strstr(buf_string(&answer), "\r\n\r\n");
	if (body == NULL ||
	    json_read(arena, body + 4, strlen(body + 4), &daemon, err) != 0)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "%s does not answer as pgripple does", listen);
	*ret_daemon = daemon;
	return 0;
}
