/*
 * The daemon's reaction to a Postgres that may have lost commits: the caches
 * may hold values of them, so every model is touched as a whole, unless the
 * settings say that nothing can have been lost.
 */
#include "flow/daemon_private.h"

#include <string.h>

#include "observe/log.h"
#include "observe/metrics.h"
#include "postgres/server.h"
#include "postgres/session.h"

/* For people; those of the settings are asked for by name. */
static const char *
explain(enum server_verdict verdict)
{
	switch (verdict) {
	case SERVER_CRASH:
		return "the server has recovered from a crash: commits of "
		       "writers with synchronous_commit = off may be lost";
	case SERVER_TIMELINE:
		return "the server is on another timeline: what was committed "
		       "before a failover or a restore may be lost";
	case SERVER_SYSTEM:
		return "this is another server with a copy of the tables";
	case SERVER_COPY:
		return "the tables were restored from a dump";
	case SERVER_KNOWN:
	case SERVER_FIRST:
		return NULL;
	}
	return NULL;
}

static const char *
next_step(const struct server_recognition *recognition)
{
	if (!recognition->is_ignored)
		return "all models are touched as a whole";
	return recognition->verdict == SERVER_CRASH
		   ? "nothing: \"postgres.on_crash\" is \"ignore\""
		   : "nothing: \"postgres.on_new_timeline\" is \"ignore\"";
}

static void
tell(const struct server_recognition *recognition)
{
	const char *why = explain(recognition->verdict);

	if (why == NULL)
		return;
	metrics_add(METRIC_WENT_BACK, server_verdict_name(recognition->verdict),
	    NULL, 1);
	log_event(LOG_LEVEL_WARNING, "postgres.went_back",
	    log_string("verdict", server_verdict_name(recognition->verdict)),
	    log_string("from", recognition->former),
	    log_string("to", recognition->present), log_string("error", why),
	    log_string("next", next_step(recognition)));
}

static void
on_recognised(void *context, enum session_outcome outcome,
    const struct server_recognition *recognition,
    const struct pgripple_error *err)
{
	struct daemon *daemon = context;

	daemon->recognise_failed = outcome != SESSION_DONE;
	if (outcome == SESSION_DONE)
		tell(recognition);
	else
		log_error(LOG_LEVEL_WARNING, "postgres.unrecognised", err);
	daemon_turn(daemon);
}

void
daemon_recognise(struct daemon *daemon)
{
	const struct settings *settings = daemon->configuration->settings;
	const struct server_policy policy = {
	    .ignores_crash = strcmp(settings->postgres.on_crash, "ignore") == 0,
	    .ignores_timeline =
		strcmp(settings->postgres.on_new_timeline, "ignore") == 0,
	};
	struct pgripple_error err;

	daemon->recognise_due = false;
	if (server_recognise(daemon->work, settings->postgres.schema, &policy,
		on_recognised, daemon, &err) < 0) {
		daemon->recognise_failed = true; /* on_poll() tries again */
		log_error(LOG_LEVEL_WARNING, "postgres.unrecognised", &err);
	}
}
