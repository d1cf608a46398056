/*
 * One target.  Only enter() writes its state, and step() alone decides what an
 * event means (target_states.c).
 *
 * A target fails from the moment when it was lost, or first refused what it was
 * told, until an operation was applied again: a connection that comes and goes
 * does not begin a new time of patience each time, unless it stayed for long.
 * One that refuses keeps its connection, so that it is simply tried again from
 * time to time; the first refusal postpones it again.
 */
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "config/login.h"
#include "flow/targets_private.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "redis/connection.h"

/* A connection that lasted so long was a good one. */
#define STABLE_US INT64_C(5000000)

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

static void
on_in_doubt(void *context)
{
	const struct target *target = context;

	target->all->listener.on_in_doubt(target->all->listener.context);
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
target_note(struct target *target, enum redis_apply_outcome outcome)
{
	/* What a connection did that is gone tells nothing: on_down() came. */
	if (outcome == REDIS_APPLY_LOST ||
	    !redis_connection_is_up(target->redis))
		return;
	if (outcome == REDIS_APPLY_DONE) {
		tell_resumed(target);
		target->failed_us = 0;
		return;
	}
	if (target->all->n == 1)
		return;
	if (target->failed_us == 0 || is_long_ago(target))
		target->failed_us = clock_monotonic_us();
	if (failing_us(target) >= patience_us(target))
		step(target, TARGET_ON_REFUSED);
}

/* Life. */

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
	    .on_in_doubt = on_in_doubt,
	};

	return replay_new(base, &options, &listener, &target->replay, err);
}

int
target_init(struct event_base *base, struct target *target,
    const struct settings_target *spec, struct pgripple_error *err)
{
	const struct targets *all = target->all;
	CLEANUP(login_forget) char *url = NULL;
	struct redis_options options = {
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
	if (login_url(all->settings, spec, &url, err) < 0)
		return -1;
	options.url = url;
	if (redis_connection_new(
		base, &options, &listener, &target->redis, err) < 0)
		return -1;
	return make_replay(base, target, err);
}

void
target_done(struct target *target)
{
	redis_connection_free(target->redis);
	replay_free(target->replay);
	if (target->timer != NULL)
		event_free(target->timer);
	free(target->name);
}

void
target_start(struct target *target)
{
	target->failed_us = clock_monotonic_us();
	have_patience(target);
	redis_connection_start(target->redis);
}
