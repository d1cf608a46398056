/*
 * The daemon: everything wired together, one event loop.
 *
 * The work session runs one statement at a time, for whoever has a turn:
 * daemon_turn() is the one place that gives it away, and is called whenever the
 * session may have become free or somebody has got something to do.
 *
 * A reload is a candidate: read aside, described against the catalog when the
 * session is free, and only then swapped in, between two batches.
 */
#include "flow/daemon.h"

#include <signal.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "flow/batch.h"
#include "flow/coverage.h"
#include "flow/daemon_private.h"
#include "flow/daemon_state.h"
#include "flow/monitor.h"
#include "flow/probe.h"
#include "flow/targets.h"
#include "flow/tasks.h"
#include "observe/log.h"
#include "observe/systemd.h"
#include "postgres/listen.h"
#include "postgres/low_water.h"
#include "postgres/session.h"
#include "redis/connection.h"

/* State. */

/* Redis is there, or need not be since nothing is sent to it. */
static bool
can_apply(const struct daemon *daemon)
{
	size_t missing;

	return settings_observes(daemon->configuration->settings) ||
	       targets_may_go_on(daemon->targets, &missing);
}

/* Those without which it goes on; NULL if there is none. */
static const char *
postponed(const struct daemon *daemon, struct buf *buf)
{
	uint32_t set = targets_postponed(daemon->targets);

	if (set == 0)
		return NULL;
	targets_print(daemon->targets, set, buf);
	return buf_string(buf);
}

const char *
daemon_state_name(enum daemon_state state)
{
	switch (state) {
	case DAEMON_LIVE:
		return "live";
	case DAEMON_STANDBY:
		return "standby";
	case DAEMON_POSTGRES_DOWN:
		return "postgres-down";
	case DAEMON_NOT_INSTALLED:
		return "not-installed";
	case DAEMON_REDIS_DOWN:
		return "redis-down";
	case DAEMON_DRAINING:
		return "draining";
	}
	return "unknown";
}

enum daemon_state
daemon_state(const struct daemon *daemon)
{
	if (daemon->stopping)
		return DAEMON_DRAINING;
	if (listen_is_standby(daemon->listen))
		return DAEMON_STANDBY;
	if (!session_is_up(daemon->work))
		return DAEMON_POSTGRES_DOWN;
	if (daemon->is_missing)
		return DAEMON_NOT_INSTALLED;
	if (!listen_is_ready(daemon->listen))
		return DAEMON_POSTGRES_DOWN;
	if (daemon->catalog == NULL || daemon->is_other_version)
		return DAEMON_NOT_INSTALLED;
	return can_apply(daemon) ? DAEMON_LIVE : DAEMON_REDIS_DOWN;
}

static void
tell_ready(const struct daemon *daemon)
{
	const struct configuration *configuration = daemon->configuration;
	const struct targets *targets = daemon->targets;
	CLEANUP(buf_done) struct buf servers = BUF_INIT;
	CLEANUP(buf_done) struct buf names = BUF_INIT;

	targets_print_servers(targets, &servers);
	log_event(LOG_LEVEL_INFO, "daemon.ready",
	    log_string("mode", configuration->settings->mode),
	    log_string("postgres", session_describe(daemon->work)),
	    targets_count(targets) > 1
		? log_json("redis", buf_string(&servers))
		: log_string("redis", redis_connection_describe(
					  targets_connection(targets, 0))),
	    log_json("postponed", postponed(daemon, &names)),
	    log_int("models", (int64_t)configuration->graph->n_models),
	    log_int("relations", (int64_t)configuration->graph->n_relations));
}

static void
print_live(const struct daemon *daemon, struct buf *buf)
{
	CLEANUP(buf_done) struct buf names = BUF_INIT;
	const char *without = postponed(daemon, &names);

	if (settings_observes(daemon->configuration->settings))
		buf_add_string(buf, ", only observing");
	else if (without != NULL)
		buf_printf(buf, ", without %s", without);
	if (daemon->drifted)
		buf_add_string(buf, ", drifted: see \"pgripple check\"");
}

static void
print_missing_target(const struct daemon *daemon, struct buf *buf)
{
	size_t missing;

	if (targets_count(daemon->targets) > 1 &&
	    !targets_may_go_on(daemon->targets, &missing))
		buf_printf(buf, ": target \"%s\"",
		    targets_name(daemon->targets, missing));
}

/* For "systemctl status": the state, and what is to be known of it. */
static void
print_state(const struct daemon *daemon, struct buf *buf)
{
	enum daemon_state state = daemon_state(daemon);

	buf_add_string(buf, daemon_state_name(state));
	switch (state) {
	case DAEMON_LIVE:
		print_live(daemon, buf);
		break;
	case DAEMON_REDIS_DOWN:
		print_missing_target(daemon, buf);
		break;
	case DAEMON_NOT_INSTALLED:
		if (daemon->is_other_version)
			buf_add_string(buf, ": its schema is of another "
					    "version");
		else if (!daemon->describe_failed)
			buf_add_string(buf, ", or not seen yet");
		break;
	case DAEMON_STANDBY:
		buf_add_string(buf, ": another daemon works");
		break;
	case DAEMON_POSTGRES_DOWN:
	case DAEMON_DRAINING:
		break;
	}
}

/* The lines before it say what is wrong. */
static void
look_at_drift(struct daemon *daemon)
{
	bool drifted =
	    coverage_is_drifted(daemon->configuration, daemon->catalog);

	if (drifted && !daemon->drifted)
		log_event(LOG_LEVEL_ERROR, "daemon.drifted",
		    log_int(
			"tables", (int64_t)coverage_count_gaps(
				      daemon->configuration, daemon->catalog)),
		    log_int("problems",
			(int64_t)coverage_count_problems(daemon->catalog)),
		    log_string("hint",
			"Run \"pgripple check\", and \"pgripple install\"."));
	else if (!drifted && daemon->drifted)
		log_plain(LOG_LEVEL_INFO, "daemon.mended");
	daemon->drifted = drifted;
}

void
daemon_look_at_state(struct daemon *daemon)
{
	CLEANUP(buf_done) struct buf status = BUF_INIT;
	bool live = daemon_state(daemon) == DAEMON_LIVE;

	if (daemon->stopping)
		return;
	look_at_drift(daemon);
	if (live && !daemon->live)
		tell_ready(daemon);
	daemon->live = live;
	print_state(daemon, &status);
	systemd_status("%s", buf_string(&status));
}

/* Stopping. */

void
daemon_leave(struct daemon *daemon, enum exit_status status)
{
	daemon->stopping = true;
	daemon->status = status;
	(void)event_base_loopbreak(daemon->base);
}

void
daemon_stop(struct daemon *daemon)
{
	struct timeval patience =
	    daemon_timeval(daemon->configuration->settings->drain_timeout_ms);

	if (daemon->stopping)
		return;
	daemon->stopping = true;
	systemd_stopping(daemon_state_name(DAEMON_DRAINING));
	log_plain(LOG_LEVEL_INFO, "daemon.stopping");
	if (!batch_is_under_way(daemon->batch))
		daemon_leave(daemon, EXIT_STATUS_OK);
	else
		(void)event_add(daemon->drain, &patience);
}

/* Turns. */

static void
on_mark_step(void *context)
{
	daemon_turn(context);
}

static void
raise_mark(struct daemon *daemon)
{
	struct pgripple_error err;

	if (low_water_step(daemon->low_water, daemon->work, on_mark_step,
		daemon, &err) < 0)
		log_error(LOG_LEVEL_WARNING, "postgres.low_water", &err);
}

void
daemon_turn(struct daemon *daemon)
{
	if (daemon->stopping || listen_is_standby(daemon->listen) ||
	    !session_is_up(daemon->work) || session_is_busy(daemon->work) ||
	    batch_is_under_way(daemon->batch) ||
	    tasks_uses_session(daemon->tasks) ||
	    tasks_uses_session(daemon->repeats) ||
	    targets_use_session(daemon->targets))
		return;
	if (daemon->describe_due)
		daemon_describe(daemon);
	else if (daemon->is_other_version)
		return;
	else if (daemon->recognise_due && daemon->catalog != NULL)
		daemon_recognise(daemon);
	else if (daemon->coverage_due && daemon->catalog != NULL)
		daemon_look_for_gaps(daemon);
	else if (daemon->catalog != NULL &&
		 targets_want_session(daemon->targets))
		targets_take_turn(daemon->targets, daemon->work);
	else if (daemon->catalog != NULL && daemon->probe != NULL &&
		 probe_wants_session(daemon->probe, can_apply(daemon)))
		probe_take_turn(
		    daemon->probe, low_water_mark(daemon->low_water));
	else if (daemon->catalog == NULL || !can_apply(daemon))
		return;
	else if (tasks_wants_session(daemon->repeats))
		tasks_take_turn(daemon->repeats);
	else if (tasks_wants_session(daemon->tasks))
		tasks_take_turn(daemon->tasks);
	else if (low_water_is_due(daemon->low_water))
		raise_mark(daemon);
	else if (daemon->fetch_due && batch_is_idle(daemon->batch)) {
		daemon->fetch_due = false;
		daemon->fetched_wall_us = clock_wall_us();
		batch_start(daemon->batch, low_water_mark(daemon->low_water));
	}
}

static void
on_running(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct daemon *daemon = context;

	if (daemon->stopping)
		return;
	systemd_ready("starting");
	daemon_look_at_state(daemon);
}

static void
run(struct daemon *daemon)
{
	listen_start(daemon->listen);
	session_start(daemon->work);
	targets_start(daemon->targets);
	if (daemon->monitor != NULL)
		monitor_start(daemon->monitor);
	log_event(LOG_LEVEL_INFO, "daemon.started",
	    log_string("version", PGRIPPLE_VERSION),
	    log_string("settings", daemon->settings_path),
	    log_string("graph", daemon->configuration->settings->graph));
	/* From within the loop, for that is what it says: it runs. */
	if (event_base_once(
		daemon->base, -1, EV_TIMEOUT, on_running, daemon, NULL) < 0)
		on_running(-1, EV_TIMEOUT, daemon);
	(void)event_base_dispatch(daemon->base);
}

int
daemon_run(const char *settings_path)
{
	struct daemon daemon = {.settings_path = settings_path};
	struct pgripple_errors errors = {0};
	struct pgripple_error err;

	heap_keep();
	(void)signal(SIGPIPE, SIG_IGN);
	daemon_hold_signals(SIG_BLOCK);
	if (configuration_load(settings_path, &errors, &daemon.configuration) <
	    0) {
		coverage_tell_problems(&errors);
		pgripple_errors_done(&errors);
		return EXIT_STATUS_CONFIG;
	}
	daemon_configure_log(daemon.configuration->settings);
	if (daemon_make(&daemon, &err) == 0) {
		daemon_hold_signals(SIG_UNBLOCK);
		run(&daemon);
		daemon_hold_signals(SIG_BLOCK);
	} else {
		log_error(LOG_LEVEL_ERROR, "daemon.failed", &err);
		daemon.status = exit_status_of(err.kind);
	}
	daemon_unmake(&daemon);
	if (daemon.status == EXIT_STATUS_OK)
		log_plain(LOG_LEVEL_INFO, "daemon.stopped");
	return (int)daemon.status;
}
