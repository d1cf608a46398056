/*
 * "pgripple ping": a canary goes the way of every change, and each stage of
 * the way is timed.
 *
 * The canary is a key in every Redis that only the daemon removes.  The daemon
 * answers on the channel of the doorbell with "_pong" added, in the statement
 * that deletes the canary's row from the outbox:
 *
 *	{"key": "pgripple:ping:...", "doorbell_us": 900, "redis_us": 200}
 *
 * doorbell_us is from the trigger's clock to the row's arrival at the daemon,
 * redis_us from there to Redis's answer.  A daemon that only observes adds
 * "observed": true; the canary is then still in Redis, or never was, since
 * nobody needs a Redis to observe.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include <pgripple/graph.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/settings.h"
#include "postgres/command.h"
#include "postgres/quote.h"
#include "redis/blocking.h"

/* The canary dies by itself if nobody removes it. */
#define KEY_TTL_MS 60000
#define KEY_SIZE 64

struct pong {
	int64_t doorbell_us;
	int64_t redis_us;
	bool observed; /* nothing was sent to Redis */
};

/* The key in one Redis. */
struct canary {
	const char *target;
	const char *prefix;
	struct redis_blocking *redis;
	struct buf key;
};

struct ping {
	struct command *command;
	struct canary canaries[PGRIPPLE_MAX_TARGETS];
	size_t n_canaries; /* 0: observing needs no Redis */
	const char *schema; /* quoted */
	int64_t timeout_ms;
	char key[KEY_SIZE]; /* without a prefix */
	int64_t id; /* of the outbox row */
	int64_t sent_us; /* monotonic, like the next two */
	int64_t committed_us;
	int64_t answered_us;
	struct pong pong;
};

/* What is seen of the canary's way when no answer came. */
struct trace {
	bool is_in_outbox;
	int64_t n_before; /* rows of the outbox that are older */
	int64_t n_daemons;
	const struct canary *left; /* one that is still there, or NULL */
};

/* The formats put in the schema, quoted, and numbers; nothing else. */
#define SQL_SIZE 1024

static int query(struct ping *ping, const char *value, struct rows *ret_rows,
    struct pgripple_error *err, const char *format, ...) PRINTF_LIKE(5, 6);

static int
query(struct ping *ping, const char *value, struct rows *ret_rows,
    struct pgripple_error *err, const char *format, ...)
{
	char sql[SQL_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	return command_query(
	    ping->command, sql, value == NULL ? 0 : 1, &value, ret_rows, err);
}

static void
say_stage(const char *stage, int64_t us, const char *what)
{
	(void)printf("%-12s %8.1f ms  %s\n", stage, (double)us / 1000, what);
}

static int
make_key(struct ping *ping, struct pgripple_error *err)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_PEER, "could not get a random number");
	(void)snprintf(
	    ping->key, sizeof(ping->key), "pgripple:ping:%016" PRIx64, number);
	for (size_t i = 0; i < ping->n_canaries; i++) {
		struct canary *canary = &ping->canaries[i];

		buf_printf(&canary->key, "%s%s", canary->prefix, ping->key);
		if (canary->key.failed)
			return pgripple_error_nomem(err);
		if (redis_blocking_set(canary->redis, canary->key.bytes, "1",
			KEY_TTL_MS, err) != 0)
			return -1;
	}
	return 0;
}

/* One that nobody has removed yet; NULL if there is none. */
static int
find_canary(struct ping *ping, const struct canary **ret_left,
    struct pgripple_error *err)
{
	bool exists = false;

	*ret_left = NULL;
	for (size_t i = 0; i < ping->n_canaries && !exists; i++) {
		const struct canary *canary = &ping->canaries[i];

		if (redis_blocking_exists(
			canary->redis, canary->key.bytes, &exists, err) != 0)
			return -1;
		if (exists)
			*ret_left = canary;
	}
	return 0;
}

static int
listen_for_pong(struct ping *ping, struct pgripple_error *err)
{
	struct rows rows;
	struct buf channel = BUF_INIT;
	struct buf sql = BUF_INIT;
	int result = -1;

	if (query(ping, NULL, &rows, err, "SELECT %s.channel()",
		ping->schema) != 0)
		return -1;
	buf_printf(&channel, "%s_pong", rows_text(&rows, 0, 0));
	buf_add_string(&sql, "LISTEN ");
	quote_identifier(&sql, buf_string(&channel));
	if (channel.failed || sql.failed)
		(void)pgripple_error_nomem(err);
	else
		result =
		    command_query(ping->command, sql.bytes, 0, NULL, NULL, err);
	buf_done(&sql);
	buf_done(&channel);
	return result;
}

static int
send_canary(struct ping *ping, struct pgripple_error *err)
{
	struct rows rows;

	ping->sent_us = clock_monotonic_us();
	if (query(ping, ping->key, &rows, err, "SELECT %s.ping($1)",
		ping->schema) != 0)
		return -1;
	ping->committed_us = clock_monotonic_us();
	ping->id = rows_int(&rows, 0, 0);
	return 0;
}

static int64_t
number_member(const struct json *object, const char *key)
{
	const struct json *number = json_member(object, key);

	return number != NULL && number->kind == JSON_NUMBER
		   ? strtoll(number->text, NULL, 10)
		   : 0;
}

/* Whether this is the answer to our canary; others may be under way, and any
 * role can notify any channel. */
static bool
is_pong(struct ping *ping, const char *payload)
{
	struct arena *arena = arena_new();
	const struct json *key = NULL;
	struct json *root;
	struct pgripple_error err;

	if (arena != NULL &&
	    json_read(arena, payload, strlen(payload), &root, &err) == 0)
		key = json_member(root, "key");
	if (key != NULL && json_is(key, ping->key)) {
		ping->pong = (struct pong){
		    .doorbell_us = number_member(root, "doorbell_us"),
		    .redis_us = number_member(root, "redis_us"),
		    .observed = json_member(root, "observed") != NULL,
		};
		arena_free(arena);
		return true;
	}
	arena_free(arena);
	return false;
}

static int
wait_for_pong(struct ping *ping, bool *ret_answered, struct pgripple_error *err)
{
	int64_t deadline_us = ping->sent_us + ping->timeout_ms * 1000;

	for (;;) {
		int64_t left_us = deadline_us - clock_monotonic_us();
		const char *channel, *payload;
		int outcome = COMMAND_TIMED_OUT;

		if (left_us > 0)
			outcome = command_wait(ping->command,
			    left_us / 1000 + 1, &channel, &payload, err);
		if (outcome < 0)
			return -1;
		if (outcome == COMMAND_TIMED_OUT)
			break;
		if (is_pong(ping, payload)) {
			ping->answered_us = clock_monotonic_us();
			*ret_answered = true;
			return 0;
		}
	}
	*ret_answered = false;
	return 0;
}

/* The daemon's stages are its own word; the last one is what is left. */
static void
say_stages(const struct ping *ping)
{
	const struct pong *pong = &ping->pong;
	int64_t total_us = ping->answered_us - ping->sent_us;
	int64_t rest_us = total_us - pong->doorbell_us - pong->redis_us;
	const char *redis = ping->n_canaries > 1
				? "the keys are gone, from every target"
				: "the key is gone";

	if (pong->observed)
		redis = "nothing was sent: the daemon only observes";
	else if (ping->n_canaries == 0)
		redis = "told to remove it: the daemon does not observe, "
			"unlike the settings";
	say_stage(
	    "doorbell", pong->doorbell_us, "from the trigger to the daemon");
	say_stage("redis", pong->redis_us, redis);
	say_stage("acknowledge", rest_us > 0 ? rest_us : 0,
	    "the change is deleted from the outbox");
	say_stage("total", total_us, "it works");
}

static int
look_for_trace(
    struct ping *ping, struct trace *ret_trace, struct pgripple_error *err)
{
	struct trace trace;
	struct rows rows;

	if (query(ping, NULL, &rows, err,
		"SELECT count(*) FILTER (WHERE id = %" PRId64 ") > 0,"
		" count(*) FILTER (WHERE id < %" PRId64 "),"
		" (SELECT count(*) FROM pg_stat_activity"
		" WHERE datname = current_database()"
		" AND application_name = 'pgripple listen')"
		" FROM %s.outbox WHERE id <= %" PRId64,
		ping->id, ping->id, ping->schema, ping->id) != 0)
		return -1;
	trace.is_in_outbox = rows_bool(&rows, 0, 0);
	trace.n_before = rows_int(&rows, 0, 1);
	trace.n_daemons = rows_int(&rows, 0, 2);
	if (find_canary(ping, &trace.left, err) != 0)
		return -1;
	*ret_trace = trace;
	return 0;
}

/* Which stage failed, and what to look at. */
static void
explain(const struct ping *ping, const struct trace *trace,
    struct pgripple_error *err)
{
	const char *stage, *why, *hint;

	if (trace->is_in_outbox && trace->n_daemons == 0) {
		stage = "doorbell";
		why = "no daemon is connected to this database";
		hint = "Start it with \"pgripple run\", or \"systemctl start "
		       "pgripple\"; its log says what it waits for.";
	} else if (trace->is_in_outbox && ping->n_canaries == 0) {
		stage = "acknowledge";
		why = "the daemon is connected, but the change is still in the "
		      "outbox";
		hint = "The daemon's log says what it waits for.";
	} else if (trace->is_in_outbox && trace->left != NULL &&
		   trace->n_before > 0) {
		stage = "doorbell";
		why = "the daemon is connected, older changes wait as well";
		hint = "It works on a backlog, or does not reach Redis: its "
		       "log says which.";
	} else if (trace->is_in_outbox && trace->left != NULL) {
		stage = "redis";
		why = "the daemon is connected, but has not removed the key";
		hint = "The daemon's log says whether it heard of the change "
		       "and whether it reaches Redis.";
	} else if (trace->is_in_outbox) {
		stage = "acknowledge";
		why = "the key is gone, but the change is still in the outbox";
		hint = "The daemon's log says why it could not delete it.";
	} else if (trace->left != NULL) {
		stage = "redis";
		why = "the daemon has done its work, but the key is still "
		      "there";
		hint = "Does the daemon use the same Redis and database as "
		       "redis.url says here?";
	} else {
		stage = "acknowledge";
		why = "the key and the change are gone, but no answer came";
		hint = "Is there a transaction pooler in between? \"pgripple "
		       "check\" looks for one.";
	}
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "%s: nothing for %.1f s: %s%s%s", stage,
	    (double)ping->timeout_ms / 1000, why,
	    ping->n_canaries > 1 && trace->left != NULL ? ", in target " : "",
	    ping->n_canaries > 1 && trace->left != NULL ? trace->left->target
							: "");
	pgripple_error_hint(err, "%s", hint);
}

static enum exit_status
give_up(struct ping *ping)
{
	struct trace trace;
	struct pgripple_error err;

	if (look_for_trace(ping, &trace, &err) != 0)
		return output_error(&err);
	explain(ping, &trace, &err);
	(void)output_error(&err);
	return EXIT_STATUS_PROBLEM;
}

/* An answer is the daemon's word; the key is looked for here. */
static enum exit_status
confirm(struct ping *ping)
{
	struct pgripple_error err;
	const struct canary *left = NULL;

	if (!ping->pong.observed && find_canary(ping, &left, &err) != 0)
		return output_error(&err);
	if (left != NULL)
		return give_up(ping);
	say_stages(ping);
	return EXIT_STATUS_OK;
}

static enum exit_status
go(struct ping *ping)
{
	struct pgripple_error err;
	bool answered;

	if (listen_for_pong(ping, &err) != 0 || make_key(ping, &err) != 0 ||
	    send_canary(ping, &err) != 0)
		return setup_refused(ping->command, &err);
	say_stage("outbox", ping->committed_us - ping->sent_us,
	    "the change is committed");
	(void)fflush(stdout);
	if (wait_for_pong(ping, &answered, &err) != 0)
		return setup_refused(ping->command, &err);
	return answered ? confirm(ping) : give_up(ping);
}

static enum exit_status
open_targets(struct ping *ping, const struct settings *settings)
{
	struct pgripple_error err;

	if (settings_observes(settings))
		return EXIT_STATUS_OK;
	for (size_t i = 0; i < settings->redis.n_targets; i++) {
		const struct settings_target *target =
		    &settings->redis.targets[i];
		struct canary *canary = &ping->canaries[i];
		enum exit_status status =
		    setup_redis(settings, target, &canary->redis, &err);

		if (status != EXIT_STATUS_OK) {
			(void)output_error(&err);
			return status;
		}
		canary->target = target->name;
		canary->prefix = target->prefix;
		ping->n_canaries++;
	}
	return EXIT_STATUS_OK;
}

/* Keys are still there if something failed, or was only observed. */
static enum exit_status
close_targets(struct ping *ping, enum exit_status status)
{
	struct pgripple_error err;

	for (size_t i = 0; i < ping->n_canaries; i++) {
		struct canary *canary = &ping->canaries[i];

		if (canary->key.n > 0 &&
		    redis_blocking_unlink(
			canary->redis, canary->key.bytes, &err) != 0 &&
		    status == EXIT_STATUS_OK)
			status = output_error(&err);
		redis_blocking_close(canary->redis);
		buf_done(&canary->key);
	}
	return status;
}

static enum exit_status
ping_all(struct command *command, const struct settings *settings,
    const struct options *options)
{
	CLEANUP(buf_done) struct buf schema = BUF_INIT;
	struct ping ping = {
	    .command = command,
	    .timeout_ms = options->timeout_ms,
	};
	enum exit_status status;

	quote_identifier(&schema, settings->postgres.schema);
	ping.schema = buf_string(&schema);
	status = open_targets(&ping, settings);
	if (status == EXIT_STATUS_OK)
		status = go(&ping);
	return close_targets(&ping, status);
}

enum exit_status
ping_command(const struct cli_call *call)
{
	struct settings *settings;
	struct command *command;
	enum exit_status status = setup_settings(call->options, &settings);

	if (status != EXIT_STATUS_OK)
		return status;
	status = setup_postgres(call->options, settings, &command);
	if (status == EXIT_STATUS_OK) {
		status = ping_all(command, settings, call->options);
		command_close(command);
	}
	settings_free(settings);
	return status;
}
