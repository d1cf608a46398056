/*
 * The targets.  Only enter() writes a state, and step() alone decides what an
 * event means (target_states.c).
 *
 * A target fails from the moment when it was lost, or first refused what it was
 * told, until an operation was applied again: a connection that comes and goes
 * does not begin a new time of patience each time, unless it stayed for long.
 * One that refuses keeps its connection, so that it is simply tried again from
 * time to time; the first refusal postpones it again.
 */
#include "flow/targets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "redis/connection.h"

/* A connection that lasted so long was a good one. */
#define STABLE_US INT64_C(5000000)

struct target {
	struct targets *all;
	char *name;
	struct redis_connection *redis;
	struct replay *replay;
	enum target_state state;
	struct event *timer; /* patience, or the next attempt */
	int64_t due_us; /* monotonic: when the timer is meant to come */
	int64_t failed_us; /* monotonic, since when; 0: it does not */
	int64_t up_us;
	bool is_told; /* that it was postponed */
};

struct targets {
	const struct settings *settings;
	struct targets_listener listener;
	char owner[20]; /* of the claim: another one with each start */
	uint64_t n_names; /* given to batches */
	struct state_claim claim;
	const char **names;
	struct target *items;
	size_t n;
};

static void
arm_until(struct target *target, int64_t due_us)
{
	int64_t left_us = due_us - clock_monotonic_us();
	struct timeval left = {0};

	if (left_us > 0) {
		left.tv_sec = (time_t)(left_us / 1000000);
		left.tv_usec = (suseconds_t)(left_us % 1000000);
	}
	target->due_us = due_us;
	(void)event_add(target->timer, &left); /* exists already */
}

static int64_t
patience_us(const struct target *target)
{
	return target->all->settings->redis.target_patience_ms * 1000;
}

static int64_t
failing_us(const struct target *target)
{
	return target->failed_us == 0
		   ? 0
		   : clock_monotonic_us() - target->failed_us;
}

static void
tell_postponed(struct target *target)
{
	if (target->is_told)
		return;
	target->is_told = true;
	log_event(LOG_LEVEL_WARNING, "target.postponed",
	    log_string("target", target->name),
	    log_string("redis", redis_connection_describe(target->redis)),
	    log_int("ms", failing_us(target) / 1000),
	    log_string(
		"next", "what is for it waits as tasks, the others go on"));
}

static void
tell_resumed(struct target *target)
{
	if (!target->is_told)
		return;
	target->is_told = false;
	log_event(LOG_LEVEL_INFO, "target.resumed",
	    log_string("target", target->name),
	    log_string("redis", redis_connection_describe(target->redis)),
	    log_int("ms", failing_us(target) / 1000));
}

/* It failed before the present connection, which has lasted. */
static bool
is_long_ago(const struct target *target)
{
	return target->failed_us < target->up_us &&
	       clock_monotonic_us() - target->up_us > STABLE_US;
}

static void
enter(struct target *target, enum target_state next, enum target_event reason)
{
	(void)event_del(target->timer); /* fails only if not added */
	if (next != target->state)
		log_event(LOG_LEVEL_DEBUG, "target.state",
		    log_string("target", target->name),
		    log_string("from", target_state_name(target->state)),
		    log_string("to", target_state_name(next)),
		    log_string("reason", target_event_name(reason)));
	target->state = next;
}

/* Nobody is the better for it if the only one is postponed. */
static void
have_patience(struct target *target)
{
	if (target->all->n > 1)
		arm_until(target, target->failed_us + patience_us(target));
}

static void
step(struct target *target, enum target_event event)
{
	struct target_transition transition =
	    target_transition(target->state, event);
	enum target_state before = target->state;

	enter(target, transition.next, event);
	switch (transition.action) {
	case TARGET_NOTHING:
	case TARGET_TRY:
		break;
	case TARGET_RESUME:
		tell_resumed(target);
		break;
	case TARGET_HAVE_PATIENCE:
		have_patience(target);
		break;
	case TARGET_POSTPONE:
		tell_postponed(target);
		break;
	case TARGET_POSTPONE_AND_RETRY:
		tell_postponed(target);
		arm_until(
		    target, clock_monotonic_us() +
				target->all->settings->retry_max_ms * 1000);
		break;
	case TARGET_BUG:
		log_event(LOG_LEVEL_ERROR, "target.bug",
		    log_string("state", target_state_name(target->state)),
		    log_string("reason", target_event_name(event)));
		abort();
	}
	/* The last thing done: others go on at once. */
	if (target->state != before)
		target->all->listener.on_change(target->all->listener.context);
}

/* The connection: it is of use when the mark was looked at. */

static void
on_up(void *context)
{
	struct target *target = context;

	metrics_add(METRIC_PEER_CONNECTS, "redis", target->name, 1);
	target->up_us = clock_monotonic_us();
	replay_on_up(target->replay);
}

/* The connection's own folder has logged it. */
static void
on_down(void *context, const struct pgripple_error *err UNUSED)
{
	struct target *target = context;

	metrics_add(METRIC_PEER_LOSSES, "redis", target->name, 1);
	if (target->failed_us == 0 || is_long_ago(target))
		target->failed_us = clock_monotonic_us();
	replay_on_down(target->replay);
}

static void
on_ready(void *context)
{
	step(context, TARGET_ON_UP);
}

static void
on_retired(void *context)
{
	step(context, TARGET_ON_DOWN);
}

static void
on_turn(void *context)
{
	const struct target *target = context;

	target->all->listener.on_turn(target->all->listener.context);
}

static void
on_tasks(void *context)
{
	const struct target *target = context;

	target->all->listener.on_tasks(target->all->listener.context);
}

static void
on_claimed_by_other(void *context)
{
	const struct target *target = context;

	target->all->listener.on_claimed_by_other(
	    target->all->listener.context);
}

/* A daemon that stands by needs no patience with a target that is there. */
static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct target *target = context;

	/* libevent counts from when the loop woke up, by a clock that lags up
	 * to a tick: it may be early. */
	if (clock_monotonic_us() < target->due_us)
		arm_until(target, target->due_us);
	else if (target->state == TARGET_AWAITED &&
		 redis_connection_is_up(target->redis) &&
		 !replay_is_claimed(target->replay))
		arm_until(target, clock_monotonic_us() + patience_us(target));
	else
		step(target, TARGET_ON_TIMER);
}

void
targets_note(
    struct targets *targets, size_t number, enum redis_apply_outcome outcome)
{
	struct target *target = &targets->items[number];

	/* What a connection did that is gone tells nothing: on_down() came. */
	if (outcome == REDIS_APPLY_LOST ||
	    !redis_connection_is_up(target->redis))
		return;
	if (outcome == REDIS_APPLY_DONE) {
		tell_resumed(target);
		target->failed_us = 0;
		return;
	}
	if (targets->n == 1)
		return;
	if (target->failed_us == 0 || is_long_ago(target))
		target->failed_us = clock_monotonic_us();
	if (failing_us(target) >= patience_us(target))
		step(target, TARGET_ON_REFUSED);
}

/* What others ask. */

size_t
targets_count(const struct targets *targets)
{
	return targets->n;
}

const char *
targets_name(const struct targets *targets, size_t target)
{
	return targets->items[target].name;
}

bool
targets_find(
    const struct targets *targets, const char *name, size_t *ret_target)
{
	for (size_t i = 0; i < targets->n; i++)
		if (strcmp(targets->items[i].name, name) == 0) {
			*ret_target = i;
			return true;
		}
	return false;
}

struct redis_connection *
targets_connection(const struct targets *targets, size_t target)
{
	return targets->items[target].redis;
}

struct replay *
targets_replay(const struct targets *targets, size_t target)
{
	return targets->items[target].replay;
}

enum target_state
targets_state(const struct targets *targets, size_t target)
{
	return targets->items[target].state;
}

uint32_t
targets_postponed(const struct targets *targets)
{
	uint32_t set = 0;

	for (size_t i = 0; i < targets->n; i++)
		if (targets->items[i].state == TARGET_POSTPONED)
			set |= UINT32_C(1) << i;
	return set;
}

bool
targets_may_go_on(const struct targets *targets, size_t *ret_missing)
{
	bool has_any = false;

	for (size_t i = targets->n; i-- > 0;) {
		has_any |= targets->items[i].state == TARGET_UP;
		if (targets->items[i].state != TARGET_UP)
			*ret_missing = i;
	}
	for (size_t i = 0; i < targets->n; i++)
		if (targets->items[i].state == TARGET_AWAITED) {
			*ret_missing = i;
			return false;
		}
	return has_any;
}

void
targets_print_servers(const struct targets *targets, struct buf *buf)
{
	json_write_open(buf, '{');
	for (size_t i = 0; i < targets->n; i++)
		json_write_member(buf, targets->items[i].name,
		    redis_connection_describe(targets->items[i].redis));
	json_write_close(buf, '}');
}

void
targets_print(const struct targets *targets, uint32_t set, struct buf *buf)
{
	json_write_open(buf, '[');
	for (size_t i = 0; i < targets->n; i++)
		if ((set >> i & 1) != 0)
			json_write_string(buf, targets->items[i].name,
			    strlen(targets->items[i].name));
	json_write_close(buf, ']');
}

/* The claim. */

const struct state_claim *
targets_claim(const struct targets *targets)
{
	return &targets->claim;
}

void
targets_take_claim(
    struct targets *targets, const struct state_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		size_t target;

		if (targets_find(targets, rows[i].target, &target))
			replay_claim(targets->items[target].replay, &rows[i]);
	}
}

void
targets_disown(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		replay_disown(targets->items[i].replay);
}

void
targets_name_batch(struct targets *targets, char name[MEMORY_NAME])
{
	(void)snprintf(name, MEMORY_NAME, "%s.%" PRIu64, targets->owner,
	    ++targets->n_names);
}

bool
targets_want_session(const struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		if (replay_wants_session(targets->items[i].replay))
			return true;
	return false;
}

bool
targets_use_session(const struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		if (replay_uses_session(targets->items[i].replay))
			return true;
	return false;
}

void
targets_take_turn(struct targets *targets, struct session *work)
{
	for (size_t i = 0; i < targets->n; i++)
		if (replay_wants_session(targets->items[i].replay)) {
			replay_take_turn(targets->items[i].replay, work);
			return;
		}
}

/* Life. */

/* A name that comes twice makes a mark lie (docs/protocols.md). */
static int
make_claim(struct targets *targets, struct pgripple_error *err)
{
	const struct settings *settings = targets->settings;
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "the system gives no random numbers");
	(void)snprintf(
	    targets->owner, sizeof(targets->owner), "%016" PRIx64, number);
	targets->names =
	    calloc(settings->redis.n_targets, sizeof(*targets->names));
	if (targets->names == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < settings->redis.n_targets; i++)
		targets->names[i] = targets->items[i].name;
	targets->claim = (struct state_claim){
	    targets->owner, targets->names, settings->redis.n_targets};
	return 0;
}

static int
make_replay(
    struct event_base *base, struct target *target, struct pgripple_error *err)
{
	const struct targets *all = target->all;
	const struct replay_options options = {
	    .target = (size_t)(target - all->items),
	    .name = target->name,
	    .owner = all->owner,
	    .redis = target->redis,
	};
	const struct replay_listener listener = {
	    .context = target,
	    .on_ready = on_ready,
	    .on_retired = on_retired,
	    .on_turn = on_turn,
	    .on_tasks = on_tasks,
	    .on_claimed_by_other = on_claimed_by_other,
	};

	return replay_new(base, &options, &listener, &target->replay, err);
}

static int
make_target(struct event_base *base, struct target *target,
    const struct settings_target *spec, struct pgripple_error *err)
{
	const struct targets *all = target->all;
	const struct redis_options options = {
	    .url = spec->url,
	    .target = all->settings->redis.n_targets > 1 ? spec->name : NULL,
	    .prefix = spec->prefix,
	    .connect_timeout_ms = spec->connect_timeout_ms,
	    .command_timeout_ms = spec->command_timeout_ms,
	    .retry_max_ms = all->settings->retry_max_ms,
	    .sentinel_interval_ms = all->settings->redis.sentinel_interval_ms,
	    .reply_bytes = all->settings->limits.reply_bytes,
	};
	const struct redis_listener listener = {
	    .context = target,
	    .on_up = on_up,
	    .on_down = on_down,
	};

	target->state = TARGET_AWAITED;
	target->name = strdup(spec->name);
	target->timer = evtimer_new(base, on_timer, target);
	if (target->name == NULL || target->timer == NULL)
		return pgripple_error_nomem(err);
	if (redis_connection_new(
		base, &options, &listener, &target->redis, err) < 0)
		return -1;
	return make_replay(base, target, err);
}

int
targets_new(struct event_base *base, const struct settings *settings,
    const struct targets_listener *listener, struct targets **ret_targets,
    struct pgripple_error *err)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (targets != NULL)
		targets->items =
		    calloc(settings->redis.n_targets, sizeof(*targets->items));
	if (targets == NULL || targets->items == NULL) {
		free(targets);
		return pgripple_error_nomem(err);
	}
	targets->settings = settings;
	targets->listener = *listener;
	while (targets->n < settings->redis.n_targets) {
		struct target *target = &targets->items[targets->n];

		target->all = targets;
		if (make_target(base, target,
			&settings->redis.targets[targets->n++], err) < 0) {
			targets_free(targets);
			return -1;
		}
	}
	if (make_claim(targets, err) < 0) {
		targets_free(targets);
		return -1;
	}
	*ret_targets = targets;
	return 0;
}

void
targets_free(struct targets *targets)
{
	if (targets == NULL)
		return;
	for (size_t i = 0; i < targets->n; i++) {
		struct target *target = &targets->items[i];

		redis_connection_free(target->redis);
		replay_free(target->replay);
		if (target->timer != NULL)
			event_free(target->timer);
		free(target->name);
	}
	free(targets->names);
	free(targets->items);
	free(targets);
}

void
targets_configure(struct targets *targets, const struct settings *settings,
    const struct pgripple_graph *graph)
{
	targets->settings = settings;
	for (size_t i = 0; i < targets->n; i++)
		replay_configure(targets->items[i].replay, settings, graph);
}

void
targets_start(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++) {
		struct target *target = &targets->items[i];

		target->failed_us = clock_monotonic_us();
		have_patience(target);
		redis_connection_start(target->redis);
	}
}
