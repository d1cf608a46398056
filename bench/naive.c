/*
 * The least that a listener can do, as a floor for the others: it waits for
 * notifications, and deletes the key of each at once.  It loses what is
 * notified while it is not connected, and ends when anything goes wrong.
 *
 *	naive CONNINFO REDIS_SOCKET REDIS_DB
 *
 * A notification on "naive" is {"table" : "account", "id" : 7}, the key
 * "account:7".
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

static void
require(bool condition, const char *what, const char *why)
{
	if (condition)
		return;
	(void)fprintf(stderr, "naive: %s failed: %s\n", what, why);
	exit(1);
}

static PGconn *
listen_to(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result;

	require(PQstatus(conn) == CONNECTION_OK, "connecting",
	    PQerrorMessage(conn));
	result = PQexec(conn, "LISTEN naive");
	require(PQresultStatus(result) == PGRES_COMMAND_OK, "LISTEN",
	    PQerrorMessage(conn));
	PQclear(result);
	return conn;
}

static redisContext *
connect_redis(const char *path, const char *database)
{
	redisContext *redis = redisConnectUnix(path);
	redisReply *reply;

	require(redis != NULL, "connecting to Redis", "no memory");
	require(redis->err == 0, "connecting to Redis", redis->errstr);
	reply = redisCommand(redis, "SELECT %s", database);
	require(reply != NULL, "SELECT", redis->errstr);
	freeReplyObject(reply);
	return redis;
}

static void
append_delete(redisContext *redis, const char *payload)
{
	char table[64];
	long long id;

	require(sscanf(payload, "{\"table\" : \"%63[^\"]\", \"id\" : %lld}",
		    table, &id) == 2,
	    "reading a payload", payload);
	require(redisAppendCommand(redis, "DEL %s:%lld", table, id) == REDIS_OK,
	    "DEL", redis->errstr);
}

/* All that has come goes out as one pipeline. */
static void
delete_notified(PGconn *conn, redisContext *redis)
{
	PGnotify *notify;
	size_t n_sent = 0;
	void *reply;

	while ((notify = PQnotifies(conn)) != NULL) {
		append_delete(redis, notify->extra);
		PQfreemem(notify);
		n_sent++;
	}
	for (; n_sent > 0; n_sent--) {
		require(redisGetReply(redis, &reply) == REDIS_OK, "DEL",
		    redis->errstr);
		freeReplyObject(reply);
	}
}

int
main(int argc, char **argv)
{
	struct pollfd pfd = {.events = POLLIN};
	redisContext *redis;
	PGconn *conn;

	if (argc != 4) {
		(void)fprintf(
		    stderr, "usage: naive CONNINFO REDIS_SOCKET REDIS_DB\n");
		return 2;
	}
	redis = connect_redis(argv[2], argv[3]);
	conn = listen_to(argv[1]);
	(void)puts("ready");
	(void)fflush(stdout);
	pfd.fd = PQsocket(conn);
	while (poll(&pfd, 1, -1) > 0) {
		require(
		    PQconsumeInput(conn) == 1, "reading", PQerrorMessage(conn));
		delete_notified(conn, redis);
	}
	return 1;
}
