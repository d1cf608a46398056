/*
 * Plans applied to a real Redis, and what its refusals make of them.
 */
#include <stdio.h>

#include "redis_world.h"

#include "redis/scan.h"

#define EXTRA(...) ((const char *const[]){__VA_ARGS__, NULL})

/* n keys "PREFIXi" and operations that unlink them. */
static struct pgripple_operation *
fill(struct world *world, const char *prefix, size_t n, size_t padding)
{
	struct pgripple_operation *operations = calloc(n, sizeof(*operations));
	redisContext *context = redisConnectUnix(world->socket);
	redisReply *reply;

	for (size_t i = 0; i < n; i++) {
		char *key = malloc(padding + 64);
		int length = snprintf(
		    key, padding + 64, "%s%zu%*s", prefix, i, (int)padding, "");

		operations[i] = (struct pgripple_operation){
		    PGRIPPLE_OPERATION_UNLINK, key, (size_t)length};
		(void)redisAppendCommand(
		    context, "SET %b v", key, operations[i].key_length);
	}
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(redisGetReply(context, (void **)&reply), REDIS_OK);
		freeReplyObject(reply);
	}
	redisFree(context);
	return operations;
}

static void
free_operations(struct pgripple_operation *operations, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)operations[i].key);
	free(operations);
}

Test(redis_apply, removes_three_keys_and_only_these)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation operations[3] = {world_unlink("team:1"),
	    world_unlink("a b\r\nc"), world_unlink("absent")};

	world_open(&world, NULL);
	world_do(&world, "MSET team:1 x team:2 x");
	world_do(&world, "SET %s x", "a b\r\nc");
	world_apply(&world, operations, 3, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(applied.n_removed, 2);
	cr_expect_eq(world_number(&world, "DBSIZE"), 1);
	cr_expect_eq(world_number(&world, "EXISTS team:2"), 1);
	world_close(&world);
	cr_expect_eq(applied.n_calls, 1);
}

Test(redis_apply, removes_ten_thousand_keys)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation *operations;

	world_open(&world, NULL);
	world_do(&world, "SET stays x");
	operations = fill(&world, "team:", 10000, 0);
	world_apply(&world, operations, 10000, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(applied.n_removed, 10000);
	cr_expect_eq(world_number(&world, "DBSIZE"), 1);
	free_operations(operations, 10000);
	world_close(&world);
}

/* More bytes than may be in flight, in commands of one or two keys. */
Test(redis_apply, keeps_its_bounds_with_long_keys)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation *operations;

	world_open(&world, NULL);
	operations = fill(&world, "k", 100, 40000);
	world_apply(&world, operations, 100, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(applied.n_removed, 100);
	cr_expect_eq(world_number(&world, "DBSIZE"), 0);
	free_operations(operations, 100);
	world_close(&world);
}

Test(redis_apply, proves_even_nothing)
{
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	world_apply(&world, NULL, 0, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(applied.n_removed, 0);
	world_close(&world);
}

Test(redis_apply, is_not_accepted_while_down_or_for_scans)
{
	struct pgripple_operation scan = {PGRIPPLE_OPERATION_SCAN, "a*", 2};
	struct world world;
	struct applied applied = {0};
	struct pgripple_error err;

	world_open(&world, NULL);
	cr_expect_eq(redis_apply(world.conn, &scan, 1, "n", world_on_applied,
			 &applied, &err),
	    -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_BUG);
	world_kill(&world);
	world_until(&world, world.n_down == 1);
	cr_expect_eq(redis_apply(world.conn, NULL, 0, "n", world_on_applied,
			 &applied, &err),
	    -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_PEER);
	world_close(&world);
	cr_expect_eq(applied.n_calls, 0);
}

Test(redis_apply, is_lost_with_the_server)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation *operations;

	world_open(&world, NULL);
	operations = fill(&world, "k", 50000, 0);
	(void)kill(world.server, SIGSTOP);
	world_apply(&world, operations, 50000, &applied);
	world_for_ms(&world, 50);
	world_kill(&world);
	world_until(&world, world.n_down == 1);
	cr_expect_eq(applied.n_calls, 1);
	cr_expect_eq(applied.outcome, REDIS_APPLY_LOST);
	world_serve(&world, NULL);
	world_until(&world, world.n_up == 2);
	world_apply(&world, operations, 50000, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	free_operations(operations, 50000);
	world_close(&world);
}

Test(redis_apply, is_lost_when_the_server_becomes_a_replica)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation operation = world_unlink("k");

	world_open(&world, NULL);
	world_do(&world, "SET k v");
	world_do(&world, "REPLICAOF 127.0.0.1 1");
	world_apply(&world, &operation, 1, &applied);
	world_until(&world, world.n_down == 1);
	cr_expect_eq(applied.n_calls, 1);
	cr_expect_eq(applied.outcome, REDIS_APPLY_LOST);
	cr_expect(strstr(applied.err.text, "READONLY") != NULL, "%s",
	    applied.err.text);
	world_do(&world, "REPLICAOF NO ONE");
	world_until(&world, world.n_up == 2);
	world_apply(&world, &operation, 1, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(applied.n_removed, 1);
	world_close(&world);
}

static void
check_refused(struct world *world, const char *expected)
{
	struct pgripple_operation operation = world_unlink("k");
	struct applied applied;

	world_apply(world, &operation, 1, &applied);
	world_until(world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_REFUSED);
	cr_expect(
	    strstr(applied.err.text, expected) != NULL, "%s", applied.err.text);
	cr_expect_str_neq(applied.err.hint, "");
	cr_expect(redis_connection_is_up(world->conn));
}

Test(redis_apply, is_refused_with_the_servers_words)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation operation = world_unlink("k");

	world_open(&world, NULL);
	world_do(&world, "CONFIG SET min-replicas-to-write 1");
	check_refused(&world, "NOREPLICAS");
	world_do(&world, "CONFIG SET min-replicas-to-write 0");
	world_do(&world, "ACL SETUSER default -unlink");
	check_refused(&world, "NOPERM");
	world_do(&world, "ACL SETUSER default +unlink -echo");
	check_refused(&world, "NOPERM");
	world_do(&world, "ACL SETUSER default +echo");
	world_apply(&world, &operation, 1, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(world.n_down, 0);
	world_close(&world);
}

/* With a server that answers other commands than were asked. */
static void
check_desync(const char *from, const char *to, const char *expected)
{
	struct world world;
	struct applied applied;
	struct pgripple_operation operations[2] = {
	    world_unlink("k"), world_unlink("l")};
	char path[64];
	FILE *conf;

	world_init(&world);
	(void)snprintf(path, sizeof(path), "%s/conf", world.dir);
	conf = fopen(path, "w");
	(void)fprintf(conf,
	    "rename-command %s \"\"\nrename-command %s %s\n"
	    "port 0\nunixsocket %s\ndir %s\nsave \"\"\nlogfile log\n",
	    to, from, to, world.socket, world.dir);
	(void)fclose(conf);
	world_serve(&world, EXTRA("--include", path));
	world_connect(&world, world.url);
	world_until(&world, world.n_up == 1);
	world_apply(&world, operations, 2, &applied);
	world_until(&world, world.n_down == 1);
	cr_expect_eq(applied.n_calls, 1);
	cr_expect_eq(applied.outcome, REDIS_APPLY_LOST);
	cr_expect(
	    strstr(applied.err.text, expected) != NULL, "%s", applied.err.text);
	world_until(&world, world.n_up == 2);
	world_close(&world);
}

Test(redis_apply, drops_a_server_whose_replies_do_not_fit)
{
	check_desync("MGET", "UNLINK", "unexpected reply of kind \"array\"");
	check_desync("GET", "ECHO", "unexpected reply of kind \"nil\"");
	check_desync("TYPE", "ECHO", "another nonce");
}

struct scanned {
	int n_calls;
	enum redis_apply_outcome outcome;
	char cursor[REDIS_CURSOR_TEXT];
	uint64_t n_found;
	uint64_t n_removed;
	struct pgripple_error err;
};

static void
on_scanned(void *context, enum redis_apply_outcome outcome, const char *cursor,
    uint64_t n_found, uint64_t n_removed, const struct pgripple_error *err)
{
	struct scanned *scanned = context;

	scanned->n_calls++;
	scanned->outcome = outcome;
	if (cursor != NULL)
		strcpy(scanned->cursor, cursor);
	scanned->n_found += n_found;
	scanned->n_removed += n_removed;
	if (err != NULL)
		scanned->err = *err;
}

static void
scan_step(struct world *world, struct scanned *scanned)
{
	struct pgripple_error err;
	int n_calls = scanned->n_calls;

	cr_assert_eq(redis_scan_step(world->conn, scanned->cursor, "team:*", 6,
			 500, on_scanned, scanned, &err),
	    0);
	cr_assert_eq(scanned->n_calls, n_calls, "called back from inside");
	world_until(world, scanned->n_calls == n_calls + 1);
}

Test(redis_apply, scans_five_thousand_keys_away)
{
	struct world world;
	struct scanned scanned = {.cursor = "0"};

	world_open(&world, NULL);
	free_operations(fill(&world, "team:", 5000, 0), 5000);
	free_operations(fill(&world, "game:", 1000, 0), 1000);
	do {
		scan_step(&world, &scanned);
		cr_assert_eq(scanned.outcome, REDIS_APPLY_DONE);
	} while (strcmp(scanned.cursor, "0") != 0);
	cr_expect_gt(scanned.n_calls, 5);
	cr_expect_eq(scanned.n_removed, 5000);
	cr_expect_geq(scanned.n_found, 5000);
	cr_expect_eq(world_number(&world, "DBSIZE"), 1000);
	world_close(&world);
}

Test(redis_apply, scans_are_refused_and_lost_like_plans)
{
	struct world world;
	struct scanned scanned = {.cursor = "0"};
	struct pgripple_error err;

	world_open(&world, NULL);
	free_operations(fill(&world, "team:", 300, 0), 300);
	world_do(&world, "ACL SETUSER default -unlink");
	scan_step(&world, &scanned);
	cr_expect_eq(scanned.outcome, REDIS_APPLY_REFUSED);
	cr_expect(strstr(scanned.err.text, "NOPERM") != NULL);
	world_do(&world, "ACL SETUSER default +unlink -scan");
	scan_step(&world, &scanned);
	cr_expect_eq(scanned.outcome, REDIS_APPLY_REFUSED);
	(void)kill(world.server, SIGSTOP);
	scan_step(&world, &scanned);
	cr_expect_eq(scanned.outcome, REDIS_APPLY_LOST);
	cr_expect_eq(redis_scan_step(world.conn, "1x", "*", 1, 10, on_scanned,
			 &scanned, &err),
	    -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_BUG);
	(void)kill(world.server, SIGCONT);
	world_close(&world);
}
