/*
 * The probe.
 *
 * The age of a change counts from its commit, which Postgres does not tell. It
 * was after the trigger ran, and after the outbox was last seen empty: the
 * later of the two is what is known.
 */
#include "flow/probe.h"

#include <event2/event.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"

/* So many canaries may be missed. */
#define PATIENCE 3

struct probe {
	struct session *work;
	struct probe_listener listener;
	const struct settings *settings;
	struct event *timer;
	bool is_due;
	bool is_under_way;
	struct backlog backlog;
	int64_t looked_wall_us; /* began; 0: never */
	int64_t empty_wall_us; /* when it was last seen empty; 0: never */
	/* Monotonic. */
	int64_t proven_us;
	int64_t sent_us; /* the last canary; 0: none */
	bool is_canary_out; /* it has not come back */
};

static void
arm(struct probe *probe)
{
	struct timeval interval = {
	    .tv_sec = probe->settings->http.look_interval_ms / 1000,
	    .tv_usec = probe->settings->http.look_interval_ms % 1000 * 1000,
	};

	(void)event_add(probe->timer, &interval); /* exists already */
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct probe *probe = context;

	probe->is_due = true;
	arm(probe);
	probe->listener.on_turn(probe->listener.context);
}

int
probe_new(struct event_base *base, struct session *work,
    const struct probe_listener *listener, struct probe **ret_probe,
    struct pgripple_error *err)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe == NULL)
		return pgripple_error_nomem(err);
	probe->work = work;
	probe->listener = *listener;
	probe->is_due = true;
	probe->proven_us = clock_monotonic_us();
	probe->timer = evtimer_new(base, on_timer, probe);
	if (probe->timer == NULL) {
		free(probe);
		return pgripple_error_nomem(err);
	}
	*ret_probe = probe;
	return 0;
}

void
probe_free(struct probe *probe)
{
	if (probe == NULL)
		return;
	event_free(probe->timer);
	free(probe);
}

void
probe_configure(struct probe *probe, const struct settings *settings)
{
	probe->settings = settings;
	arm(probe);
}

/* Statements. */

static int64_t
canary_interval_us(const struct probe *probe)
{
	return probe->settings->http.canary_interval_ms * 1000;
}

/* Neither a proof nor a canary for so long. */
static bool
is_canary_due(const struct probe *probe)
{
	int64_t interval_us = canary_interval_us(probe);
	int64_t now_us = clock_monotonic_us();

	return interval_us > 0 && now_us - probe->proven_us >= interval_us &&
	       (probe->sent_us == 0 || now_us - probe->sent_us >= interval_us);
}

bool
probe_wants_session(const struct probe *probe, bool is_live)
{
	return !probe->is_under_way &&
	       (probe->is_due || (is_live && is_canary_due(probe)));
}

static void
end_turn(struct probe *probe, const struct pgripple_error *err)
{
	probe->is_under_way = false;
	if (err != NULL)
		log_error(LOG_LEVEL_WARNING, "probe.failed", err);
	probe->listener.on_turn(probe->listener.context);
}

static void
on_look(void *context, enum session_outcome outcome,
    const struct backlog *backlog, const struct pgripple_error *err)
{
	struct probe *probe = context;

	if (outcome == SESSION_DONE)
		probe->backlog = *backlog;
	if (outcome == SESSION_DONE && backlog->oldest_wall_us == 0)
		probe_saw_empty(probe, probe->looked_wall_us);
	end_turn(probe, err);
}

static void
on_canary(void *context, enum session_outcome outcome,
    const struct backlog *backlog UNUSED, const struct pgripple_error *err)
{
	struct probe *probe = context;

	probe->is_canary_out &= outcome == SESSION_DONE;
	end_turn(probe, err);
}

static int
look(struct probe *probe, int64_t above_id, struct pgripple_error *err)
{
	probe->is_due = false;
	probe->looked_wall_us = clock_wall_us();
	return backlog_look(probe->work, probe->settings->postgres.schema,
	    above_id, on_look, probe, err);
}

static int
send_canary(struct probe *probe, struct pgripple_error *err)
{
	probe->sent_us = clock_monotonic_us();
	probe->is_canary_out = true;
	return backlog_send_ping(probe->work, probe->settings->postgres.schema,
	    PROBE_KEY, on_canary, probe, err);
}

void
probe_take_turn(struct probe *probe, int64_t above_id)
{
	struct pgripple_error err;
	int result = probe->is_due ? look(probe, above_id, &err)
				   : send_canary(probe, &err);

	probe->is_under_way = result == 0;
	if (result < 0)
		log_error(LOG_LEVEL_WARNING, "probe.failed", &err);
}

/* What it is told, and tells. */

void
probe_saw_empty(struct probe *probe, int64_t wall_us)
{
	probe->empty_wall_us = wall_us;
	probe->backlog.n_changes = 0;
	probe->backlog.oldest_wall_us = 0;
}

void
probe_saw_oldest(struct probe *probe, int64_t wall_us)
{
	probe->backlog.oldest_wall_us = wall_us;
}

void
probe_saw_proof(struct probe *probe, bool is_canary)
{
	int64_t now_us = clock_monotonic_us();

	probe->proven_us = now_us;
	metrics_set(METRIC_CANARY_AT, NULL, NULL, clock_wall_us());
	if (!is_canary || !probe->is_canary_out)
		return;
	probe->is_canary_out = false;
	metrics_set(METRIC_CANARY, NULL, NULL, now_us - probe->sent_us);
}

const struct backlog *
probe_backlog(const struct probe *probe)
{
	return &probe->backlog;
}

int64_t
probe_oldest_age_us(const struct probe *probe)
{
	int64_t since_us = probe->backlog.oldest_wall_us;
	int64_t age_us;

	if (since_us == 0)
		return 0;
	if (since_us < probe->empty_wall_us)
		since_us = probe->empty_wall_us;
	age_us = clock_wall_us() - since_us;
	return age_us > 0 ? age_us : 0;
}

int64_t
probe_proof_age_us(const struct probe *probe)
{
	return clock_monotonic_us() - probe->proven_us;
}

bool
probe_is_late(const struct probe *probe)
{
	int64_t interval_us = canary_interval_us(probe);

	return interval_us > 0 &&
	       probe_proof_age_us(probe) > PATIENCE * interval_us;
}

int64_t
probe_looked_us(const struct probe *probe)
{
	return probe->looked_wall_us;
}
