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
		    .kind = PGRIPPLE_OPERATION_UNLINK,
		    .key = key,
		    .key_length = (size_t)length,
		};
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
	struct redis_apply_options options = {
	    .nonce = "n", .tag_members = TAG_MEMBERS};
	struct pgripple_operation scan =
	    world_operation(PGRIPPLE_OPERATION_SCAN, "a*");
	struct world world;
	struct applied applied = {0};
	struct pgripple_error err;

	world_open(&world, NULL);
	cr_expect_eq(redis_apply(world.conn, &scan, 1, &options,
			 world_on_applied, &applied, &err),
	    -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_BUG);
	world_kill(&world);
	world_until(&world, world.n_down == 1);
	cr_expect_eq(redis_apply(world.conn, NULL, 0, &options,
			 world_on_applied, &applied, &err),
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
	bool is_last;
	size_t n_refused;
	struct pgripple_error err;
};

static void
on_scanned(void *context, enum redis_apply_outcome outcome,
    const struct redis_scan_result *result, const struct pgripple_error *err)
{
	struct scanned *scanned = context;

	scanned->n_calls++;
	scanned->outcome = outcome;
	if (result != NULL) {
		strcpy(scanned->cursor, result->next_cursor);
		scanned->n_found += result->n_found;
		scanned->n_removed += result->n_removed;
		scanned->is_last = result->is_last;
		scanned->n_refused += result->n_refused;
	}
	if (err != NULL)
		scanned->err = *err;
}

static void
scan_step_each(struct world *world, struct scanned *scanned,
    enum pgripple_operation_kind each)
{
	struct pgripple_operation operation =
	    world_operation(PGRIPPLE_OPERATION_SCAN, "team:*");
	struct redis_scan scan = {
	    scanned->cursor, &operation, 500, TAG_MEMBERS};
	struct pgripple_error err;
	int n_calls = scanned->n_calls;

	operation.each = each;
	cr_assert_eq(
	    redis_scan_step(world->conn, &scan, on_scanned, scanned, &err), 0);
	cr_assert_eq(scanned->n_calls, n_calls, "called back from inside");
	world_until(world, scanned->n_calls == n_calls + 1);
}

static void
scan_step(struct world *world, struct scanned *scanned)
{
	scan_step_each(world, scanned, PGRIPPLE_OPERATION_UNLINK);
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
	struct pgripple_operation operation =
	    world_operation(PGRIPPLE_OPERATION_SCAN, "*");
	struct redis_scan bad = {"1x", &operation, 10, TAG_MEMBERS};
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
	cr_expect_eq(
	    redis_scan_step(world.conn, &bad, on_scanned, &scanned, &err), -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_BUG);
	(void)kill(world.server, SIGCONT);
	world_close(&world);
}

/* Every kind of operation. */

static void
apply_done(struct world *world, const struct pgripple_operation *operations,
    size_t n, struct applied *applied)
{
	world_apply(world, operations, n, applied);
	world_until(world, applied->n_calls > 0);
	cr_assert_eq(
	    applied->outcome, REDIS_APPLY_DONE, "%s", applied->err.text);
}

static void
expect_text(struct world *world, const char *key, const char *text)
{
	redisReply *reply = world_ask(world, "GET %s", key);

	if (text == NULL)
		cr_expect_eq(reply->type, REDIS_REPLY_NIL, "%s", key);
	else
		cr_expect_str_eq(reply->str, text);
	freeReplyObject(reply);
}

Test(redis_apply, deletes_fields_of_each_hash_together)
{
	static const struct pgripple_bytes fields[] = {
	    {"a b", 3}, {"c", 1}, {"x", 1}};
	struct pgripple_operation operations[3];
	struct world world;
	struct applied applied;

	for (size_t i = 0; i < 3; i++) {
		operations[i] =
		    world_operation(PGRIPPLE_OPERATION_HDEL, i < 2 ? "h" : "i");
		operations[i].values = &fields[i];
		operations[i].n_values = 1;
	}
	world_open(&world, NULL);
	world_do(&world, "HSET h %s 1 c 1 d 1", "a b");
	world_do(&world, "HSET i x 1 y 1");
	apply_done(&world, operations, 3, &applied);
	cr_expect_eq(applied.n_removed, 3);
	cr_expect_eq(world_number(&world, "HLEN h"), 1);
	cr_expect_eq(world_number(&world, "HEXISTS h d"), 1);
	cr_expect_eq(world_number(&world, "HEXISTS i y"), 1);
	world_close(&world);
}

Test(redis_apply, raises_counters_and_begins_new_ones_at_the_time)
{
	struct pgripple_operation operations[] = {
	    world_operation(PGRIPPLE_OPERATION_VERSION, "v:1"),
	    world_operation(PGRIPPLE_OPERATION_VERSION, "v:2")};
	struct world world;
	struct applied applied;
	long long first, second;

	world_open(&world, NULL);
	world_do(&world, "SET v:1 41");
	apply_done(&world, operations, 2, &applied);
	expect_text(&world, "v:1", "42");
	first = world_number(&world, "INCRBY v:2 0");
	cr_expect_gt(first, clock_wall_us() - 60 * 1000 * 1000);
	cr_expect_lt(first, clock_wall_us() + 60 * 1000 * 1000);
	/* Raised by EVALSHA this time; then lost. */
	apply_done(&world, operations, 2, &applied);
	cr_expect_eq(world_number(&world, "INCRBY v:2 0"), first + 1);
	world_do(&world, "DEL v:2");
	apply_done(&world, operations, 2, &applied);
	second = world_number(&world, "INCRBY v:2 0");
	cr_expect_gt(second, first + 1);
	world_close(&world);
}

Test(redis_apply, removes_a_counter_that_a_full_server_does_not_raise)
{
	struct pgripple_operation operations[] = {
	    world_operation(PGRIPPLE_OPERATION_VERSION, "v:1"),
	    world_operation(PGRIPPLE_OPERATION_VERSION, "v:2")};
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	world_do(&world, "SET v:1 41");
	world_do(&world, "CONFIG SET maxmemory 1");
	for (size_t i = 0; i < 2; i++) {
		apply_done(&world, &operations[i], 1, &applied);
		cr_expect_eq(applied.n_rejections, 0);
	}
	cr_expect_eq(world_number(&world, "EXISTS v:1 v:2"), 0);
	world_close(&world);
}

Test(redis_apply, sends_scripts_again_that_the_server_has_forgotten)
{
	struct pgripple_operation operations[300];
	char keys[300][16];
	struct world world;
	struct applied applied;

	for (size_t i = 0; i < 300; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "v:%zu", i);
		operations[i] =
		    world_operation(PGRIPPLE_OPERATION_VERSION, keys[i]);
	}
	world_open(&world, NULL);
	apply_done(&world, operations, 300, &applied);
	world_do(&world, "SCRIPT FLUSH");
	apply_done(&world, operations, 300, &applied);
	cr_expect_eq(world_number(&world, "DBSIZE"), 300);
	world_close(&world);
}

Test(redis_apply, sets_a_fence_and_then_unlinks_its_key)
{
	struct pgripple_operation operations[] = {
	    world_operation(PGRIPPLE_OPERATION_FENCE, "fence:k"),
	    world_unlink("k")};
	struct world world;
	struct applied applied;

	operations[0].number = 60000;
	world_open(&world, NULL);
	world_do(&world, "SET k v");
	apply_done(&world, operations, 2, &applied);
	cr_expect_eq(applied.n_removed, 1);
	expect_text(&world, "k", NULL);
	expect_text(&world, "fence:k", "nonce-1");
	cr_expect_gt(world_number(&world, "PTTL fence:k"), 50000);
	/* Full: no fence, but the key goes. */
	world_do(&world, "DEL fence:k");
	world_do(&world, "SET k v");
	world_do(&world, "CONFIG SET maxmemory 1");
	apply_done(&world, operations, 2, &applied);
	cr_expect_eq(applied.n_rejections, 0);
	cr_expect_eq(world_number(&world, "EXISTS k fence:k"), 0);
	world_close(&world);
}

Test(redis_apply, adds_to_streams_and_publishes)
{
	static const struct pgripple_bytes message = {"7\n8", 3};
	static const struct pgripple_bytes entry[] = {
	    {"model", 5}, {"team", 4}, {"id", 2}, {"", 0}};
	struct pgripple_operation operations[] = {
	    world_operation(PGRIPPLE_OPERATION_PUBLISH, "c"),
	    world_operation(PGRIPPLE_OPERATION_STREAM, "s")};
	struct world world;
	struct applied applied;
	redisReply *reply;

	operations[0].values = &message;
	operations[0].n_values = 1;
	operations[1].values = entry;
	operations[1].n_values = 4;
	operations[1].number = 10;
	world_open(&world, NULL);
	for (int i = 0; i < 300; i++)
		apply_done(&world, operations, 2, &applied);
	reply = world_ask(&world, "XREVRANGE s + - COUNT 1");
	cr_expect_eq(reply->element[0]->element[1]->elements, 4);
	cr_expect_str_eq(
	    reply->element[0]->element[1]->element[1]->str, "team");
	freeReplyObject(reply);
	cr_expect_lt(world_number(&world, "XLEN s"), 200);
	world_close(&world);
}

/* A tag "t" of n members "m:0" and so on, all of which exist. */
static void
make_tag(struct world *world, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		world_do(world, "SADD t m:%d", (int)i);
		world_do(world, "SET m:%d x", (int)i);
	}
}

Test(redis_apply, unlinks_a_tag_and_its_members)
{
	struct pgripple_operation operations[] = {
	    world_operation(PGRIPPLE_OPERATION_TAG, "t"),
	    world_operation(PGRIPPLE_OPERATION_TAG, "absent")};
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	make_tag(&world, TAG_MEMBERS);
	world_do(&world, "SET other x");
	apply_done(&world, operations, 2, &applied);
	cr_expect_eq(applied.n_removed, TAG_MEMBERS + 1);
	cr_expect_eq(applied.n_leftovers, 0);
	cr_expect_eq(world_number(&world, "DBSIZE"), 1);
	world_close(&world);
}

Test(redis_apply, puts_a_large_tag_aside_to_be_drained)
{
	struct pgripple_operation tag =
	    world_operation(PGRIPPLE_OPERATION_TAG, "t");
	struct pgripple_operation drain =
	    world_operation(PGRIPPLE_OPERATION_DRAIN, "pgripple:drain:t");
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	make_tag(&world, TAG_MEMBERS + 1);
	apply_done(&world, &tag, 1, &applied);
	cr_expect_eq(applied.n_leftovers, 1);
	cr_expect(applied.leftovers[0].is_aside);
	cr_expect_not(applied.leftovers[0].is_itself);
	cr_expect_eq(world_number(&world, "EXISTS t"), 0);
	/* As after a crash: it is told of again. */
	apply_done(&world, &tag, 1, &applied);
	cr_expect_eq(applied.n_leftovers, 1);
	cr_expect(applied.leftovers[0].is_aside);
	/* The place is taken: the new one is left where it is. */
	make_tag(&world, TAG_MEMBERS + 5);
	apply_done(&world, &tag, 1, &applied);
	cr_expect_eq(applied.n_leftovers, 1);
	cr_expect(applied.leftovers[0].is_aside);
	cr_expect(applied.leftovers[0].is_itself);
	cr_expect_eq(world_number(&world, "SCARD t"), TAG_MEMBERS + 5);
	apply_done(&world, &drain, 1, &applied);
	cr_expect_eq(applied.n_removed, TAG_MEMBERS);
	cr_expect_eq(applied.n_leftovers, 1);
	apply_done(&world, &drain, 1, &applied);
	cr_expect_eq(applied.n_removed, 1);
	cr_expect_eq(applied.n_leftovers, 0);
	cr_expect_eq(world_number(&world, "EXISTS pgripple:drain:t"), 0);
	world_close(&world);
}

Test(redis_apply, scans_for_tags_and_drains_each)
{
	struct scanned scanned = {.cursor = "0"};
	struct world world;
	int n = 0;

	world_open(&world, NULL);
	make_tag(&world, 2 * TAG_MEMBERS + 1);
	world_do(&world, "RENAME t team:large");
	world_do(&world, "SADD team:small m:x");
	world_do(&world, "MSET m:x x team:text x");
	while (!scanned.is_last && n++ < 20)
		scan_step_each(&world, &scanned, PGRIPPLE_OPERATION_DRAIN);
	cr_expect(scanned.is_last);
	cr_expect_eq(scanned.n_removed, 2 * TAG_MEMBERS + 2);
	cr_expect_eq(world_number(&world, "DBSIZE"), 1);
	world_close(&world);
}

/* Refusals for good. */

Test(redis_apply, rejects_keys_that_it_must_not_touch_and_does_the_rest)
{
	struct pgripple_operation operations[250];
	char keys[250][16];
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	for (size_t i = 0; i < 250; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "%s:%zu",
		    i == 7 || i == 201 ? "no" : "ok", i);
		operations[i] = world_unlink(keys[i]);
		world_do(&world, "SET %s x", keys[i]);
	}
	world_do(&world, "ACL SETUSER default resetkeys ~ok:*");
	apply_done(&world, operations, 250, &applied);
	cr_expect_eq(applied.n_removed, 248);
	cr_expect_eq(applied.n_rejections, 2);
	cr_expect_eq(applied.rejected[0], 7);
	cr_expect_eq(applied.rejected[1], 201);
	cr_expect(strstr(applied.reasons[0], "no:7") != NULL &&
		      strstr(applied.reasons[0], "NOPERM") != NULL,
	    "%s", applied.reasons[0]);
	cr_expect(redis_connection_is_up(world.conn));
	world_close(&world);
}

Test(redis_apply, rejects_keys_of_a_wrong_type_and_does_the_rest)
{
	static const struct pgripple_bytes values[] = {{"a", 1}, {"b", 1}};
	struct pgripple_operation operations[] = {
	    world_operation(PGRIPPLE_OPERATION_HDEL, "text"),
	    world_operation(PGRIPPLE_OPERATION_VERSION, "list"),
	    world_operation(PGRIPPLE_OPERATION_VERSION, "text"),
	    world_operation(PGRIPPLE_OPERATION_VERSION, "fine"),
	    world_operation(PGRIPPLE_OPERATION_TAG, "text"),
	    world_operation(PGRIPPLE_OPERATION_STREAM, "text")};
	struct world world;
	struct applied applied;

	operations[0].values = operations[5].values = values;
	operations[0].n_values = 1;
	operations[5].n_values = 2;
	world_open(&world, NULL);
	world_do(&world, "SET text abc");
	world_do(&world, "RPUSH list x");
	world_do(&world, "SET fine 1");
	apply_done(&world, operations, 6, &applied);
	cr_expect_eq(applied.n_rejections, 5);
	cr_expect(strstr(applied.reasons[0], "WRONGTYPE") != NULL, "%s",
	    applied.reasons[0]);
	cr_expect_geq(world_number(&world, "INCRBY fine 0"), 2);
	world_close(&world);
}

Test(redis_apply, rejects_a_tag_for_a_member_and_unlinks_the_others)
{
	struct pgripple_operation tag =
	    world_operation(PGRIPPLE_OPERATION_TAG, "t");
	struct pgripple_operation drain =
	    world_operation(PGRIPPLE_OPERATION_DRAIN, "t");
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	make_tag(&world, 5);
	world_do(&world, "SADD t no:1");
	world_do(&world, "SET no:1 x");
	world_do(&world, "ACL SETUSER default resetkeys ~t ~m:* ~pgripple:*");
	apply_done(&world, &tag, 1, &applied);
	cr_expect_eq(applied.n_removed, 5);
	cr_expect_eq(applied.n_rejections, 1);
	cr_expect(strstr(applied.reasons[0], "no:1") != NULL, "%s",
	    applied.reasons[0]);
	cr_expect_eq(world_number(&world, "EXISTS t"), 1);
	apply_done(&world, &drain, 1, &applied);
	cr_expect_eq(applied.n_rejections, 1);
	cr_expect_eq(applied.n_leftovers, 0);
	cr_expect_eq(world_number(&world, "SISMEMBER t no:1"), 1);
	world_close(&world);
}

/* They are met once, and not in the way of the next large tag. */
Test(redis_apply, keeps_members_that_a_drain_was_refused)
{
	struct pgripple_operation drain =
	    world_operation(PGRIPPLE_OPERATION_DRAIN, "pgripple:drain:t");
	struct world world;
	struct applied applied;
	int n_refused = 0, n = 0;

	world_open(&world, NULL);
	make_tag(&world, 3 * TAG_MEMBERS);
	world_do(&world, "RENAME t pgripple:drain:t");
	world_do(&world, "SADD pgripple:drain:t no:1 no:2");
	world_do(&world, "MSET no:1 x no:2 x");
	world_do(&world, "ACL SETUSER default resetkeys ~t ~m:* ~pgripple:*");
	do {
		apply_done(&world, &drain, 1, &applied);
		n_refused += (int)applied.n_rejections;
	} while (applied.n_leftovers > 0 && ++n < 20);
	cr_expect_eq(applied.n_leftovers, 0);
	cr_expect(n_refused >= 1 && n_refused <= 2, "%d", n_refused);
	cr_expect_eq(world_number(&world, "EXISTS pgripple:drain:t"), 0);
	cr_expect_eq(world_number(&world,
			 "SCARD pgripple:drain:refused:pgripple:drain:t"),
	    2);
	/* Again, in vain; then not in vain. */
	apply_done(&world, &drain, 1, &applied);
	cr_expect_eq(applied.n_rejections, 1);
	world_do(&world, "ACL SETUSER default allkeys");
	apply_done(&world, &drain, 1, &applied);
	cr_expect_eq(applied.n_removed, 2);
	cr_expect_eq(applied.n_rejections + applied.n_leftovers, 0);
	cr_expect_eq(world_number(&world, "DBSIZE"), 0);
	world_close(&world);
}
