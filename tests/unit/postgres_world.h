/*
 * A private Postgres server for all tests of a program, and a fresh database
 * for each test.  The server is started and removed by the process that runs
 * the tests; where it is, they know by that process's id.
 */
#ifndef PGRIPPLE_TESTS_POSTGRES_WORLD_H
#define PGRIPPLE_TESTS_POSTGRES_WORLD_H

#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <event2/event.h>

#include "base/clock.h"
#include "postgres/command.h"
#include "postgres/session.h"

#define PATIENCE_US (INT64_C(20) * 1000 * 1000)
#define HEARTBEAT_MS 300

static pid_t server;

#define MAX_SERVER_ARGS 16

static inline void
server_folder(char folder[64], pid_t runner)
{
	(void)snprintf(folder, 64, "/tmp/pgripple-unit-%d", (int)runner);
}

/* ---- in the process that runs the tests ---- */

/* Postgres refuses to run as root. */
static inline void
become_postgres(void)
{
	const struct passwd *user = getpwnam("postgres");

	if (geteuid() != 0)
		return;
	if (user == NULL || setgroups(0, NULL) != 0 ||
	    setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
		_exit(126);
}

static inline void
find_program(char path[256], const char *program)
{
	const char *folder = getenv("PGRIPPLE_PGBIN");
	glob_t found;

	if (folder != NULL) {
		(void)snprintf(path, 256, "%s/%s", folder, program);
		return;
	}
	(void)snprintf(path, 256, "%s", program);
	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
		return;
	(void)snprintf(path, 256, "%.*s%s",
	    (int)(strlen(found.gl_pathv[found.gl_pathc - 1]) -
		  strlen("initdb")),
	    found.gl_pathv[found.gl_pathc - 1], program);
	globfree(&found);
}

static inline pid_t
spawn(const char *program, const char *const *args, const char *log)
{
	char path[256];
	const char *argv[MAX_SERVER_ARGS] = {path};
	pid_t pid;

	find_program(path, program);
	/* By argv[0] it finds the programs beside it. */
	for (size_t i = 1; i < MAX_SERVER_ARGS - 1 && args[i] != NULL; i++)
		argv[i] = args[i];
	pid = fork();
	if (pid != 0)
		return pid;
	become_postgres();
	/* It must not outlive its tests. */
	(void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
	(void)umask(077);
	if (freopen(log, "a", stdout) == NULL ||
	    dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		_exit(125);
	(void)execvp(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests UNUSED)
{
	const struct passwd *user = getpwnam("postgres");
	char folder[64], data[80], log[80];
	int status;

	server_folder(folder, getpid());
	(void)snprintf(data, sizeof(data), "%s/data", folder);
	(void)snprintf(log, sizeof(log), "%s/log", folder);
	if (mkdir(folder, 0755) != 0 ||
	    (geteuid() == 0 && user != NULL &&
		chown(folder, user->pw_uid, user->pw_gid) != 0))
		abort();
	server = spawn("initdb",
	    (const char *const[]){"initdb", "-D", data, "-U", "postgres", "-A",
		"trust", "-E", "UTF8", "--locale=C.UTF-8", "-N", NULL},
	    log);
	if (waitpid(server, &status, 0) != server || status != 0)
		abort();
	server = spawn("postgres",
	    (const char *const[]){"postgres", "-D", data, "-k", folder, "-c",
		"listen_addresses=", "-c", "fsync=off", "-c",
		"shared_buffers=32MB", NULL},
	    log);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats UNUSED)
{
	char folder[64];
	pid_t pid;

	server_folder(folder, getpid());
	(void)kill(server, SIGQUIT);
	(void)waitpid(server, NULL, 0);
	pid = fork();
	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", folder, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

/* ---- in a test ---- */

struct world {
	char folder[64];
	char database[32];
	char conninfo[256];
	struct command *admin; /* connected to the database */
	struct command *user; /* the same, with a usual search path */
	struct event_base *base;
	struct session *session;
	int n_up;
	int n_down;
	int n_notified;
	struct pgripple_error why; /* of the last on_down */
};

#define CHECK(call)                                             \
	do {                                                    \
		struct pgripple_error check_err_ = {0};         \
		struct pgripple_error *err = &check_err_;       \
		cr_assert_eq((call), 0, "%s", check_err_.text); \
	} while (0)

static inline struct command *
world_connect(const char *conninfo)
{
	int64_t until_us = clock_monotonic_us() + PATIENCE_US;
	struct command *command = NULL;
	struct pgripple_error err = {0};

	/* The server may still be starting. */
	while (command_open(conninfo, 5000, 20000, &command, &err) != 0 &&
	       clock_monotonic_us() < until_us)
		(void)usleep(20000);
	cr_assert_not_null(command, "%s", err.text);
	return command;
}

/* Runs SQL aside from the session; the first value of the answer, or NULL. */
static inline const char *world_ask(
    struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

static inline const char *
world_ask(struct world *world, const char *format, ...)
{
	char sql[8192];
	struct rows rows = {0};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	CHECK(command_script(world->user, sql, &rows, err));
	return rows_count(&rows) > 0 ? rows_text(&rows, 0, 0) : NULL;
}

static inline void
server_conninfo(char conninfo[256], const char *folder, const char *database)
{
	(void)snprintf(
	    conninfo, 256, "host=%s dbname=%s user=postgres", folder, database);
}

/* In a database that other tests may use, too. */
static inline void
world_open_in(struct world *world, const char *database)
{
	memset(world, 0, sizeof(*world));
	server_folder(world->folder, getppid());
	(void)snprintf(
	    world->database, sizeof(world->database), "%s", database);
	server_conninfo(world->conninfo, world->folder, database);
	world->admin = world_connect(world->conninfo);
	world->user = world_connect(world->conninfo);
	CHECK(
	    command_script(world->user, "SET search_path = public", NULL, err));
	world->base = event_base_new();
	cr_assert_not_null(world->base);
}

/* A connection to a database where nothing is installed. */
static inline struct command *
server_connect(void)
{
	char folder[64], conninfo[256];

	server_folder(folder, getppid());
	server_conninfo(conninfo, folder, "postgres");
	return world_connect(conninfo);
}

/* In a copy of a database to which nobody is connected. */
static inline void
world_open_copy(
    struct world *world, struct command *command, const char *template)
{
	static int n_databases;
	char database[32], sql[128];

	(void)snprintf(database, sizeof(database), "test%d_%d", (int)getpid(),
	    n_databases++);
	(void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s",
	    database, template);
	CHECK(command_script(command, sql, NULL, err));
	world_open_in(world, database);
}

static inline void
world_open(struct world *world)
{
	struct command *command = server_connect();

	world_open_copy(world, command, "template0");
	command_close(command);
}

static inline void
world_close(struct world *world)
{
	session_free(world->session);
	event_base_free(world->base);
	command_close(world->admin);
	command_close(world->user);
}

/* Runs the event loop until the condition holds. */
#define world_until(world, condition)                                   \
	do {                                                            \
		int64_t until_us_ = clock_monotonic_us() + PATIENCE_US; \
		while (!(condition)) {                                  \
			cr_assert(clock_monotonic_us() < until_us_,     \
			    "waited in vain for " #condition);          \
			world_turn(world);                              \
		}                                                       \
	} while (0)

static inline void
world_turn(struct world *world)
{
	(void)event_base_loopexit(world->base, &(struct timeval){0, 10000});
	(void)event_base_dispatch(world->base);
}

static inline void
world_on_up(void *context)
{
	((struct world *)context)->n_up++;
}

static inline void
world_on_down(void *context, const struct pgripple_error *err)
{
	struct world *world = context;

	world->n_down++;
	world->why = *err;
}

static inline void
world_on_notify(void *context)
{
	((struct world *)context)->n_notified++;
}

static inline struct session_options
world_options(const char *conninfo)
{
	return (struct session_options){
	    .name = "work",
	    .conninfo = conninfo,
	    .connect_timeout_ms = 2000,
	    .statement_timeout_ms = 5000,
	    .heartbeat_ms = HEARTBEAT_MS,
	    .retry_max_ms = 200,
	};
}

static inline void
world_begin(struct world *world, const struct session_options *options)
{
	struct session_listener listener = {
	    world, world_on_up, world_on_down, world_on_notify, NULL};

	CHECK(
	    session_new(world->base, options, &listener, &world->session, err));
	session_start(world->session);
}

static inline void
world_begin_up(struct world *world)
{
	struct session_options options = world_options(world->conninfo);

	world_begin(world, &options);
	world_until(world, world->n_up == 1);
}

/* A session that is up, in a fresh database. */
static inline void
world_open_up(struct world *world)
{
	world_open(world);
	world_begin_up(world);
}

/* What a statement was told. */
struct told {
	struct world *world;
	int n;
	enum session_outcome outcome;
	char sqlstate[6];
	char text[512]; /* of the error */
	char value[512]; /* the first */
	size_t n_rows;
};

static inline void
world_on_answer(void *context, const struct session_answer *answer)
{
	struct told *told = context;
	const char *value;

	told->n++;
	told->outcome = answer->outcome;
	memcpy(told->sqlstate, answer->sqlstate, sizeof(told->sqlstate));
	told->n_rows = rows_count(&answer->rows);
	if (answer->err != NULL)
		(void)snprintf(
		    told->text, sizeof(told->text), "%s", answer->err->text);
	value = told->n_rows > 0 ? rows_text(&answer->rows, 0, 0) : NULL;
	(void)snprintf(told->value, sizeof(told->value), "%s",
	    value == NULL ? "NULL" : value);
}

/* Runs one statement in the session, to its answer. */
static inline struct told
world_query(struct world *world, const char *sql)
{
	struct told told = {.world = world};

	CHECK(session_query(
	    world->session, sql, 0, NULL, world_on_answer, &told, err));
	cr_assert_eq(told.n, 0, "told from inside the call");
	world_until(world, told.n > 0);
	return told;
}

#endif
