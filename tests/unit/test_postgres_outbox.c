/*
 * Outbox and tasks, on a real server.
 */
#include "postgres_installed.h"

#include "postgres/listen.h"
#include "postgres/outbox.h"
#include "postgres/task.h"

#define MAX_FETCHED 1000

struct fetched {
	int n_calls;
	enum session_outcome outcome;
	size_t n;
	int64_t ids[MAX_FETCHED];
	uint64_t first_xid;
	int64_t first_wall_us;
	char first[256];
	struct pgripple_error err;
};

static void
on_fetched(void *context, enum session_outcome outcome,
    const struct outbox_row *rows, size_t n_rows,
    const struct pgripple_error *err)
{
	struct fetched *fetched = context;

	fetched->n_calls++;
	fetched->outcome = outcome;
	fetched->n = n_rows;
	if (err != NULL)
		fetched->err = *err;
	for (size_t i = 0; i < n_rows && i < MAX_FETCHED; i++)
		fetched->ids[i] = rows[i].id;
	if (n_rows > 0) {
		fetched->first_xid = rows[0].xid;
		fetched->first_wall_us = rows[0].wall_us;
		(void)snprintf(fetched->first, sizeof(fetched->first), "%s",
		    rows[0].change);
	}
}

static struct fetched
fetch(
    struct world *world, int64_t above_id, int64_t max_rows, int64_t max_bytes)
{
	struct outbox_bounds bounds = {above_id, max_rows, max_bytes, false};
	struct fetched fetched = {0};

	CHECK(outbox_fetch(
	    world->session, SCHEMA, &bounds, on_fetched, &fetched, err));
	world_until(world, fetched.n_calls == 1);
	return fetched;
}

/* Changes of 100 bytes each, by what they say of themselves. */
static void
fill(struct world *world, int n)
{
	(void)world_ask(world,
	    "INSERT INTO pgripple.outbox (change, bytes) "
	    "SELECT '{\"table\":\"x\"}', 100 FROM generate_series(1, %d)",
	    n);
}

static int
count(struct world *world, const char *table)
{
	return atoi(
	    world_ask(world, "SELECT count(*) FROM pgripple.%s", table));
}

struct acknowledged {
	int n_calls;
	enum session_outcome outcome;
	size_t n_gone;
	bool is_full;
	struct pgripple_error err;
};

static void
on_acknowledged(void *context, enum session_outcome outcome,
    const struct outbox_acknowledged *answer, const struct pgripple_error *err)
{
	struct acknowledged *acknowledged = context;

	acknowledged->n_calls++;
	acknowledged->outcome = outcome;
	acknowledged->n_gone = answer->n_gone;
	acknowledged->is_full = answer->is_full;
	if (err != NULL)
		acknowledged->err = *err;
}

static struct acknowledged
acknowledge(struct world *world, const struct outbox_acknowledgement *what)
{
	struct acknowledged acknowledged = {0};

	CHECK(outbox_acknowledge(
	    world->session, SCHEMA, what, on_acknowledged, &acknowledged, err));
	world_until(world, acknowledged.n_calls == 1);
	cr_expect_eq(
	    acknowledged.outcome, SESSION_DONE, "%s", acknowledged.err.text);
	return acknowledged;
}

Test(postgres_outbox, fetches_the_oldest_rows_with_all_they_hold)
{
	struct world world;
	struct fetched fetched;

	world_open_installed(&world);
	fill(&world, 5);
	fetched = fetch(&world, 0, 3, 1000000);
	cr_expect_eq(fetched.outcome, SESSION_DONE, "%s", fetched.err.text);
	cr_assert_eq(fetched.n, 3);
	cr_expect_eq(fetched.ids[0], 1);
	cr_expect_eq(fetched.ids[2], 3);
	cr_expect_str_eq(fetched.first, "{\"table\":\"x\"}");
	cr_expect_eq(fetched.first_xid,
	    strtoull(world_ask(&world, "SELECT xid FROM pgripple.outbox "
				       "WHERE id = 1"),
		NULL, 10));
	cr_expect_lt(llabs(clock_wall_us() - fetched.first_wall_us), 60000000);
	world_close(&world);
}

Test(postgres_outbox, is_bounded_by_bytes_but_gives_one_row_at_least)
{
	struct world world;

	world_open_installed(&world);
	fill(&world, 10);
	cr_expect_eq(fetch(&world, 0, 500, 250).n, 3);
	cr_expect_eq(fetch(&world, 0, 500, 1).n, 1);
	cr_expect_eq(fetch(&world, 0, 500, 1000).n, 10);
	world_close(&world);
}

Test(postgres_outbox, skips_what_is_under_the_low_water_mark)
{
	struct world world;
	struct fetched fetched;

	world_open_installed(&world);
	fill(&world, 10);
	fetched = fetch(&world, 7, 500, 1000000);
	cr_assert_eq(fetched.n, 3);
	cr_expect_eq(fetched.ids[0], 8);
	cr_expect_eq(fetch(&world, 10, 500, 1000000).n, 0);
	world_close(&world);
}

Test(postgres_outbox, leaves_the_planner_free_after_a_fetch)
{
	struct world world;

	world_open_installed(&world);
	(void)fetch(&world, 0, 1, 1);
	cr_expect_str_eq(
	    world_query(&world, "SHOW enable_seqscan").value, "on");
	cr_expect_str_eq(world_query(&world, "SHOW enable_sort").value, "on");
	world_close(&world);
}

Test(postgres_outbox, says_why_it_cannot_be_fetched)
{
	struct world world;
	struct fetched fetched;

	world_open_up(&world);
	fetched = fetch(&world, 0, 1, 1);
	cr_expect_eq(fetched.outcome, SESSION_FAILED);
	cr_expect_str_eq(
	    fetched.err.text, "schema \"pgripple\" does not exist (3F000)");
	world_close(&world);
}

Test(postgres_outbox, deletes_what_was_applied_and_nothing_else)
{
	struct world world;
	const int64_t ids[] = {1, 3, 99};

	world_open_installed(&world);
	fill(&world, 4);
	cr_expect_eq(
	    acknowledge(&world,
		&(struct outbox_acknowledgement){.ids = ids, .n_ids = 3})
		.n_gone,
	    2);
	cr_expect_str_eq(world_ask(&world, "SELECT string_agg(id::text, ' ' "
					   "ORDER BY id) FROM pgripple.outbox"),
	    "2 4");
	world_close(&world);
}

Test(postgres_outbox, acknowledges_nothing_at_all)
{
	struct world world;

	world_open_installed(&world);
	cr_expect_eq(
	    acknowledge(&world, &(struct outbox_acknowledgement){0}).n_gone, 0);
	world_close(&world);
}

Test(postgres_outbox, keeps_rejected_rows_with_their_reason)
{
	struct world world;
	const int64_t ids[] = {1};
	const struct outbox_rejection rejections[] = {
	    {2, "a \"quoted\" \\ reason, with {braces}"}, {77, "not there"}};
	struct acknowledged acknowledged;

	world_open_installed(&world);
	fill(&world, 3);
	acknowledged =
	    acknowledge(&world, &(struct outbox_acknowledgement){.ids = ids,
				    .n_ids = 1,
				    .rejections = rejections,
				    .n_rejections = 2,
				    .max_rejected = 10});
	cr_expect_eq(acknowledged.n_gone, 2);
	cr_expect_eq(count(&world, "outbox"), 1);
	cr_expect_eq(count(&world, "rejected"), 1);
	cr_expect_str_eq(world_ask(&world, "SELECT reason FROM "
					   "pgripple.rejected WHERE id = 2 "
					   "AND xid IS NOT NULL "
					   "AND change->>'table' = 'x'"),
	    rejections[0].reason);
	world_close(&world);
}

Test(postgres_outbox, keeps_only_the_newest_rejected_rows)
{
	struct world world;

	world_open_installed(&world);
	fill(&world, 9);
	for (int64_t id = 1; id <= 9; id += 3) {
		const struct outbox_rejection rejections[] = {
		    {id, "a"}, {id + 1, "b"}, {id + 2, "c"}};

		(void)acknowledge(&world,
		    &(struct outbox_acknowledgement){.rejections = rejections,
			.n_rejections = 3,
			.max_rejected = id < 7 ? 4 : 2});
		cr_expect_eq(count(&world, "rejected"), id == 1  ? 3
							: id < 7 ? 4
								 : 2);
	}
	cr_expect_eq(count(&world, "outbox"), 0);
	cr_expect_str_eq(
	    world_ask(&world, "SELECT string_agg(id::text, ' ' ORDER BY id) "
			      "FROM pgripple.rejected"),
	    "8 9");
	world_close(&world);
}

Test(postgres_outbox, adds_each_waiting_task_once)
{
	struct world world;
	const struct outbox_task tasks[] = {
	    {.operation = "{\"do\":\"scan\",\"pattern\":\"a*\"}"},
	    {.operation = "{\"do\":\"scan\",\"pattern\":\"b\\\"*\"}"},
	    {.operation = "{\"do\":\"scan\",\"pattern\":\"a*\"}"},
	};
	struct outbox_acknowledgement what = {.tasks = tasks, .n_tasks = 3};

	world_open_installed(&world);
	(void)acknowledge(&world, &what);
	cr_expect_eq(count(&world, "task"), 2);
	(void)acknowledge(&world, &what);
	cr_expect_eq(count(&world, "task"), 2);
	world_close(&world);
}

Test(postgres_outbox, puts_a_repeat_off_and_leaves_what_is_due_now)
{
	struct world world;
	struct outbox_task tasks[] = {
	    {.operation = "{\"do\":1}"},
	    {.operation = "{\"do\":2}",
		.after_ms = 60000,
		.room = OUTBOX_IF_ROOM},
	};
	struct outbox_acknowledgement what = {.tasks = tasks,
	    .n_tasks = 2,
	    .max_tasks = 9,
	    .from_xid = 7,
	    .to_xid = 8};

	world_open_installed(&world);
	cr_expect_not(acknowledge(&world, &what).is_full);
	cr_expect_eq(count(&world, "task WHERE due <= clock_timestamp() "
				   "AND from_xid = '7' AND to_xid = '8'"),
	    1);
	cr_expect_eq(
	    count(&world, "task WHERE due - created "
			  "BETWEEN '59.9 s' AND '60.1 s' AND to_xid = '0'"),
	    1);
	(void)world_ask(&world, "CREATE TABLE before AS SELECT due "
				"FROM pgripple.task WHERE to_xid = '0'");
	(void)acknowledge(&world, &what);
	cr_expect_eq(count(&world, "task"), 2);
	cr_expect_eq(count(&world, "task WHERE due <= created"), 1);
	cr_expect_eq(
	    count(&world, "task WHERE due > (SELECT due FROM before)"), 1);
	/* The clock is set back. */
	(void)world_ask(&world, "UPDATE pgripple.task SET "
				"due = due + '1h', created = created + '1h'");
	(void)acknowledge(&world, &what);
	cr_expect_eq(
	    count(&world, "task WHERE due - clock_timestamp() "
			  "BETWEEN '50 s' AND '60 s' AND to_xid = '0'"),
	    1);
	world_close(&world);
}

Test(postgres_outbox, takes_coarse_repeats_where_there_is_no_room_for_fine_ones)
{
	struct world world;
	const struct outbox_task tasks[] = {
	    {"{\"do\":1}", 1000, OUTBOX_IF_ROOM},
	    {"{\"do\":2}", 1000, OUTBOX_IF_ROOM},
	    {"{\"do\":3}", 1000, OUTBOX_IF_FULL},
	    {"{\"do\":4}", 0, OUTBOX_ALWAYS},
	};
	struct outbox_acknowledgement what = {
	    .tasks = tasks, .n_tasks = 4, .max_tasks = 1};

	world_open_installed(&world);
	cr_expect(acknowledge(&world, &what).is_full);
	cr_expect_str_eq(
	    world_ask(&world, "SELECT string_agg(operation->>'do', ' ' ORDER "
			      "BY operation->>'do') FROM pgripple.task"),
	    "3 4");
	what.max_tasks = 4;
	cr_expect_not(acknowledge(&world, &what).is_full);
	cr_expect_eq(count(&world, "task"), 4);
	world_close(&world);
}

Test(postgres_outbox, answers_pings)
{
	struct world world;
	const char *const pongs[] = {"one", "t'w\\o"};
	const char *channel, *payload;
	char sql[128];

	world_open_installed(&world);
	(void)snprintf(sql, sizeof(sql), "LISTEN \"%s_pong\"",
	    world_ask(&world, "SELECT pgripple.channel()"));
	(void)world_ask(&world, "%s", sql);
	(void)acknowledge(&world,
	    &(struct outbox_acknowledgement){.pongs = pongs, .n_pongs = 2});
	for (size_t i = 0; i < 2; i++) {
		CHECK(command_wait(world.user, 5000, &channel, &payload, err));
		cr_expect_str_eq(payload, pongs[i]);
	}
	cr_expect_eq(command_wait(world.user, 10, &channel, &payload, NULL),
	    COMMAND_TIMED_OUT);
	world_close(&world);
}

/* ---- tasks ---- */

struct next {
	int n_calls;
	int64_t id; /* 0: none */
	int64_t wait_ms;
	char operation[128];
};

static void
on_next(void *context, enum session_outcome outcome,
    const struct task_answer *answer, const struct pgripple_error *err)
{
	const struct task *task = answer->task;
	struct next *next = context;

	next->n_calls++;
	next->wait_ms = answer->wait_ms;
	cr_expect_eq(outcome, SESSION_DONE, "%s", err == NULL ? "" : err->text);
	if (task == NULL)
		return;
	next->id = task->id;
	(void)snprintf(next->operation, sizeof(next->operation), "%.*s",
	    (int)task->length, task->operation);
}

static struct next
take_one(struct world *world, bool quick)
{
	const struct task_choice choice = {.quick = quick};
	struct next next = {0};

	CHECK(task_next(world->session, SCHEMA, &choice, on_next, &next, err));
	world_until(world, next.n_calls == 1);
	return next;
}

static struct next
take(struct world *world)
{
	return take_one(world, false);
}

static void
on_finished(void *context, enum session_outcome outcome,
    bool is_claimed_by_other, const struct pgripple_error *err UNUSED)
{
	cr_expect_eq(outcome, SESSION_DONE);
	cr_expect(!is_claimed_by_other);
	(*(int *)context)++;
}

Test(postgres_task, is_taken_until_it_is_done)
{
	struct world world;
	struct next next;
	struct task_end end = {0};
	int n_finished = 0;

	world_open_installed(&world);
	cr_expect_eq(take(&world).id, 0);
	(void)world_ask(&world, "INSERT INTO pgripple.task (operation, due) "
				"VALUES ('{\"do\":1}', now()), "
				"('{\"do\":0}', now() - interval '1 s'), "
				"('{\"do\":2}', now() + interval '1 h')");
	cr_expect_str_eq(take(&world).operation, "{\"do\":0}");
	/* As a daemon does that was started anew. */
	next = take(&world);
	cr_expect_str_eq(next.operation, "{\"do\":0}");
	cr_expect_eq(count(&world, "task WHERE started IS NOT NULL"), 1);
	end.id = next.id;
	CHECK(task_done(
	    world.session, SCHEMA, &end, on_finished, &n_finished, err));
	world_until(&world, n_finished == 1);
	next = take(&world);
	cr_expect_str_eq(next.operation, "{\"do\":1}");
	cr_expect_eq(count(&world, "task"), 2);
	end = (struct task_end){
	    .id = next.id, .reason = "because", .max_rejected = 10};
	CHECK(task_done(
	    world.session, SCHEMA, &end, on_finished, &n_finished, err));
	world_until(&world, n_finished == 2);
	cr_expect_eq(count(&world, "task"), 1);
	cr_expect_eq(count(&world, "rejected WHERE reason = 'because' AND "
				   "change->>'op' = 'task' AND "
				   "change->'operation'->>'do' = '1'"),
	    1);
	world_close(&world);
}

Test(postgres_task, tells_when_the_next_one_is_due)
{
	struct world world;

	world_open_installed(&world);
	cr_expect_eq(take(&world).wait_ms, 0);
	(void)world_ask(&world,
	    "INSERT INTO pgripple.task (operation, due, lsn, replicas) VALUES "
	    "('{\"do\":1}', now() + interval '10 s', NULL, NULL), "
	    "('{\"all\":[]}', 'infinity', NULL, NULL), "
	    "('{\"all\":[1]}', now() + interval '5 s', '0/1', '{}')");
	cr_expect_gt(take(&world).wait_ms, 5000);
	cr_expect_leq(take(&world).wait_ms, 10000);
	cr_expect_eq(take_one(&world, true).wait_ms, 100);
	(void)world_ask(&world, "DELETE FROM pgripple.task WHERE due < "
				"'infinity' AND lsn IS NOT NULL");
	cr_expect_eq(take_one(&world, true).wait_ms, 3600000);
	world_close(&world);
}

Test(postgres_task, is_taken_by_who_does_its_kind)
{
	struct world world;

	world_open_installed(&world);
	(void)world_ask(&world, "INSERT INTO pgripple.task (operation) VALUES "
				"('{\"all\":[\"\\u0000\"]}'), ('7')");
	cr_expect_str_eq(take(&world).operation, "7");
	cr_expect_str_eq(
	    take_one(&world, true).operation, "{\"all\":[\"\\u0000\"]}");
	world_close(&world);
}

/* ---- the listen session ---- */

struct ears {
	struct listen *listen;
	int n_ready;
	int n_down;
	int n_rings;
};

static void
on_ready(void *context)
{
	((struct ears *)context)->n_ready++;
}

static void
on_down(void *context, const struct pgripple_error *err UNUSED)
{
	((struct ears *)context)->n_down++;
}

static void
on_ring(void *context)
{
	((struct ears *)context)->n_rings++;
}

static void
listen_begin(struct world *world, struct ears *ears)
{
	static const struct state_claim nothing = {"", NULL, 0};
	struct session_options options = world_options(world->conninfo);
	struct listen_listener listener = {
	    .context = ears,
	    .on_ready = on_ready,
	    .on_down = on_down,
	    .on_ring = on_ring,
	};

	options.name = "listen";
	*ears = (struct ears){0};
	CHECK(listen_new(world->base, &options, SCHEMA, &nothing, &listener,
	    &ears->listen, err));
	listen_start(ears->listen);
}

Test(postgres_listen, hears_the_doorbell)
{
	struct world world;
	struct ears ears;

	world_open_installed(&world);
	listen_begin(&world, &ears);
	world_until(&world, ears.n_ready == 1);
	cr_expect(listen_is_ready(ears.listen));
	(void)world_ask(&world, "SELECT pgripple.ring()");
	world_until(&world, ears.n_rings == 1);
	/* Its heartbeat is content. */
	for (int i = 0; i < 3 * HEARTBEAT_MS / 10; i++)
		world_turn(&world);
	cr_expect_eq(ears.n_down, 0);
	listen_free(ears.listen);
	world_close(&world);
}

Test(postgres_listen, waits_until_the_schema_is_installed)
{
	struct world world;
	struct ears ears;

	world_open(&world);
	listen_begin(&world, &ears);
	for (int i = 0; i < 30; i++)
		world_turn(&world);
	cr_expect_eq(ears.n_ready, 0);
	world_install(&world, SCHEMA);
	world_until(&world, ears.n_ready == 1);
	listen_free(ears.listen);
	world_close(&world);
}

Test(postgres_listen, listens_again_after_its_backend_was_terminated)
{
	struct world world;
	struct ears ears;

	world_open_installed(&world);
	listen_begin(&world, &ears);
	world_until(&world, ears.n_ready == 1);
	(void)world_ask(&world,
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	    "WHERE application_name = 'pgripple listen' "
	    "AND datname = current_database()");
	world_until(&world, ears.n_down == 1);
	world_until(&world, ears.n_ready == 2);
	(void)world_ask(&world, "SELECT pgripple.ring()");
	world_until(&world, ears.n_rings == 1);
	listen_free(ears.listen);
	world_close(&world);
}

Test(postgres_listen, notices_a_schema_that_was_made_again)
{
	struct world world;
	struct ears ears;

	world_open_installed(&world);
	listen_begin(&world, &ears);
	world_until(&world, ears.n_ready == 1);
	(void)world_ask(&world, "DROP SCHEMA pgripple CASCADE");
	world_install(&world, SCHEMA);
	world_until(&world, ears.n_ready == 2);
	cr_expect_eq(ears.n_down, 1);
	(void)world_ask(&world, "SELECT pgripple.ring()");
	world_until(&world, ears.n_rings == 1);
	listen_free(ears.listen);
	world_close(&world);
}
