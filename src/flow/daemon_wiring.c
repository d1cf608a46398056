/*
 * The daemon's wiring: what peers, timers and signals tell, and how everything
 * is made and taken down.
 */
#include "flow/daemon_private.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "flow/batch.h"
#include "config/listen_address.h"
#include "config/login.h"
#include "flow/doorbell.h"
#include "flow/monitor.h"
#include "flow/probe.h"
#include "flow/report.h"
#include "flow/targets.h"
#include "flow/tasks.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/systemd.h"
#include "postgres/catalog.h"
#include "postgres/listen.h"
#include "postgres/low_water.h"
#include "postgres/session.h"

/* What the listen session asks takes a millisecond.  While it waits for an
 * answer it cannot send a heartbeat, by which a server that went silent would
 * be noticed for both sessions. */
#define LISTEN_STATEMENT_MS 5000

/* How often a fetch begins at the start of the outbox again. */
#define WHOLE_FETCH_US (INT64_C(3600) * 1000000)

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};

/* Batches and tasks. */

static void
on_fetch_due(void *context, bool is_due)
{
	struct daemon *daemon = context;

	daemon->fetch_due = is_due;
	daemon_turn(daemon);
}

static void
on_batch_fetched(void *context, int64_t wall_us)
{
	struct daemon *daemon = context;

	if (daemon->probe != NULL)
		probe_saw_oldest(daemon->probe, wall_us);
}

static void
on_batch_proof(void *context, bool is_canary)
{
	struct daemon *daemon = context;

	if (daemon->probe != NULL)
		probe_saw_proof(daemon->probe, is_canary);
}

static void
on_batch_empty(void *context)
{
	struct daemon *daemon = context;

	if (daemon->probe != NULL)
		probe_saw_empty(daemon->probe, daemon->fetched_wall_us);
	if (daemon->stopping)
		daemon_leave(daemon, EXIT_STATUS_OK);
	else
		doorbell_step(daemon->doorbell, DOORBELL_ON_EMPTY);
	daemon_turn(daemon);
}

static void
on_batch_end(void *context, bool is_small)
{
	struct daemon *daemon = context;

	low_water_touch(daemon->low_water);
	if (daemon->stopping)
		daemon_leave(daemon, EXIT_STATUS_OK);
	else
		doorbell_step(daemon->doorbell,
		    is_small ? DOORBELL_ON_FEW : DOORBELL_ON_FOUND);
}

static void
wake_tasks(struct daemon *daemon)
{
	tasks_wake(daemon->repeats);
	tasks_wake(daemon->tasks);
}

static void
on_tasks(void *context)
{
	wake_tasks(context);
}

/* Nothing is sent or acknowledged until the state is claimed anew. */
static void
give_up_claim(struct daemon *daemon, const char *why)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER, "%s", why);
	targets_disown(daemon->targets);
	listen_give_up(daemon->listen, &err);
}

/* Another daemon has got the lock that our session has lost without knowing it;
 * or the statement was overtaken by a claim of ours. */
static void
on_claimed_by_other(void *context)
{
	give_up_claim(context,
	    "the state was claimed meanwhile, by another daemon or anew");
}

/* What was lost with its session may yet be carried out, later than what is
 * acknowledged from now on, unless the state is claimed in between. */
static void
on_in_doubt(void *context)
{
	give_up_claim(context,
	    "an acknowledgement was lost with its session: the state is "
	    "claimed anew");
}

static void
on_batch_drift(void *context)
{
	struct daemon *daemon = context;

	daemon->describe_due = true;
}

/* Of batches, of tasks, and of the probe. */
static void
on_turn(void *context)
{
	daemon_turn(context);
}

/* Peers. */

static void
on_work_up(void *context)
{
	struct daemon *daemon = context;

	metrics_add(METRIC_PEER_CONNECTS, "postgres", "work", 1);
	daemon->describe_due = true; /* tables may have changed meanwhile */
	daemon->recognise_due = true;
	listen_watch(daemon->listen, session_server_pid(daemon->work));
	low_water_reset(daemon->low_water);
	wake_tasks(daemon);
	doorbell_step(daemon->doorbell, DOORBELL_ON_POLL);
	daemon_look_at_state(daemon);
	daemon_turn(daemon);
}

/* One is there, or the others go on without it. */
static void
on_target(void *context)
{
	struct daemon *daemon = context;

	wake_tasks(daemon);
	doorbell_step(daemon->doorbell, DOORBELL_ON_POLL);
	daemon_look_at_state(daemon);
	daemon_turn(daemon);
}

/* Not with each start alone: what was sent under the claim before may come
 * later. */
static void
on_claiming(void *context)
{
	struct daemon *daemon = context;

	targets_rename(daemon->targets);
}

static void
on_claimed(void *context, const struct state_row *rows, size_t n_rows)
{
	struct daemon *daemon = context;

	targets_take_claim(daemon->targets, rows, n_rows);
}

static void
on_listen_ready(void *context)
{
	struct daemon *daemon = context;

	metrics_add(METRIC_PEER_CONNECTS, "postgres", "listen", 1);
	doorbell_step(daemon->doorbell, DOORBELL_ON_READY);
	wake_tasks(daemon);
	daemon_look_at_state(daemon);
	daemon_turn(daemon);
}

static void
on_listen_down(void *context, const struct pgripple_error *err UNUSED)
{
	struct daemon *daemon = context;

	metrics_add(METRIC_PEER_LOSSES, "postgres", "listen", 1);
	doorbell_step(daemon->doorbell, DOORBELL_ON_DOWN);
	daemon_look_at_state(daemon);
}

/* A statement may take long, but not on a server that is frozen or cut off. */
static void
on_listen_silence(void *context)
{
	struct daemon *daemon = context;

	session_hurry(daemon->work);
}

/* A statement may take long, but not if the server knows nothing of it. */
static void
on_listen_seen(void *context, const char *seen)
{
	struct daemon *daemon = context;

	session_take_sighting(daemon->work, seen);
}

static void
on_standby(void *context)
{
	log_plain(LOG_LEVEL_INFO, "daemon.standby");
	daemon_look_at_state(context);
}

static void
on_ring(void *context)
{
	struct daemon *daemon = context;

	metrics_add(METRIC_DOORBELL, "rang", NULL, 1);
	doorbell_step(daemon->doorbell, DOORBELL_ON_RING);
}

static void
on_doorbell_locked(void *context, bool granted)
{
	struct daemon *daemon = context;

	doorbell_step(daemon->doorbell,
	    granted ? DOORBELL_ON_LOCKED : DOORBELL_ON_REFUSED);
}

static void
on_doorbell_unlocked(void *context)
{
	struct daemon *daemon = context;

	doorbell_step(daemon->doorbell, DOORBELL_ON_UNLOCKED);
}

static void
on_work_down(void *context, const struct pgripple_error *err UNUSED)
{
	metrics_add(METRIC_PEER_LOSSES, "postgres", "work", 1);
	daemon_look_at_state(context); /* the peer's own folder has logged it */
}

static void
on_coverage(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct daemon *daemon = context;

	daemon->coverage_due = true;
	daemon_turn(daemon);
}

/* Doorbells are hints: whatever happened to them, the outbox is looked at. */
static void
on_poll(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct daemon *daemon = context;
	int64_t now_us = clock_monotonic_us();

	daemon->describe_due |= daemon->describe_failed;
	daemon->recognise_due |= daemon->recognise_failed;
	if (now_us - daemon->whole_fetch_us > WHOLE_FETCH_US) {
		daemon->whole_fetch_us = now_us;
		low_water_reset(daemon->low_water);
	}
	wake_tasks(daemon);
	doorbell_step(daemon->doorbell, DOORBELL_ON_POLL);
	daemon_turn(daemon);
}

/* A dependency that is down must not starve the watchdog, since a restart
 * heals nothing; a step that has outlived every deadline must. */
static void
on_watchdog(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct daemon *daemon = context;
	const struct settings *settings = daemon->configuration->settings;
	int64_t patience_ms =
	    2 * (settings->postgres.statement_timeout_ms +
		    settings_max_command_timeout_ms(settings) + 10000);

	if (batch_step_age_us(daemon->batch) < patience_ms * 1000)
		systemd_watchdog();
	else
		log_plain(LOG_LEVEL_ERROR, "daemon.stuck");
}

static void
on_signal(evutil_socket_t number, short what UNUSED, void *context)
{
	struct daemon *daemon = context;

	if (number != SIGHUP)
		daemon_stop(daemon);
	else if (!daemon->stopping)
		daemon_reload(daemon);
}

static void
on_drain_over(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	log_event(LOG_LEVEL_WARNING, "daemon.drain_timeout",
	    log_string("hint",
		"The changes under way stay in the outbox and are done again "
		"by the next daemon."));
	daemon_leave(context, EXIT_STATUS_OK);
}

/* Making it. */

static int
make_events(struct daemon *daemon, struct pgripple_error *err)
{
	struct timeval watchdog_interval =
	    daemon_timeval(systemd_watchdog_us() / 1000);
	struct timeval coverage_interval = daemon_timeval(
	    daemon->configuration->settings->postgres.coverage_interval_ms);

	for (size_t i = 0; i < N_ELEMENTS(signal_numbers); i++) {
		daemon->signals[i] = evsignal_new(
		    daemon->base, signal_numbers[i], on_signal, daemon);
		if (daemon->signals[i] == NULL ||
		    event_add(daemon->signals[i], NULL) < 0)
			return pgripple_error_nomem(err);
	}
	daemon->poll = event_new(daemon->base, -1, EV_PERSIST, on_poll, daemon);
	daemon->coverage =
	    event_new(daemon->base, -1, EV_PERSIST, on_coverage, daemon);
	daemon->drain = evtimer_new(daemon->base, on_drain_over, daemon);
	daemon->watchdog =
	    event_new(daemon->base, -1, EV_PERSIST, on_watchdog, daemon);
	if (daemon->poll == NULL || daemon->coverage == NULL ||
	    daemon->drain == NULL || daemon->watchdog == NULL ||
	    daemon_arm_poll(daemon) < 0 ||
	    event_add(daemon->coverage, &coverage_interval) < 0)
		return pgripple_error_nomem(err);
	if (systemd_watchdog_us() > 0 &&
	    event_add(daemon->watchdog, &watchdog_interval) < 0)
		return pgripple_error_nomem(err);
	return 0;
}

static int
make_postgres(struct daemon *daemon, struct pgripple_error *err)
{
	const struct settings *settings = daemon->configuration->settings;
	CLEANUP(login_forget) char *conninfo = NULL;
	struct session_options options = {
	    .name = "work",
	    .connect_timeout_ms = settings->postgres.connect_timeout_ms,
	    .statement_timeout_ms = settings->postgres.statement_timeout_ms,
	    .heartbeat_ms = settings->postgres.heartbeat_ms,
	    .retry_max_ms = settings->retry_max_ms,
	};
	const struct session_listener on_work = {
	    .context = daemon,
	    .on_up = on_work_up,
	    .on_down = on_work_down,
	};
	const struct listen_listener on_listen = {
	    .context = daemon,
	    .on_claiming = on_claiming,
	    .on_claimed = on_claimed,
	    .on_ready = on_listen_ready,
	    .on_down = on_listen_down,
	    .on_silence = on_listen_silence,
	    .on_seen = on_listen_seen,
	    .on_ring = on_ring,
	    .on_standby = on_standby,
	    .on_locked = on_doorbell_locked,
	    .on_unlocked = on_doorbell_unlocked,
	};

	if (login_conninfo(settings, &conninfo, err) < 0)
		return -1;
	options.conninfo = conninfo;
	if (session_new(daemon->base, &options, &on_work, &daemon->work, err) <
	    0)
		return -1;
	options.name = "listen";
	if (options.statement_timeout_ms > LISTEN_STATEMENT_MS)
		options.statement_timeout_ms = LISTEN_STATEMENT_MS;
	if (listen_new(daemon->base, &options, settings->postgres.schema,
		targets_claim(daemon->targets), &on_listen, &daemon->listen,
		err) < 0 ||
	    low_water_new(settings->postgres.schema, &daemon->low_water, err) <
		0 ||
	    doorbell_new(daemon->base, daemon->listen, on_fetch_due, daemon,
		&daemon->doorbell, err) < 0)
		return -1;
	return 0;
}

static int
make_redis(struct daemon *daemon, struct pgripple_error *err)
{
	const struct targets_listener listener = {
	    .context = daemon,
	    .on_change = on_target,
	    .on_turn = on_turn,
	    .on_tasks = on_tasks,
	    .on_claimed_by_other = on_claimed_by_other,
	    .on_in_doubt = on_in_doubt,
	};

	return targets_new(daemon->base, daemon->configuration->settings,
	    &listener, &daemon->targets, err);
}

static int
make_flow(struct daemon *daemon, struct pgripple_error *err)
{
	const struct batch_listener batch_listener = {
	    .context = daemon,
	    .on_fetched = on_batch_fetched,
	    .on_proof = on_batch_proof,
	    .on_empty = on_batch_empty,
	    .on_end = on_batch_end,
	    .on_turn = on_turn,
	    .on_tasks = on_tasks,
	    .on_drift = on_batch_drift,
	    .on_claimed_by_other = on_claimed_by_other,
	    .on_in_doubt = on_in_doubt,
	};
	const struct tasks_listener tasks_listener = {
	    .context = daemon,
	    .on_turn = on_turn,
	    .on_claimed_by_other = on_claimed_by_other,
	    .on_in_doubt = on_in_doubt,
	    .on_tasks = on_tasks,
	};
	struct batch_peers peers = {
	    .work = daemon->work,
	    .targets = daemon->targets,
	};

	if (report_new(daemon->base, &daemon->report, err) < 0)
		return -1;
	peers.report = daemon->report;
	if (batch_new(
		daemon->base, &peers, &batch_listener, &daemon->batch, err) < 0)
		return -1;
	if (tasks_new(daemon->base, daemon->work, daemon->targets, true,
		&tasks_listener, &daemon->repeats, err) < 0)
		return -1;
	return tasks_new(daemon->base, daemon->work, daemon->targets, false,
	    &tasks_listener, &daemon->tasks, err);
}

static int
make_monitor(struct daemon *daemon, struct pgripple_error *err)
{
	const struct probe_listener listener = {
	    .context = daemon,
	    .on_turn = on_turn,
	};

	if (strcmp(daemon->configuration->settings->http.listen, LISTEN_OFF) ==
	    0)
		return 0;
	if (probe_new(
		daemon->base, daemon->work, &listener, &daemon->probe, err) < 0)
		return -1;
	return monitor_new(daemon, &daemon->monitor, err);
}

int
daemon_make(struct daemon *daemon, struct pgripple_error *err)
{
	daemon->base = event_base_new();
	if (daemon->base == NULL)
		return pgripple_error_nomem(err);
	if (make_events(daemon, err) < 0 || make_redis(daemon, err) < 0 ||
	    make_postgres(daemon, err) < 0 || make_flow(daemon, err) < 0 ||
	    make_monitor(daemon, err) < 0)
		return -1;
	daemon_use(daemon, daemon->configuration, NULL);
	return 0;
}

static void
free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

/* Peers go first: they complete what is under way, and flow takes that. */
void
daemon_unmake(struct daemon *daemon)
{
	daemon->stopping = true;
	monitor_free(daemon->monitor);
	session_free(daemon->work);
	listen_free(daemon->listen);
	targets_free(daemon->targets);
	doorbell_free(daemon->doorbell);
	low_water_free(daemon->low_water);
	batch_free(daemon->batch);
	tasks_free(daemon->repeats);
	tasks_free(daemon->tasks);
	report_free(daemon->report);
	probe_free(daemon->probe);
	for (size_t i = 0; i < N_ELEMENTS(daemon->signals); i++)
		free_event(daemon->signals[i]);
	free_event(daemon->poll);
	free_event(daemon->coverage);
	free_event(daemon->drain);
	free_event(daemon->watchdog);
	if (daemon->base != NULL)
		event_base_free(daemon->base);
	catalog_free(daemon->catalog);
	configuration_free(daemon->candidate);
	configuration_free(daemon->configuration);
}

void
daemon_hold_signals(int how)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	for (size_t i = 0; i < N_ELEMENTS(signal_numbers); i++)
		(void)sigaddset(&signals, signal_numbers[i]);
	(void)sigprocmask(how, &signals, NULL);
}
