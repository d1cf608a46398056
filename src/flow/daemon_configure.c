/*
 * The daemon's configuration, and what the live catalog says of it.
 *
 * A reload is a candidate: read aside, described against the catalog when the
 * work session is free, and only then swapped in, between two batches.
 */
#include "flow/daemon_private.h"

#include <stdio.h>
#include <string.h>

#include "flow/batch.h"
#include "flow/coverage.h"
#include "flow/monitor.h"
#include "flow/probe.h"
#include "flow/report.h"
#include "flow/targets.h"
#include "flow/tasks.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/systemd.h"
#include "postgres/catalog.h"
#include "postgres/gaps.h"

void
daemon_configure_log(const struct settings *settings)
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

/* Configurations. */

void
daemon_use(struct daemon *daemon, struct configuration *configuration,
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
	tasks_configure(daemon->repeats, configuration->settings);
	tasks_configure(daemon->tasks, configuration->settings);
	targets_configure(
	    daemon->targets, configuration->settings, configuration->graph);
	report_configure(daemon->report,
	    configuration->settings->log.changes_per_second,
	    settings_observes(configuration->settings));
	daemon_configure_log(configuration->settings);
	if (daemon->monitor != NULL) {
		probe_configure(daemon->probe, configuration->settings);
		monitor_configure(daemon->monitor);
	}
}

int
daemon_arm_poll(struct daemon *daemon)
{
	struct timeval interval = daemon_timeval(
	    daemon->configuration->settings->postgres.poll_interval_ms);

	return event_add(daemon->poll, &interval);
}

static void
end_reload(struct daemon *daemon, const char *event, const char *reason)
{
	metrics_add(
	    METRIC_RELOADS, reason == NULL ? "done" : "rejected", NULL, 1);
	log_event(reason == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, event,
	    log_string("file", daemon->settings_path),
	    log_string("mode", daemon->configuration->settings->mode),
	    log_string("error", reason),
	    log_string("hint",
		reason == NULL
		    ? NULL
		    : "The configuration from before is still in use."));
	systemd_ready(reason == NULL ? "reloaded" : "reload rejected");
	daemon_look_at_state(daemon);
}

static void
reject_candidate(struct daemon *daemon, const char *reason)
{
	configuration_free(steal(&daemon->candidate));
	/* The catalog may have been due for a look of its own. */
	daemon->describe_due = true;
	end_reload(daemon, "reload.rejected", reason);
}

void
daemon_reload(struct daemon *daemon)
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
	coverage_tell_gaps(daemon->candidate, NULL, catalog);
	daemon_use(daemon, steal(&daemon->candidate), catalog);
	(void)daemon_arm_poll(daemon); /* the timer exists already */
	end_reload(daemon, "reload.done", NULL);
}

/* At start a graph that does not fit the database is the operator's mistake;
 * later on it is a migration, during which the daemon must go on: what it
 * cannot look up it touches as a whole. */
static void
judge_current(struct daemon *daemon, struct catalog *catalog)
{
	coverage_tell_graph(daemon->catalog, catalog);
	if (catalog->problems.n_items > 0 && daemon->catalog == NULL) {
		catalog_free(catalog);
		daemon_leave(daemon, EXIT_STATUS_CONFIG);
		return;
	}
	coverage_tell_gaps(daemon->configuration, daemon->catalog, catalog);
	daemon->coverage_due |= daemon->catalog == NULL;
	daemon_use(daemon, daemon->configuration, catalog);
	daemon_look_at_state(daemon);
}

/* Tables may be gone that our statements need, or mean something else: nothing
 * is done until both are of one version.  The outbox keeps everything. */
static void
wait_for_version(struct daemon *daemon, const struct catalog *catalog)
{
	log_event(LOG_LEVEL_ERROR, "catalog.version",
	    log_string(
		"schema", daemon->configuration->settings->postgres.schema),
	    log_int("version", catalog->schema_version),
	    log_int("wanted", CATALOG_SCHEMA_VERSION),
	    log_string("hint",
		catalog->schema_version < CATALOG_SCHEMA_VERSION
		    ? "Run \"pgripple install\"; the daemon waits for it."
		    : "Start a pgripple of the version that was installed; "
		      "meanwhile the outbox keeps all changes."));
	daemon->is_other_version = true;
	daemon_look_at_state(daemon);
}

static bool
is_usable(const struct catalog *catalog)
{
	return catalog->installed &&
	       catalog->schema_version == CATALOG_SCHEMA_VERSION;
}

static void
on_described(void *context, enum session_outcome outcome,
    struct catalog *catalog, const struct pgripple_error *err)
{
	struct daemon *daemon = context;
	bool is_candidate = daemon->described == daemon->candidate;

	daemon->described = NULL;
	daemon->describe_failed =
	    outcome != SESSION_DONE || !is_usable(catalog);
	daemon->is_other_version &= daemon->describe_failed;
	daemon->is_missing = outcome == SESSION_DONE && !catalog->installed;
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
		daemon_look_at_state(daemon);
	} else if (!is_usable(catalog)) {
		wait_for_version(daemon, catalog);
		catalog_free(catalog);
	} else if (is_candidate) {
		judge_candidate(daemon, catalog);
	} else {
		judge_current(daemon, catalog);
	}
	if (daemon->reload_due)
		daemon_reload(daemon);
	daemon_turn(daemon);
}

void
daemon_describe(struct daemon *daemon)
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

/* Coverage. */

/* Where triggers come and go, columns may have as well; a problem may be a new
 * one, or the drift of before have been mended; and another version may have
 * been installed. */
static bool
needs_describe(const struct daemon *daemon, const struct gaps *gaps)
{
	return gaps->n_news > 0 || gaps->n_problems > 0 || daemon->drifted ||
	       gaps->schema_version != CATALOG_SCHEMA_VERSION;
}

static void
on_gaps(void *context, enum session_outcome outcome, const struct gaps *gaps,
    const struct pgripple_error *err)
{
	struct daemon *daemon = context;

	if (outcome != SESSION_DONE) {
		log_error(LOG_LEVEL_WARNING, "capture.unchecked", err);
	} else {
		for (size_t i = 0; i < gaps->n_news; i++)
			coverage_tell_gap(&gaps->news[i]);
		daemon->describe_due |= needs_describe(daemon, gaps);
	}
	daemon_turn(daemon);
}

void
daemon_look_for_gaps(struct daemon *daemon)
{
	struct pgripple_error err;

	daemon->coverage_due = false;
	if (gaps_look(daemon->work,
		daemon->configuration->settings->postgres.schema, on_gaps,
		daemon, &err) < 0)
		log_error(LOG_LEVEL_WARNING, "capture.unchecked", &err);
}
