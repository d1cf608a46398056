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
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/exit_status.h"
#include "config/configuration.h"
#include "flow/batch.h"
#include "flow/coverage.h"
#include "flow/report.h"
#include "flow/tasks.h"
#include "observe/log.h"
#include "observe/systemd.h"
#include "postgres/catalog.h"
#include "postgres/listen.h"
#include "postgres/session.h"
#include "redis/connection.h"

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};

struct daemon {
	const char *settings_path;
	struct configuration *configuration;
	struct catalog *catalog; /* NULL until it was described once */
	struct configuration *candidate; /* of a reload, to be verified */
	const struct configuration *described; /* the one under way, or NULL */

	struct event_base *base;
	struct event *signals[N_ELEMENTS(signal_numbers)];
	struct event *poll;
	struct event *drain;
	struct event *watchdog;
	struct listen *listen;
	struct session *work;
	struct redis_connection *redis;
	struct batch *batch;
	struct tasks *tasks;
	struct report *report;

	bool reload_due; /* it came while a candidate was described */
	bool rung; /* the outbox may hold changes */
	/* The catalog is to be looked at; it could not be, when last tried. */
	bool describe_due;
	bool describe_failed;
	bool live; /* was, when last looked */
	bool stopping;
	enum exit_status status;
};

static void daemon_turn(struct daemon *daemon);

static void
configure_log(const struct settings *settings)
{
	struct log_options options = {.values = settings->log.values};

	for (options.level = LOG_LEVEL_ERROR; options.level < LOG_LEVEL_DEBUG;
	     options.level++)
		if (strcmp(log_level_name(options.level),
			settings->log.level) == 0)
			break;
	if (strcmp(settings->log.format, "json") == 0)
		options.format = LOG_FORMAT_JSON;
	else if (strcmp(settings->log.format, "text") == 0)
		options.format = LOG_FORMAT_TEXT;
	log_configure(&options);
}

static struct timeval
timeval_of_ms(int64_t ms)
{
	return (struct timeval){
	    .tv_sec = ms / 1000,
	    .tv_usec = ms % 1000 * 1000,
	};
}

/* State. */

static const char *
missing_peer(const struct daemon *daemon)
{
	if (!session_is_up(daemon->work) || !listen_is_ready(daemon->listen))
		return "waiting for Postgres";
	if (daemon->catalog == NULL)
		return "waiting for the schema to be installed";
	if (!redis_connection_is_up(daemon->redis))
		return "waiting for Redis";
	return NULL;
}

static void
look_at_state(struct daemon *daemon)
{
	const char *missing = missing_peer(daemon);
	bool live = missing == NULL;

	if (daemon->stopping)
		return;
	if (live && !daemon->live)
		log_event(LOG_LEVEL_INFO, "daemon.ready",
		    log_string("postgres", session_describe(daemon->work)),
		    log_string(
			"redis", redis_connection_describe(daemon->redis)),
		    log_int("models",
			(int64_t)daemon->configuration->graph->n_models),
		    log_int("relations",
			(int64_t)daemon->configuration->graph->n_relations));
	daemon->live = live;
	systemd_status("%s", live ? "live" : missing);
}

/* Stopping. */

static void
leave(struct daemon *daemon, enum exit_status status)
{
	daemon->stopping = true;
	daemon->status = status;
	(void)event_base_loopbreak(daemon->base);
}

static void
stop(struct daemon *daemon)
{
	struct timeval patience =
	    timeval_of_ms(daemon->configuration->settings->drain_timeout_ms);

	if (daemon->stopping)
		return;
	daemon->stopping = true;
	systemd_stopping();
	log_plain(LOG_LEVEL_INFO, "daemon.stopping");
	if (!batch_is_under_way(daemon->batch))
		leave(daemon, EXIT_STATUS_OK);
	else
		(void)event_add(daemon->drain, &patience);
}

static void
on_drain_over(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	log_event(LOG_LEVEL_WARNING, "daemon.drain_timeout",
	    log_string("hint",
		"The changes under way stay in the outbox and are done again "
		"by the next daemon."));
	leave(context, EXIT_STATUS_OK);
}

/* Configurations. */

static void
use(struct daemon *daemon, struct configuration *configuration,
    struct catalog *catalog)
{
	if (daemon->configuration != configuration)
		configuration_free(daemon->configuration);
	if (daemon->catalog != catalog)
		catalog_free(daemon->catalog);
	daemon->configuration = configuration;
	daemon->catalog = catalog;
	batch_configure(daemon->batch, configuration->settings,
	    configuration->graph, catalog);
	tasks_configure(daemon->tasks, configuration->settings);
	report_configure(
	    daemon->report, configuration->settings->log.changes_per_second);
	configure_log(configuration->settings);
}

static int
arm_poll(struct daemon *daemon)
{
	struct timeval interval = timeval_of_ms(
	    daemon->configuration->settings->postgres.poll_interval_ms);

	return event_add(daemon->poll, &interval);
}

static void
end_reload(struct daemon *daemon, const char *event, const char *reason)
{
	log_event(reason == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, event,
	    log_string("file", daemon->settings_path),
	    log_string("error", reason),
	    log_string("hint",
		reason == NULL
		    ? NULL
		    : "The configuration from before is still in use."));
	systemd_ready(reason == NULL ? "reloaded" : "reload rejected");
	look_at_state(daemon);
}

static void
reject_candidate(struct daemon *daemon, const char *reason)
{
	configuration_free(steal(&daemon->candidate));
	daemon->describe_due |= daemon->catalog == NULL;
	end_reload(daemon, "reload.rejected", reason);
}

static void
reload(struct daemon *daemon)
{
	struct pgripple_errors errors = {0};
	const char *fixed = NULL;

	daemon->reload_due =
	    daemon->candidate != NULL && daemon->described == daemon->candidate;
	if (daemon->reload_due)
		return;
	systemd_reloading();
	configuration_free(steal(&daemon->candidate));
	if (configuration_load(
		daemon->settings_path, &errors, &daemon->candidate) < 0) {
		coverage_tell_problems(&errors);
		end_reload(
		    daemon, "reload.rejected", "the configuration has errors");
	} else if ((fixed = settings_fixed_difference(
			daemon->configuration->settings,
			daemon->candidate->settings)) != NULL) {
		char reason[128];

		(void)snprintf(reason, sizeof(reason),
		    "\"%s\" was changed, which takes a restart", fixed);
		reject_candidate(daemon, reason);
	}
	pgripple_errors_done(&errors);
	daemon->describe_due |= daemon->candidate != NULL;
	daemon_turn(daemon);
}

/* The catalog. */

static void
judge_candidate(struct daemon *daemon, struct catalog *catalog)
{
	if (catalog->problems.n_items > 0) {
		coverage_tell_problems(&catalog->problems);
		catalog_free(catalog);
		reject_candidate(daemon, "the graph does not fit the database");
		return;
	}
	coverage_tell_gaps(daemon->candidate, catalog);
	use(daemon, steal(&daemon->candidate), catalog);
	(void)arm_poll(daemon); /* the timer exists already */
	end_reload(daemon, "reload.done", NULL);
}

/* At start a graph that does not fit the database is the operator's mistake;
 * later on it is a migration, during which the daemon must go on: what it
 * cannot look up it touches as a whole. */
static void
judge_current(struct daemon *daemon, struct catalog *catalog)
{
	if (catalog->problems.n_items > 0) {
		coverage_tell_problems(&catalog->problems);
		if (daemon->catalog == NULL) {
			catalog_free(catalog);
			leave(daemon, EXIT_STATUS_CONFIG);
			return;
		}
	}
	coverage_tell_gaps(daemon->configuration, catalog);
	use(daemon, daemon->configuration, catalog);
	look_at_state(daemon);
}

static void
on_described(void *context, enum session_outcome outcome,
    struct catalog *catalog, const struct pgripple_error *err)
{
	struct daemon *daemon = context;
	bool is_candidate = daemon->described == daemon->candidate;

	daemon->described = NULL;
	daemon->describe_failed =
	    outcome != SESSION_DONE || !catalog->installed;
	if (outcome != SESSION_DONE)
		log_error(LOG_LEVEL_WARNING, "catalog.failed", err);
	else if (!catalog->installed) {
		log_event(LOG_LEVEL_ERROR, "catalog.not_installed",
		    log_string("schema",
			daemon->configuration->settings->postgres.schema),
		    log_string("hint",
			"Run \"pgripple install\"; the daemon waits for "
			"it."));
		catalog_free(catalog);
	} else if (is_candidate) {
		judge_candidate(daemon, catalog);
	} else {
		judge_current(daemon, catalog);
	}
	if (daemon->reload_due)
		reload(daemon);
	daemon_turn(daemon);
}

static void
describe(struct daemon *daemon)
{
	struct configuration *configuration = daemon->candidate != NULL
						  ? daemon->candidate
						  : daemon->configuration;
	struct pgripple_error err;

	daemon->describe_due = false;
	daemon->described = configuration;
	if (catalog_describe_submit(daemon->work,
		configuration->settings->postgres.schema, configuration->graph,
		on_described, daemon, &err) < 0) {
		daemon->described = NULL;
		daemon->describe_failed = true; /* on_poll() tries again */
		log_error(LOG_LEVEL_WARNING, "catalog.failed", &err);
	}
}

/* Turns. */

static void
daemon_turn(struct daemon *daemon)
{
	if (daemon->stopping || !session_is_up(daemon->work) ||
	    session_is_busy(daemon->work) || batch_is_under_way(daemon->batch))
		return;
	if (daemon->describe_due)
		describe(daemon);
	else if (daemon->catalog == NULL ||
		 !redis_connection_is_up(daemon->redis))
		return;
	else if (tasks_wants_session(daemon->tasks))
		tasks_take_turn(daemon->tasks);
	else if (daemon->rung && batch_is_idle(daemon->batch)) {
		daemon->rung = false;
		batch_start(daemon->batch);
	}
}

static void
on_batch_empty(void *context)
{
	struct daemon *daemon = context;

	if (daemon->stopping)
		leave(daemon, EXIT_STATUS_OK);
	else
		daemon_turn(daemon);
}

static void
on_batch_end(void *context)
{
	struct daemon *daemon = context;

	daemon->rung = true; /* there may be more than fits a batch */
	on_batch_empty(daemon);
}

static void
on_batch_tasks(void *context)
{
	struct daemon *daemon = context;

	tasks_wake(daemon->tasks);
}

static void
on_batch_drift(void *context)
{
	struct daemon *daemon = context;

	daemon->describe_due = true;
}

static void
on_tasks_turn(void *context)
{
	daemon_turn(context);
}

/* Peers. */

static void
on_work_up(void *context)
{
	struct daemon *daemon = context;

	daemon->describe_due = true; /* tables may have changed meanwhile */
	daemon->rung = true;
	tasks_wake(daemon->tasks);
	look_at_state(daemon);
	daemon_turn(daemon);
}

static void
on_redis_up(void *context)
{
	struct daemon *daemon = context;

	daemon->rung = true;
	tasks_wake(daemon->tasks);
	look_at_state(daemon);
	daemon_turn(daemon);
}

static void
on_ring(void *context)
{
	struct daemon *daemon = context;

	daemon->rung = true;
	look_at_state(daemon);
	daemon_turn(daemon);
}

static void
on_peer_down(void *context, const struct pgripple_error *err UNUSED)
{
	look_at_state(context); /* the peer's own folder has logged it */
}

/* Doorbells are hints: whatever happened to them, the outbox is looked at. */
static void
on_poll(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct daemon *daemon = context;

	daemon->describe_due |= daemon->describe_failed;
	tasks_wake(daemon->tasks);
	on_ring(daemon);
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
		    settings->redis.command_timeout_ms + 10000);

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
		stop(daemon);
	else if (!daemon->stopping)
		reload(daemon);
}

/* Making it. */

static int
make_events(struct daemon *daemon, struct pgripple_error *err)
{
	struct timeval watchdog_interval =
	    timeval_of_ms(systemd_watchdog_us() / 1000);

	for (size_t i = 0; i < N_ELEMENTS(signal_numbers); i++) {
		daemon->signals[i] = evsignal_new(
		    daemon->base, signal_numbers[i], on_signal, daemon);
		if (daemon->signals[i] == NULL ||
		    event_add(daemon->signals[i], NULL) < 0)
			return pgripple_error_nomem(err);
	}
	daemon->poll = event_new(daemon->base, -1, EV_PERSIST, on_poll, daemon);
	daemon->drain = evtimer_new(daemon->base, on_drain_over, daemon);
	daemon->watchdog =
	    event_new(daemon->base, -1, EV_PERSIST, on_watchdog, daemon);
	if (daemon->poll == NULL || daemon->drain == NULL ||
	    daemon->watchdog == NULL || arm_poll(daemon) < 0)
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
	struct session_options options = {
	    .name = "work",
	    .conninfo = settings->postgres.conninfo,
	    .connect_timeout_ms = settings->postgres.connect_timeout_ms,
	    .statement_timeout_ms = settings->postgres.statement_timeout_ms,
	    .heartbeat_ms = settings->postgres.heartbeat_ms,
	    .retry_max_ms = settings->retry_max_ms,
	};
	const struct session_listener on_work = {
	    .context = daemon,
	    .on_up = on_work_up,
	    .on_down = on_peer_down,
	};
	const struct listen_listener on_listen = {
	    .context = daemon,
	    .on_ready = on_ring,
	    .on_down = on_peer_down,
	    .on_ring = on_ring,
	};

	if (session_new(daemon->base, &options, &on_work, &daemon->work, err) <
	    0)
		return -1;
	options.name = "listen";
	return listen_new(daemon->base, &options, settings->postgres.schema,
	    &on_listen, &daemon->listen, err);
}

static int
make_redis(struct daemon *daemon, struct pgripple_error *err)
{
	const struct settings *settings = daemon->configuration->settings;
	const struct redis_options options = {
	    .url = settings->redis.url,
	    .connect_timeout_ms = settings->redis.connect_timeout_ms,
	    .command_timeout_ms = settings->redis.command_timeout_ms,
	    .retry_max_ms = settings->retry_max_ms,
	};
	const struct redis_listener listener = {
	    .context = daemon,
	    .on_up = on_redis_up,
	    .on_down = on_peer_down,
	};

	return redis_connection_new(
	    daemon->base, &options, &listener, &daemon->redis, err);
}

static int
make_flow(struct daemon *daemon, struct pgripple_error *err)
{
	const struct batch_listener batch_listener = {
	    .context = daemon,
	    .on_empty = on_batch_empty,
	    .on_end = on_batch_end,
	    .on_tasks = on_batch_tasks,
	    .on_drift = on_batch_drift,
	};
	const struct tasks_listener tasks_listener = {
	    .context = daemon,
	    .on_turn = on_tasks_turn,
	};
	struct batch_peers peers = {
	    .work = daemon->work,
	    .redis = daemon->redis,
	};

	if (report_new(daemon->base, &daemon->report, err) < 0)
		return -1;
	peers.report = daemon->report;
	if (batch_new(
		daemon->base, &peers, &batch_listener, &daemon->batch, err) < 0)
		return -1;
	return tasks_new(daemon->base, daemon->work, daemon->redis,
	    &tasks_listener, &daemon->tasks, err);
}

static int
make(struct daemon *daemon, struct pgripple_error *err)
{
	daemon->base = event_base_new();
	if (daemon->base == NULL)
		return pgripple_error_nomem(err);
	if (make_events(daemon, err) < 0 || make_postgres(daemon, err) < 0 ||
	    make_redis(daemon, err) < 0 || make_flow(daemon, err) < 0)
		return -1;
	use(daemon, daemon->configuration, NULL);
	return 0;
}

static void
free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

/* Peers go first: they complete what is under way, and flow takes that. */
static void
unmake(struct daemon *daemon)
{
	daemon->stopping = true;
	redis_connection_free(daemon->redis);
	session_free(daemon->work);
	listen_free(daemon->listen);
	batch_free(daemon->batch);
	tasks_free(daemon->tasks);
	report_free(daemon->report);
	for (size_t i = 0; i < N_ELEMENTS(daemon->signals); i++)
		free_event(daemon->signals[i]);
	free_event(daemon->poll);
	free_event(daemon->drain);
	free_event(daemon->watchdog);
	if (daemon->base != NULL)
		event_base_free(daemon->base);
	catalog_free(daemon->catalog);
	configuration_free(daemon->candidate);
	configuration_free(daemon->configuration);
}

static void
run(struct daemon *daemon)
{
	listen_start(daemon->listen);
	session_start(daemon->work);
	redis_connection_start(daemon->redis);
	log_event(LOG_LEVEL_INFO, "daemon.started",
	    log_string("version", PGRIPPLE_VERSION),
	    log_string("settings", daemon->settings_path),
	    log_string("graph", daemon->configuration->settings->graph));
	systemd_ready("starting");
	look_at_state(daemon);
	(void)event_base_dispatch(daemon->base);
}

/* A signal that comes before somebody listens waits until then: it would end
 * the process. */
static void
hold_signals(int how)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	for (size_t i = 0; i < N_ELEMENTS(signal_numbers); i++)
		(void)sigaddset(&signals, signal_numbers[i]);
	(void)sigprocmask(how, &signals, NULL);
}

int
daemon_run(const char *settings_path)
{
	struct daemon daemon = {.settings_path = settings_path};
	struct pgripple_errors errors = {0};
	struct pgripple_error err;

	(void)signal(SIGPIPE, SIG_IGN);
	hold_signals(SIG_BLOCK);
	if (configuration_load(settings_path, &errors, &daemon.configuration) <
	    0) {
		coverage_tell_problems(&errors);
		pgripple_errors_done(&errors);
		return EXIT_STATUS_CONFIG;
	}
	configure_log(daemon.configuration->settings);
	if (make(&daemon, &err) == 0) {
		hold_signals(SIG_UNBLOCK);
		run(&daemon);
		hold_signals(SIG_BLOCK);
	} else {
		log_error(LOG_LEVEL_ERROR, "daemon.failed", &err);
		daemon.status = exit_status_of(err.kind);
	}
	unmake(&daemon);
	if (daemon.status == EXIT_STATUS_OK)
		log_plain(LOG_LEVEL_INFO, "daemon.stopped");
	return (int)daemon.status;
}
