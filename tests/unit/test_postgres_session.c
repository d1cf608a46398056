/*
 * The session, with a real server that refuses, vanishes and sleeps.
 */
#include "postgres_world.h"

#include <sys/socket.h>
#include <sys/un.h>

/* These need no database of their own, and making one takes a while. */
static void
open_up(struct world *world)
{
	world_open_in(world, "postgres");
	world_begin_up(world);
}

static pid_t
backend_pid(struct world *world)
{
	return atoi(world_query(world, "SELECT pg_backend_pid()").value);
}

Test(postgres_session, comes_up_and_pins_its_settings)
{
	struct world world;
	static const char *const pinned[][2] = {
	    {"search_path", "pg_catalog, pg_temp"},
	    {"default_transaction_isolation", "read committed"},
	    {"row_security", "off"},
	    {"statement_timeout", "5s"},
	    {"lock_timeout", "5s"},
	    {"TimeZone", "UTC"},
	    {"DateStyle", "ISO, YMD"},
	    {"bytea_output", "hex"},
	    {"client_encoding", "UTF8"},
	    {"synchronous_commit", "off"},
	    {"jit", "off"},
	    {"enable_seqscan", "on"},
	    {"application_name", "pgripple work"},
	};
	struct session_options options;
	char sql[128];

	world_open(&world);
	(void)world_ask(&world,
	    "ALTER DATABASE %s SET default_transaction_isolation = "
	    "'serializable'; ALTER DATABASE %s SET search_path = public; "
	    "ALTER DATABASE %s SET default_transaction_read_only = on; "
	    "ALTER DATABASE %s SET \"DateStyle\" = 'German'",
	    world.database, world.database, world.database, world.database);
	options = world_options(world.conninfo);
	world_begin(&world, &options);
	world_until(&world, world.n_up == 1);
	for (size_t i = 0; i < N_ELEMENTS(pinned); i++) {
		(void)snprintf(sql, sizeof(sql), "SHOW %s", pinned[i][0]);
		cr_expect_str_eq(world_query(&world, sql).value, pinned[i][1],
		    "%s", pinned[i][0]);
	}
	cr_expect_geq(session_server_version(world.session), 130000);
	world_close(&world);
}

Test(postgres_session, answers_queries_with_parameters)
{
	struct world world;
	struct told told = {0};
	const char *values[] = {"a\"b'c", NULL};

	open_up(&world);
	CHECK(session_query(world.session, "SELECT $1::text, $2::text IS NULL",
	    2, values, world_on_answer, &told, err));
	cr_expect(session_is_busy(world.session));
	world_until(&world, told.n == 1);
	cr_expect_not(session_is_busy(world.session));
	cr_expect_eq(told.outcome, SESSION_DONE);
	cr_expect_str_eq(told.value, values[0]);
	world_close(&world);
}

Test(postgres_session, refuses_a_second_statement)
{
	struct world world;
	struct told told = {0};
	struct pgripple_error refusal;

	open_up(&world);
	CHECK(session_query(
	    world.session, "SELECT 1", 0, NULL, world_on_answer, &told, err));
	cr_expect_eq(session_query(world.session, "SELECT 2", 0, NULL,
			 world_on_answer, &told, &refusal),
	    -1);
	cr_expect_str_eq(refusal.text, "the postgres session \"work\" is busy");
	world_until(&world, told.n == 1);
	cr_expect_str_eq(told.value, "1");
	world_close(&world);
}

Test(postgres_session, tells_what_the_server_refused)
{
	struct world world;
	struct told told;

	open_up(&world);
	told = world_query(&world, "SELECT * FROM nothing");
	cr_expect_eq(told.outcome, SESSION_FAILED);
	cr_expect_str_eq(told.sqlstate, "42P01");
	cr_expect_str_eq(
	    told.text, "relation \"nothing\" does not exist (42P01)");
	cr_expect_str_eq(world_query(&world, "SELECT 7").value, "7");
	cr_expect_eq(world.n_down, 0);
	world_close(&world);
}

Test(postgres_session, runs_a_script_as_one_transaction)
{
	struct world world;
	struct told told = {0};

	open_up(&world);
	CHECK(session_script(world.session,
	    "SET LOCAL enable_seqscan = off; SHOW enable_seqscan",
	    world_on_answer, &told, err));
	world_until(&world, told.n == 1);
	cr_expect_str_eq(told.value, "off");
	cr_expect_str_eq(
	    world_query(&world, "SHOW enable_seqscan").value, "on");
	world_close(&world);
}

Test(postgres_session, sends_and_reads_more_than_a_socket_holds)
{
	struct world world;
	struct told told = {0};
	size_t length = 20 * 1024 * 1024;
	char *text = malloc(length + 1);
	const char *values[1] = {text};

	memset(text, 'x', length);
	text[length] = '\0';
	open_up(&world);
	CHECK(session_query(world.session,
	    "SELECT md5($1), repeat($1, 2) FROM generate_series(1, 1)", 1,
	    values, world_on_answer, &told, err));
	free(text);
	world_until(&world, told.n == 1);
	cr_expect_eq(told.outcome, SESSION_DONE, "%s", told.text);
	cr_expect_eq(strlen(told.value), 32);
	world_close(&world);
}

Test(postgres_session, hears_notifications_in_every_state)
{
	struct world world;
	struct told told = {0};

	open_up(&world);
	(void)world_query(&world, "LISTEN bell");
	(void)world_ask(&world, "NOTIFY bell");
	world_until(&world, world.n_notified == 1);
	/* They come with the answer to what is under way. */
	CHECK(session_query(world.session, "SELECT pg_sleep(0.3)", 0, NULL,
	    world_on_answer, &told, err));
	(void)world_ask(&world, "NOTIFY bell");
	world_until(&world, told.n == 1 && world.n_notified == 2);
	world_close(&world);
}

Test(postgres_session, comes_back_after_its_backend_was_terminated)
{
	struct world world;
	pid_t pid;

	open_up(&world);
	pid = backend_pid(&world);
	(void)world_ask(&world, "SELECT pg_terminate_backend(%d)", (int)pid);
	world_until(&world, world.n_down == 1);
	cr_expect_str_eq(world.why.text,
	    "terminating connection due to administrator command (57P01)");
	world_until(&world, world.n_up == 2);
	cr_expect_neq(backend_pid(&world), pid);
	world_close(&world);
}

Test(postgres_session, tells_a_statement_that_it_is_lost)
{
	struct world world;
	struct told told = {0};
	pid_t pid;

	open_up(&world);
	pid = backend_pid(&world);
	CHECK(session_query(world.session, "SELECT pg_sleep(20)", 0, NULL,
	    world_on_answer, &told, err));
	world_turn(&world);
	(void)world_ask(&world, "SELECT pg_terminate_backend(%d)", (int)pid);
	world_until(&world, told.n == 1);
	cr_expect_eq(told.outcome, SESSION_LOST);
	cr_expect_str_eq(told.text,
	    "terminating connection due to administrator command (57P01)");
	cr_expect_eq(world.n_down, 1);
	world_until(&world, world.n_up == 2);
	cr_expect_eq(told.n, 1);
	world_close(&world);
}

Test(postgres_session, gives_up_a_backend_that_sleeps_while_idle)
{
	struct world world;
	pid_t pid;
	int64_t began_us;

	open_up(&world);
	pid = backend_pid(&world);
	began_us = clock_monotonic_us();
	cr_assert_eq(kill(pid, SIGSTOP), 0);
	world_until(&world, world.n_down == 1);
	(void)kill(pid, SIGCONT);
	cr_expect_str_eq(
	    world.why.text, "a heartbeat was not answered in time");
	cr_expect_lt(clock_monotonic_us() - began_us, 4000000);
	world_until(&world, world.n_up == 2);
	world_close(&world);
}

Test(postgres_session, gives_up_a_backend_that_sleeps_over_a_statement)
{
	struct world world;
	struct session_options options;
	struct told told = {0};
	pid_t pid;

	world_open_in(&world, "postgres");
	options = world_options(world.conninfo);
	options.statement_timeout_ms = 100; /* and five seconds of grace */
	world_begin(&world, &options);
	world_until(&world, world.n_up == 1);
	pid = backend_pid(&world);
	cr_assert_eq(kill(pid, SIGSTOP), 0);
	CHECK(session_query(
	    world.session, "SELECT 1", 0, NULL, world_on_answer, &told, err));
	world_until(&world, told.n == 1);
	(void)kill(pid, SIGCONT);
	cr_expect_eq(told.outcome, SESSION_LOST);
	cr_expect_str_eq(told.text, "a statement was not answered in time");
	world_until(&world, world.n_up == 2);
	world_close(&world);
}

/* Seconds until a statement is given up of whose process this is seen. */
static double
seconds_until_given_up(struct world *world, const char *seen)
{
	struct told told = {0};
	int64_t began_us = clock_monotonic_us();

	CHECK(session_query(world->session, "SELECT pg_sleep(20)", 0, NULL,
	    world_on_answer, &told, err));
	while (told.n == 0 && clock_monotonic_us() - began_us < PATIENCE_US) {
		session_take_sighting(world->session, seen);
		world_turn(world);
	}
	cr_expect_eq(told.outcome, SESSION_LOST);
	cr_expect_str_eq(told.text,
	    "the server has no statement of ours under way: it was lost, or "
	    "its answer was");
	return (double)(clock_monotonic_us() - began_us) / 1e6;
}

Test(postgres_session, gives_up_a_statement_of_which_the_server_knows_nothing)
{
	struct world world;
	double seconds;

	open_up(&world);
	seconds = seconds_until_given_up(&world, "since long ago");
	cr_expect(seconds >= 1 && seconds < 5, "%f s", seconds);
	world_until(&world, world.n_up == 2);
	session_take_sighting(world.session, "");
	seconds = seconds_until_given_up(&world, SESSION_GONE);
	cr_expect(seconds >= 1 && seconds < 5, "%f s", seconds);
	world_until(&world, world.n_up == 3);
	world_close(&world);
}

static void
sleep_and_be_seen(struct world *world, const char *first, const char *second)
{
	struct told told = {0};

	CHECK(session_query(world->session, "SELECT pg_sleep(3)", 0, NULL,
	    world_on_answer, &told, err));
	for (int i = 0; told.n == 0; i++) {
		session_take_sighting(
		    world->session, i % 2 == 0 ? first : second);
		world_turn(world);
	}
	cr_expect_eq(told.outcome, SESSION_DONE);
	cr_expect_eq(world->n_up, 1);
}

Test(postgres_session, keeps_a_statement_that_may_be_at_work)
{
	struct world world;

	open_up(&world);
	sleep_and_be_seen(&world, SESSION_GONE, SESSION_GONE);
	sleep_and_be_seen(&world, "since now", "");
	sleep_and_be_seen(&world, "since now", "since later");
	world_close(&world);
}

Test(postgres_session, is_told_of_the_servers_own_timeout)
{
	struct world world;
	struct session_options options;
	struct told told;

	world_open_in(&world, "postgres");
	options = world_options(world.conninfo);
	options.statement_timeout_ms = 100;
	world_begin(&world, &options);
	world_until(&world, world.n_up == 1);
	told = world_query(&world, "SELECT pg_sleep(20)");
	cr_expect_eq(told.outcome, SESSION_FAILED);
	cr_expect_str_eq(told.sqlstate, "57014");
	cr_expect_eq(world.n_down, 0);
	world_close(&world);
}

Test(postgres_session, holds_a_statement_until_the_heartbeat_is_answered)
{
	struct world world;
	struct told told = {0};
	const char *values[] = {"kept", NULL};
	pid_t pid;

	open_up(&world);
	pid = backend_pid(&world);
	cr_assert_eq(kill(pid, SIGSTOP), 0);
	/* Long enough for a heartbeat to be sent, not for its deadline. */
	for (int i = 0; i < HEARTBEAT_MS / 10 + 30; i++)
		world_turn(&world);
	cr_assert_eq(world.n_down, 0);
	CHECK(session_query(world.session, "SELECT $1 || $2, $1", 2, values,
	    world_on_answer, &told, err));
	cr_expect(session_is_busy(world.session));
	values[0] = "gone";
	(void)kill(pid, SIGCONT);
	world_until(&world, told.n == 1);
	cr_expect_eq(told.outcome, SESSION_DONE, "%s", told.text);
	cr_expect_eq(world.n_down, 0);
	world_close(&world);
}

Test(postgres_session, gives_up_when_a_heartbeat_is_not_true)
{
	struct world world;

	open_up(&world);
	CHECK(session_set_heartbeat(world.session, "SELECT false", err));
	world_until(&world, world.n_down == 1);
	world_until(&world, world.n_up == 2);
	world_close(&world);
}

Test(postgres_session, waits_for_a_server_that_is_not_there)
{
	struct world world;
	struct session_options options;

	world_open_in(&world, "postgres");
	options = world_options("host=/nowhere user=x password=tops3cret");
	world_begin(&world, &options);
	for (int i = 0; i < 50; i++)
		world_turn(&world);
	cr_expect_eq(world.n_up, 0);
	cr_expect_eq(world.n_down, 0);
	cr_expect_not(session_is_up(world.session));
	cr_expect_null(strstr(session_describe(world.session), "tops3cret"));
	world_close(&world);
}

Test(postgres_session, finds_the_second_host)
{
	struct world world;
	struct session_options options;
	char conninfo[256];

	world_open_in(&world, "postgres");
	(void)snprintf(conninfo, sizeof(conninfo),
	    "host=/nowhere,%s dbname=%s user=postgres", world.folder,
	    world.database);
	options = world_options(conninfo);
	world_begin(&world, &options);
	world_until(&world, world.n_up == 1);
	world_close(&world);
}

/* A host that takes connections and never says a word. */
static int
listen_in_silence(char folder[64])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(folder, 64, "/tmp/pgripple-silent-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
	    "%s/.s.PGSQL.5432", folder);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	return fd;
}

Test(postgres_session, is_not_starved_by_a_silent_first_host)
{
	struct world world;
	struct session_options options;
	char folder[64], conninfo[256], path[96];
	int fd;

	world_open_in(&world, "postgres");
	fd = listen_in_silence(folder);
	(void)snprintf(conninfo, sizeof(conninfo),
	    "host=%s,%s dbname=%s user=postgres", folder, world.folder,
	    world.database);
	options = world_options(conninfo);
	options.connect_timeout_ms = 300;
	world_begin(&world, &options);
	world_until(&world, world.n_up == 1);
	cr_expect_eq(world.n_down, 0);
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", folder);
	(void)unlink(path);
	(void)rmdir(folder);
	world_close(&world);
}

Test(postgres_session, is_told_once_that_it_was_stopped)
{
	struct world world;
	struct told told = {0};

	open_up(&world);
	CHECK(session_query(world.session, "SELECT pg_sleep(20)", 0, NULL,
	    world_on_answer, &told, err));
	session_stop(world.session);
	cr_expect_eq(told.n, 0);
	world_until(&world, told.n == 1);
	cr_expect_eq(told.outcome, SESSION_LOST);
	cr_expect_eq(world.n_down, 0);
	session_start(world.session);
	world_until(&world, world.n_up == 2);
	cr_expect_eq(told.n, 1);
	world_close(&world);
}

static void
free_it(void *context, const struct session_answer *answer)
{
	struct told *told = context;

	told->n++;
	told->outcome = answer->outcome;
	session_free(told->world->session);
	told->world->session = NULL;
}

Test(postgres_session, may_be_freed_from_its_own_callback)
{
	struct world world;
	struct told told = {.world = &world};

	open_up(&world);
	CHECK(session_query(
	    world.session, "SELECT 1", 0, NULL, free_it, &told, err));
	world_until(&world, told.n == 1);
	world_close(&world);
}

Test(postgres_session, completes_its_statement_when_freed)
{
	struct world world;
	struct told told = {0};

	open_up(&world);
	CHECK(session_query(world.session, "SELECT pg_sleep(20)", 0, NULL,
	    world_on_answer, &told, err));
	session_free(world.session);
	world.session = NULL;
	cr_expect_eq(told.n, 1);
	cr_expect_eq(told.outcome, SESSION_LOST);
	world_close(&world);
}

static void
submit_again(void *context, const struct session_answer *answer)
{
	struct told *told = context;
	struct world *world = told->world;

	world_on_answer(told, answer);
	if (told->n < 3)
		CHECK(session_query(world->session, "SELECT 1", 0, NULL,
		    submit_again, told, err));
}

Test(postgres_session, takes_the_next_statement_from_inside_the_answer)
{
	struct world world;
	struct told told = {.world = &world};

	open_up(&world);
	CHECK(session_query(
	    world.session, "SELECT 1", 0, NULL, submit_again, &told, err));
	world_until(&world, told.n == 3);
	world_close(&world);
}

Test(postgres_session, starts_over_when_given_up)
{
	struct world world;
	struct pgripple_error err;

	open_up(&world);
	pgripple_error_set(&err, PGRIPPLE_ERROR_PEER, "of no use");
	session_give_up(world.session, &err);
	cr_expect_eq(world.n_down, 0);
	world_until(&world, world.n_down == 1);
	cr_expect_str_eq(world.why.text, "of no use");
	world_until(&world, world.n_up == 2);
	world_close(&world);
}
