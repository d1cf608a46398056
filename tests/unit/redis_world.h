/*
 * A private redis-server and a connection to it, for tests.
 */
#ifndef PGRIPPLE_TESTS_REDIS_WORLD_H
#define PGRIPPLE_TESTS_REDIS_WORLD_H

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "redis/apply.h"
#include "redis/connection.h"

#define COMMAND_TIMEOUT_MS 400
#define PATIENCE_US (INT64_C(20) * 1000 * 1000)
#define MAX_ARGS 40
#define MAX_NOTED 4
#define TAG_MEMBERS 100
#define MAX_REPLY_BYTES (1 << 20)

struct world {
	char dir[32];
	char socket[48];
	char url[128];
	pid_t server;
	struct event_base *base;
	struct event *tick;
	struct redis_connection *conn;
	int n_up;
	int n_down;
	bool is_stopped;
	struct pgripple_error why; /* of the last on_down */
};

static inline void
world_exec(const struct world *world, const char *const *extra)
{
	const char *args[MAX_ARGS] = {"redis-server", "--port", "0",
	    "--unixsocket", world->socket, "--save", "", "--dir", world->dir,
	    "--logfile", "log"};
	size_t n = 11;

	for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
		args[n++] = extra[i];
	/* It must not outlive a test that fails. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execvp(args[0], (char *const *)(uintptr_t)args);
	_exit(127);
}

/* Sends one command on a connection of its own; the caller frees the reply. */
static inline redisReply *
world_ask(const struct world *world, const char *format, ...)
{
	redisContext *context = redisConnectUnix(world->socket);
	redisReply *reply;
	va_list args;

	cr_assert_not_null(context);
	va_start(args, format);
	reply = context->err == 0 ? redisvCommand(context, format, args) : NULL;
	va_end(args);
	redisFree(context);
	return reply;
}

/* The same, for an integer (or -1). */
#define world_number(world, ...)                                           \
	__extension__({                                                    \
		redisReply *number_reply_ = world_ask(world, __VA_ARGS__); \
		long long number_ =                                        \
		    number_reply_ != NULL &&                               \
			    number_reply_->type == REDIS_REPLY_INTEGER     \
			? number_reply_->integer                           \
			: -1;                                              \
		freeReplyObject(number_reply_);                            \
		number_;                                                   \
	})

#define world_do(world, ...)                                                   \
	do {                                                                   \
		redisReply *do_reply_ = world_ask(world, __VA_ARGS__);         \
		cr_assert_not_null(do_reply_);                                 \
		cr_assert_neq(                                                 \
		    do_reply_->type, REDIS_REPLY_ERROR, "%s", do_reply_->str); \
		freeReplyObject(do_reply_);                                    \
	} while (0)

static inline void
world_serve(struct world *world, const char *const *extra)
{
	int64_t until_us = clock_monotonic_us() + PATIENCE_US;
	redisReply *reply = NULL;

	world->server = fork();
	if (world->server == 0)
		world_exec(world, extra);
	while (reply == NULL && clock_monotonic_us() < until_us) {
		(void)usleep(10000);
		reply = world_ask(world, "ECHO x"); /* NOAUTH does, too */
	}
	cr_assert_not_null(reply, "redis-server did not start");
	freeReplyObject(reply);
}

/* Probably free, and below the ports that the kernel gives to clients; the one
 * 10,000 above, of a cluster's bus, is likely free too. */
static inline int
world_port(void)
{
	return 12000 + getpid() % 10000;
}

static inline void
world_kill(struct world *world)
{
	if (world->server > 0) {
		(void)kill(world->server, SIGKILL);
		(void)waitpid(world->server, NULL, 0);
	}
	world->server = 0;
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
world_on_stopped(void *context)
{
	((struct world *)context)->is_stopped = true;
}

static inline void
world_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *context UNUSED)
{
}

static inline void
world_init(struct world *world)
{
	static const struct timeval every = {0, 5000};

	*world = (struct world){0};
	(void)signal(SIGPIPE, SIG_IGN);
	strcpy(world->dir, "/tmp/pgripple-redis-XXXXXX");
	cr_assert_not_null(mkdtemp(world->dir));
	(void)snprintf(
	    world->socket, sizeof(world->socket), "%s/s", world->dir);
	(void)snprintf(
	    world->url, sizeof(world->url), "unix://%s", world->socket);
	world->base = event_base_new();
	world->tick = event_new(world->base, -1, EV_PERSIST, world_tick, NULL);
	(void)event_add(world->tick, &every);
}

static inline void
world_connect(struct world *world, const char *url)
{
	struct redis_options options = {
	    .url = url,
	    .connect_timeout_ms = 2000,
	    .command_timeout_ms = COMMAND_TIMEOUT_MS,
	    .retry_max_ms = 300,
	    .sentinel_interval_ms = 100,
	    .reply_bytes = MAX_REPLY_BYTES,
	};
	struct redis_listener listener = {world, world_on_up, world_on_down};
	struct pgripple_error err;

	cr_assert_eq(redis_connection_new(
			 world->base, &options, &listener, &world->conn, &err),
	    0);
	redis_connection_start(world->conn);
}

/* Runs the loop until a condition holds, or for a time. */
#define world_until(world, condition)                                   \
	do {                                                            \
		int64_t until_us_ = clock_monotonic_us() + PATIENCE_US; \
		while (!(condition)) {                                  \
			cr_assert(clock_monotonic_us() < until_us_,     \
			    "waited in vain for: %s", #condition);      \
			event_base_loop((world)->base, EVLOOP_ONCE);    \
		}                                                       \
	} while (0)

#define world_for_ms(world, ms)                                      \
	do {                                                         \
		int64_t end_us_ = clock_monotonic_us() + (ms)*1000;  \
		while (clock_monotonic_us() < end_us_)               \
			event_base_loop((world)->base, EVLOOP_ONCE); \
	} while (0)

/* With a server, and connected to it. */
static inline void
world_open(struct world *world, const char *const *extra)
{
	world_init(world);
	world_serve(world, extra);
	world_connect(world, world->url);
	world_until(world, world->n_up == 1);
}

static inline void
world_close(struct world *world)
{
	char command[64];

	if (world->conn != NULL) {
		world->is_stopped = false;
		redis_connection_stop(world->conn, world_on_stopped, world);
		cr_assert_not(world->is_stopped, "called back from inside");
		world_until(world, world->is_stopped);
		redis_connection_free(world->conn);
	}
	event_free(world->tick);
	event_base_free(world->base);
	world_kill(world);
	(void)snprintf(command, sizeof(command), "rm -rf %s", world->dir);
	cr_assert_eq(system(command), 0);
}

/* An apply under way, and how it ended. */
struct applied {
	int n_calls;
	enum redis_apply_outcome outcome;
	uint64_t n_removed;
	size_t n_rejections;
	size_t rejected[MAX_NOTED];
	char reasons[MAX_NOTED][512];
	size_t n_leftovers;
	struct redis_leftover leftovers[MAX_NOTED];
	char keys[MAX_NOTED][128]; /* of leftovers that have one */
	struct pgripple_error err;
};

static inline void
world_on_applied(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err)
{
	struct applied *applied = context;

	applied->n_calls++;
	applied->outcome = outcome;
	applied->n_removed = result->n_removed;
	applied->n_rejections = result->n_rejections;
	for (size_t i = 0; i < result->n_rejections && i < MAX_NOTED; i++) {
		applied->rejected[i] = result->rejections[i].operation;
		(void)snprintf(applied->reasons[i], sizeof(applied->reasons[i]),
		    "%s", result->rejections[i].reason);
	}
	applied->n_leftovers = result->n_leftovers;
	for (size_t i = 0; i < result->n_leftovers && i < MAX_NOTED; i++) {
		applied->leftovers[i] = result->leftovers[i];
		if (result->leftovers[i].key != NULL)
			(void)snprintf(applied->keys[i],
			    sizeof(applied->keys[i]), "%s",
			    result->leftovers[i].key);
		applied->leftovers[i].key = NULL; /* lent */
	}
	if (err != NULL)
		applied->err = *err;
}

static inline void
world_apply(struct world *world, const struct pgripple_operation *operations,
    size_t n, struct applied *ret_applied)
{
	struct redis_apply_options options = {
	    .nonce = "nonce-1", .tag_members = TAG_MEMBERS};
	struct pgripple_error err;

	*ret_applied = (struct applied){0};
	cr_assert_eq(redis_apply(world->conn, operations, n, &options,
			 world_on_applied, ret_applied, &err),
	    0);
	cr_assert_eq(ret_applied->n_calls, 0, "called back from inside");
}

static inline struct pgripple_operation
world_operation(enum pgripple_operation_kind kind, const char *key)
{
	return (struct pgripple_operation){
	    .kind = kind,
	    .each = PGRIPPLE_OPERATION_UNLINK,
	    .key = key,
	    .key_length = strlen(key),
	};
}

static inline struct pgripple_operation
world_unlink(const char *key)
{
	return world_operation(PGRIPPLE_OPERATION_UNLINK, key);
}

#endif
