/*
 * Watches over a target's mark.  Only enter() writes the state, and
 * replay_step() alone decides what an event means (replay_states.c).
 */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "flow/replay_private.h"
#include "observe/log.h"
#include "redis/connection.h"

#define FIRST_PAUSE_MS 100
#define STABLE_MS 5000

static void
wait_ms(struct replay *replay, int64_t pause_ms)
{
	struct timeval pause = {
	    .tv_sec = pause_ms / 1000,
	    .tv_usec = pause_ms % 1000 * 1000,
	};

	(void)event_add(replay->timer, &pause); /* the timer exists already */
}

/* Looking. */

static void
take_look(struct replay *replay, const struct redis_look *look)
{
	(void)snprintf(replay->found, sizeof(replay->found), "%s", look->mark);
	(void)snprintf(replay->server.run_id, REPLAY_ID, "%s", look->run_id);
	(void)snprintf(replay->server.replication_id, REPLAY_ID, "%s",
	    look->replication_id);
	replay->is_empty = look->is_empty;
}

static void
on_looked(void *context, enum redis_apply_outcome outcome,
    const struct redis_look *look, const struct pgripple_error *err)
{
	struct replay *replay = context;

	if (outcome == REDIS_APPLY_LOST)
		return; /* the connection's end is told, too */
	if (outcome == REDIS_APPLY_REFUSED) {
		log_error_of(LOG_LEVEL_WARNING, "redis.look_failed", "target",
		    replay->options.name, err);
		replay_step(replay, REPLAY_ON_REFUSED);
		return;
	}
	backoff_succeed(&replay->backoff);
	take_look(replay, look);
	replay_step(
	    replay, replay_judge(replay) ? REPLAY_ON_LOST : REPLAY_ON_KNOWN);
}

static void
look(struct replay *replay)
{
	struct pgripple_error err;

	if (redis_look(replay->options.redis, replay->key, on_looked, replay,
		&err) < 0 &&
	    redis_connection_is_up(replay->options.redis))
		redis_connection_drop(replay->options.redis, &err);
}

/* Looking again, from time to time: for a server that went back behind an open
 * connection, and for a mark that was evicted or flushed. */

static void
drop(struct replay *replay, const char *what)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" %s",
	    redis_connection_describe(replay->options.redis), what);
	redis_connection_drop(replay->options.redis, &err);
}

static void
set_again(struct replay *replay)
{
	struct pgripple_error err;

	log_event(LOG_LEVEL_INFO, "redis.mark_gone",
	    log_string("target", replay->options.name),
	    log_string("hint",
		"It was evicted or flushed, by the same server; it is set "
		"again."));
	if (redis_mark_again(
		replay->options.redis, replay->key, replay->mark, &err) < 0)
		log_error_of(LOG_LEVEL_WARNING, "redis.look_failed", "target",
		    replay->options.name, &err);
}

static void
on_glanced(void *context, enum redis_apply_outcome outcome,
    const struct redis_look *look, const struct pgripple_error *err UNUSED)
{
	struct replay *replay = context;
	const char *wanted = replay->glanced_for;

	if (outcome != REDIS_APPLY_DONE || replay->state != REPLAY_READY)
		return; /* a refusal may pass: the next batch meets it, too */
	if (strcmp(look->replication_id, replay->server.replication_id) != 0)
		drop(replay, "was promoted and may have gone back");
	else if (*look->mark != '\0' && strcmp(look->mark, wanted) != 0)
		drop(replay, "holds another mark than was set");
	else if (*look->mark == '\0' && strcmp(wanted, replay->mark) == 0 &&
		 *wanted != '\0')
		set_again(replay);
}

static bool
is_idle(const struct replay *replay)
{
	return clock_monotonic_us() - replay->proven_us >=
	       replay->settings->redis.look_interval_ms * 1000;
}

static void
glance(struct replay *replay)
{
	struct pgripple_error err;

	wait_ms(replay, replay->settings->redis.look_interval_ms);
	if (!is_idle(replay) || !replay->is_claimed || replay->observes)
		return;
	memcpy(replay->glanced_for, replay->mark, sizeof(replay->mark));
	if (redis_look(replay->options.redis, replay->key, on_glanced, replay,
		&err) < 0)
		log_error_of(LOG_LEVEL_WARNING, "redis.look_failed", "target",
		    replay->options.name, &err);
}

/* The machine. */

static void
announce(struct replay *replay)
{
	memcpy(replay->mark, replay->found, sizeof(replay->mark));
	replay_end_doubt(replay);
	replay->generation++;
	replay->proven_us = clock_monotonic_us();
	wait_ms(replay, replay->settings->redis.look_interval_ms);
	replay->listener.on_ready(replay->listener.context);
}

static void
see_claim(struct replay *replay)
{
	if (replay->observes)
		replay_step(replay, REPLAY_ON_KNOWN);
	else if (replay->is_claimed)
		replay_step(replay, REPLAY_ON_CLAIMED);
}

static void
enter(struct replay *replay, enum replay_state next, enum replay_event reason)
{
	if (next == replay->state)
		return;
	log_event(LOG_LEVEL_DEBUG, "redis.replay",
	    log_string("target", replay->options.name),
	    log_string("from", replay_state_name(replay->state)),
	    log_string("to", replay_state_name(next)),
	    log_string("reason", replay_event_name(reason)));
	(void)event_del(replay->timer); /* fails only if not added */
	replay->state = next;
}

/* The action is the last thing done: it may step again. */
void
replay_step(struct replay *replay, enum replay_event event)
{
	struct replay_transition transition =
	    replay_transition(replay->state, event);

	enter(replay, transition.next, event);
	switch (transition.action) {
	case REPLAY_NOTHING:
	case REPLAY_TELL: /* by replay_take_turn() */
		break;
	case REPLAY_SEE_CLAIM:
		see_claim(replay);
		break;
	case REPLAY_LOOK:
		look(replay);
		break;
	case REPLAY_PAUSE:
		wait_ms(replay, backoff_fail(&replay->backoff));
		break;
	case REPLAY_REQUEST_TURN:
		replay->listener.on_turn(replay->listener.context);
		break;
	case REPLAY_ANNOUNCE:
		announce(replay);
		break;
	case REPLAY_RETIRE:
		replay->listener.on_retired(replay->listener.context);
		break;
	case REPLAY_GLANCE:
		glance(replay);
		break;
	case REPLAY_BUG:
		log_event(LOG_LEVEL_ERROR, "redis.replay_bug",
		    log_string("state", replay_state_name(replay->state)),
		    log_string("reason", replay_event_name(event)));
		abort();
	}
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	replay_step(context, REPLAY_ON_TIMER);
}

/* What others tell. */

void
replay_on_up(struct replay *replay)
{
	replay_step(replay, REPLAY_ON_UP);
}

void
replay_on_down(struct replay *replay)
{
	replay_step(replay, REPLAY_ON_DOWN);
}

/* Postgres may have lost the latest acknowledgements in a crash: then it tells
 * a batch that we remember, and the rows after it are there again. */
static bool
is_still_ours(const struct replay *replay, const struct state_row *row)
{
	const struct memory_batch *next;

	return memory_find(&replay->memory, row->number, &next) ||
	       (replay->is_telling &&
		   strcmp(row->number, replay->telling_name) == 0);
}

static int
make_key(struct replay *replay, const char *mark_key)
{
	CLEANUP(buf_done) struct buf key = BUF_INIT;

	buf_add_string(&key, redis_connection_prefix(replay->options.redis));
	buf_add_string(&key, mark_key);
	if (key.failed)
		return -1;
	free(replay->key);
	replay->key = steal(&key.bytes);
	return 0;
}

void
replay_claim(struct replay *replay, const struct state_row *row)
{
	bool is_new = replay->key == NULL || !is_still_ours(replay, row);

	if (make_key(replay, row->mark_key) < 0)
		return; /* it stays unclaimed; the next claim tries again */
	if (is_new) {
		memory_restart(&replay->memory, row->number);
		(void)snprintf(
		    replay->held_by.run_id, REPLAY_ID, "%s", row->run_id);
		(void)snprintf(replay->held_by.replication_id, REPLAY_ID, "%s",
		    row->replication_id);
	}
	replay->is_claimed = true;
	if (is_new && replay->state != REPLAY_UNCLAIMED)
		drop(replay, "was used by another daemon meanwhile");
	replay_step(replay, REPLAY_ON_CLAIMED);
}

void
replay_disown(struct replay *replay)
{
	replay->is_claimed = false;
	drop(replay, "is to be claimed anew");
}

bool
replay_is_claimed(const struct replay *replay)
{
	return replay->is_claimed;
}

bool
replay_is_ready(const struct replay *replay)
{
	return replay->state == REPLAY_READY;
}

uint64_t
replay_generation(const struct replay *replay)
{
	return replay->generation;
}

bool
replay_wants_session(const struct replay *replay)
{
	return replay->state == REPLAY_OWING;
}

bool
replay_uses_session(const struct replay *replay)
{
	return replay->is_telling;
}

/* What was acknowledged since the look may have made it known. */
void
replay_take_turn(struct replay *replay, struct session *work)
{
	struct pgripple_error err;

	replay_step(replay, REPLAY_ON_TURN);
	if (!replay_judge(replay)) {
		replay_step(replay, REPLAY_ON_TOLD);
	} else if (replay_tell(replay, work, &err) < 0) {
		log_error_of(LOG_LEVEL_WARNING, "redis.replay_failed", "target",
		    replay->options.name, &err);
		replay_step(replay, REPLAY_ON_TELL_FAILED);
		replay->listener.on_turn(replay->listener.context);
	}
}

/* Life. */

int
replay_new(struct event_base *base, const struct replay_options *options,
    const struct replay_listener *listener, struct replay **ret_replay,
    struct pgripple_error *err)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	if (replay == NULL)
		return pgripple_error_nomem(err);
	replay->options = *options;
	replay->listener = *listener;
	replay->timer = evtimer_new(base, on_timer, replay);
	if (replay->timer == NULL) {
		free(replay);
		return pgripple_error_nomem(err);
	}
	*ret_replay = replay;
	return 0;
}

void
replay_free(struct replay *replay)
{
	if (replay == NULL)
		return;
	event_free(replay->timer);
	memory_restart(&replay->memory, "");
	free(replay->key);
	free(replay);
}

/* What was done while it observed is marked nowhere. */
void
replay_configure(struct replay *replay, const struct settings *settings,
    const struct pgripple_graph *graph)
{
	bool observed = replay->observes;

	/* The settings of before are gone already. */
	replay->settings = settings;
	replay->graph = graph;
	replay->observes = settings_observes(settings);
	backoff_init(&replay->backoff, FIRST_PAUSE_MS, settings->retry_max_ms,
	    STABLE_MS);
	if (observed && !replay->observes)
		drop(replay, "is not only observed any more");
}
