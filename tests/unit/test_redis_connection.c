/*
 * The connection to Redis, with a real server that comes, goes, sleeps and
 * says no.
 */
#include <stdio.h>

#include "redis_world.h"

#include "redis/blocking.h"

#define EXTRA(...) ((const char *const[]){__VA_ARGS__, NULL})

struct replied {
	int n_calls;
	int n_lost;
	char text[64];
};

static void
on_replied(void *context, const struct redis_reply *reply)
{
	struct replied *replied = context;

	replied->n_calls++;
	if (reply == NULL)
		replied->n_lost++;
	else
		(void)snprintf(
		    replied->text, sizeof(replied->text), "%s", reply->text);
}

static int
ping(struct world *world, struct replied *replied)
{
	const char *argv[] = {"PING"};
	struct pgripple_error err;

	return redis_command(
	    world->conn, 1, argv, NULL, on_replied, replied, &err);
}

/* What a blocking connection is told. */
static struct pgripple_error
blocking_error(const char *url)
{
	struct redis_blocking *blocking;
	struct pgripple_error err;

	cr_assert_eq(redis_blocking_open(url, 500, &blocking, &err), -1);
	return err;
}

Test(redis_connection, comes_up_and_knows_the_server)
{
	struct world world;
	struct replied replied = {0};

	world_open(&world, NULL);
	cr_expect(redis_connection_is_up(world.conn));
	cr_expect_str_eq(redis_connection_describe(world.conn), world.url);
	cr_expect_eq(strlen(redis_connection_server(world.conn)->run_id), 40);
	cr_assert_eq(ping(&world, &replied), 0);
	world_until(&world, replied.n_calls == 1);
	cr_expect_str_eq(replied.text, "PONG");
	world_close(&world);
	cr_expect_eq(world.n_down, 0);
}

Test(redis_connection, uses_database_name_and_tcp)
{
	struct world world;
	char url[64];
	redisReply *list;
	int port = world_port();
	char port_text[8];

	(void)snprintf(port_text, sizeof(port_text), "%d", port);
	(void)snprintf(url, sizeof(url), "redis://localhost:%d/5", port);
	world_init(&world);
	/* The name has two addresses; the server has one. */
	world_serve(&world, EXTRA("--port", port_text, "--bind", "127.0.0.1"));
	world_connect(&world, url);
	world_until(&world, world.n_up == 1);
	list = world_ask(&world, "CLIENT LIST TYPE normal");
	cr_expect(strstr(list->str, "name=pgripple ") != NULL, "%s", list->str);
	cr_expect(strstr(list->str, "db=5 ") != NULL, "%s", list->str);
	freeReplyObject(list);
	world_close(&world);
}

Test(redis_connection, waits_for_a_server_that_starts_later)
{
	struct world world;
	struct replied replied = {0};

	world_init(&world);
	world_connect(&world, world.url);
	world_for_ms(&world, 300);
	cr_expect_eq(world.n_up, 0);
	cr_expect_eq(ping(&world, &replied), -1);
	world_serve(&world, NULL);
	world_until(&world, world.n_up == 1);
	cr_expect_eq(world.n_down, 0);
	world_close(&world);
	cr_expect_eq(replied.n_calls, 0);
}

Test(redis_connection, comes_back_after_a_restart)
{
	struct world world;
	char run_id[64];

	world_open(&world, NULL);
	strcpy(run_id, redis_connection_server(world.conn)->run_id);
	world_kill(&world);
	world_until(&world, world.n_down == 1);
	cr_expect_not(redis_connection_is_up(world.conn));
	world_serve(&world, NULL);
	world_until(&world, world.n_up == 2);
	cr_expect_str_neq(redis_connection_server(world.conn)->run_id, run_id);
	world_close(&world);
	cr_expect_eq(world.n_down, 1);
}

Test(redis_connection, notices_a_silent_server_when_idle)
{
	struct world world;
	int64_t since_us;

	world_open(&world, NULL);
	world_for_ms(&world, 2 * COMMAND_TIMEOUT_MS); /* heartbeats do it */
	cr_expect_eq(world.n_down, 0);
	since_us = clock_monotonic_us();
	(void)kill(world.server, SIGSTOP);
	world_until(&world, world.n_down == 1);
	cr_expect_lt(
	    clock_monotonic_us() - since_us, COMMAND_TIMEOUT_MS * 4 * 1000);
	cr_expect(
	    strstr(world.why.text, "silent") != NULL, "%s", world.why.text);
	(void)kill(world.server, SIGCONT);
	world_until(&world, world.n_up == 2);
	world_close(&world);
}

/* New commands must not put the deadline off. */
Test(redis_connection, notices_a_silent_server_while_it_is_kept_busy)
{
	struct world world;
	struct replied replied = {0};
	int n_sent = 0;

	world_open(&world, NULL);
	(void)kill(world.server, SIGSTOP);
	while (world.n_down == 0) {
		if (ping(&world, &replied) == 0)
			n_sent++;
		cr_assert_lt(n_sent, 500);
		world_for_ms(&world, 10);
	}
	cr_expect_eq(replied.n_calls, n_sent);
	cr_expect_gt(replied.n_lost, 0);
	(void)kill(world.server, SIGCONT);
	world_until(&world, world.n_up == 2);
	world_close(&world);
}

Test(redis_connection, takes_its_own_sleep_for_nothing_else)
{
	struct world world;
	struct replied replied = {0};

	world_open(&world, NULL);
	cr_assert_eq(ping(&world, &replied), 0);
	event_base_loop(world.base, EVLOOP_ONCE); /* sends */
	(void)usleep(2 * COMMAND_TIMEOUT_MS * 1000);
	world_until(&world, replied.n_calls == 1);
	world_for_ms(&world, COMMAND_TIMEOUT_MS);
	cr_expect_eq(replied.n_lost, 0);
	cr_expect_eq(world.n_down, 0);
	world_close(&world);
}

Test(redis_connection, gives_up_a_server_that_never_answers)
{
	struct world world;

	world_init(&world);
	world_serve(&world, NULL);
	(void)kill(world.server, SIGSTOP);
	world_connect(&world, world.url);
	world_for_ms(&world, 2500); /* past the first attempt */
	cr_expect_eq(world.n_up, 0);
	(void)kill(world.server, SIGCONT);
	world_until(&world, world.n_up == 1);
	world_close(&world);
}

Test(redis_connection, completes_every_command_at_a_stop)
{
	struct world world;
	struct replied replied = {0};

	world_open(&world, NULL);
	(void)kill(world.server, SIGSTOP);
	for (int i = 0; i < REDIS_MAX_PENDING; i++)
		cr_assert_eq(ping(&world, &replied), 0);
	cr_expect_eq(ping(&world, &replied), -1, "more than the bound");
	world_close(&world);
	cr_expect_eq(replied.n_calls, REDIS_MAX_PENDING);
	cr_expect_eq(replied.n_lost, REDIS_MAX_PENDING);
	cr_expect_eq(world.n_down, 0, "it was a stop");
}

Test(redis_connection, completes_every_command_when_it_is_freed)
{
	struct world world;
	struct replied replied = {0};

	world_open(&world, NULL);
	cr_assert_eq(ping(&world, &replied), 0);
	redis_connection_free(steal(&world.conn));
	cr_expect_eq(replied.n_lost, 1);
	world_close(&world);
}

static void
free_stopped(void *context)
{
	struct world *world = context;

	redis_connection_free(steal(&world->conn));
	world->is_stopped = true;
}

Test(redis_connection, stops_starts_and_is_freed_when_stopped)
{
	struct world world;

	world_open(&world, NULL);
	redis_connection_stop(world.conn, world_on_stopped, &world);
	redis_connection_stop(world.conn, NULL, NULL);
	world_until(&world, world.is_stopped);
	world.is_stopped = false;
	redis_connection_start(world.conn);
	redis_connection_stop(world.conn, world_on_stopped, &world);
	world_until(&world, world.is_stopped);
	redis_connection_start(world.conn);
	world_until(&world, world.n_up == 2);
	world.is_stopped = false;
	redis_connection_stop(world.conn, free_stopped, &world);
	world_until(&world, world.is_stopped);
	world_close(&world);
}

static void
stop_in_reply(void *context, const struct redis_reply *reply UNUSED)
{
	struct world *world = context;

	redis_connection_stop(world->conn, world_on_stopped, world);
	cr_expect_not(world->is_stopped);
}

Test(redis_connection, may_be_stopped_from_a_reply)
{
	const char *argv[] = {"PING"};
	struct world world;
	struct replied replied = {0};
	struct pgripple_error err;

	world_open(&world, NULL);
	cr_assert_eq(redis_command(world.conn, 1, argv, NULL, stop_in_reply,
			 &world, &err),
	    0);
	cr_assert_eq(ping(&world, &replied), 0);
	world_until(&world, world.is_stopped);
	cr_expect_eq(replied.n_calls, 1);
	world_close(&world);
}

Test(redis_connection, refuses_a_replica_until_it_is_promoted)
{
	struct world world;
	struct pgripple_error err;

	world_init(&world);
	world_serve(&world, EXTRA("--replicaof", "127.0.0.1 1"));
	err = blocking_error(world.url);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_CONFIG);
	cr_expect(strstr(err.text, "replica of \"127.0.0.1\"") != NULL, "%s",
	    err.text);
	world_connect(&world, world.url);
	world_for_ms(&world, 400);
	cr_expect_eq(world.n_up, 0);
	world_do(&world, "REPLICAOF NO ONE");
	world_until(&world, world.n_up == 1);
	world_close(&world);
}

Test(redis_connection, refuses_a_wrong_password)
{
	struct world world;
	struct pgripple_error err;
	char url[128];

	world_init(&world);
	world_serve(&world, EXTRA("--requirepass", "right/one"));
	(void)snprintf(url, sizeof(url), "unix://:wrong@%s", world.socket);
	err = blocking_error(url);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_CONFIG);
	cr_expect(strstr(err.text, "WRONGPASS") != NULL, "%s", err.text);
	cr_expect(strstr(err.text, "wrong") == NULL, "%s", err.text);
	err = blocking_error(world.url);
	cr_expect(strstr(err.text, "NOAUTH") != NULL, "%s", err.text);
	world_connect(&world, url);
	world_for_ms(&world, 400);
	cr_expect_eq(world.n_up, 0);
	world_close(&world);
}

Test(redis_connection, gives_user_and_password)
{
	struct world world;
	char url[128];

	world_init(&world);
	world_serve(&world, NULL);
	world_do(&world, "ACL SETUSER ann on >a@b/c ~* +@all");
	world_do(&world, "ACL SETUSER default off");
	(void)snprintf(
	    url, sizeof(url), "unix://ann:a%%40b%%2Fc@%s", world.socket);
	world_connect(&world, url);
	world_until(&world, world.n_up == 1);
	cr_expect_str_eq(redis_connection_describe(world.conn), world.url);
	world_close(&world);
}

Test(redis_connection, refuses_a_cluster)
{
	struct world world;
	struct pgripple_error err;
	char port[8];

	(void)snprintf(port, sizeof(port), "%d", world_port());
	world_init(&world);
	world_serve(&world, EXTRA("--port", port, "--cluster-enabled", "yes"));
	err = blocking_error(world.url);
	cr_expect(
	    strstr(err.text, "part of a cluster") != NULL, "%s", err.text);
	world_close(&world);
}

Test(redis_connection, waits_while_the_server_is_full)
{
	struct world world;
	redisContext *holder;
	redisReply *reply;

	world_init(&world);
	world_serve(&world, EXTRA("--maxclients", "1"));
	holder = redisConnectUnix(world.socket);
	reply = redisCommand(holder, "PING");
	cr_assert_not_null(reply);
	freeReplyObject(reply);
	world_connect(&world, world.url);
	world_for_ms(&world, 400);
	cr_expect_eq(world.n_up, 0);
	redisFree(holder);
	world_until(&world, world.n_up == 1);
	world_close(&world);
}

/* An error is a sign of life; only one about its role is not. */
Test(redis_connection, stays_when_a_heartbeat_is_refused)
{
	struct world world;

	world_open(&world, NULL);
	world_do(&world, "ACL SETUSER default -ping");
	world_for_ms(&world, 3 * COMMAND_TIMEOUT_MS);
	cr_expect_eq(world.n_down, 0);
	cr_expect(redis_connection_is_up(world.conn));
	world_close(&world);
}

Test(redis_connection, blocks_for_the_command_line)
{
	struct world world;
	struct redis_blocking *blocking;
	struct pgripple_error err;
	bool exists;

	world_init(&world);
	err = blocking_error(world.url);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_PEER);
	world_serve(&world, NULL);
	cr_assert_eq(redis_blocking_open(world.url, 500, &blocking, &err), 0);
	cr_assert_eq(redis_blocking_set(blocking, "k", "v w", 60000, &err), 0);
	cr_assert_eq(redis_blocking_exists(blocking, "k", &exists, &err), 0);
	cr_expect(exists);
	cr_expect_gt(world_number(&world, "PTTL k"), 50000);
	cr_assert_eq(redis_blocking_unlink(blocking, "k", &err), 0);
	cr_assert_eq(redis_blocking_exists(blocking, "k", &exists, &err), 0);
	cr_expect_not(exists);
	cr_expect_eq(redis_blocking_set(blocking, "k", "v", -1, &err), -1);
	cr_expect(strstr(err.text, "invalid expire") != NULL, "%s", err.text);
	(void)kill(world.server, SIGSTOP);
	cr_expect_eq(redis_blocking_unlink(blocking, "k", &err), -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_PEER);
	cr_expect(
	    strstr(err.text, "did not answer UNLINK within 500 ms") != NULL,
	    "%s", err.text);
	(void)kill(world.server, SIGCONT);
	redis_blocking_close(blocking);
	world_close(&world);
}
