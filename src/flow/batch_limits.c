/*
 * The limits of a batch, and what is said when one made a whole model of rows:
 * once for each relation and cause, however often it happened.
 */
#include "base/arena.h"
#include "flow/batch_private.h"
#include "observe/log.h"
#include "observe/metrics.h"

struct batch_escalation {
	const struct pgripple_relation *relation;
	enum pgripple_cause cause;
	int64_t n_times;
	struct batch_escalation *next;
};

/* The setting behind a cause and its value; NULL if it is no limit. */
static const char *
setting_of(const struct settings *settings, enum pgripple_cause cause,
    int64_t *ret_limit)
{
	bool is_of_batch = cause == PGRIPPLE_CAUSE_TOUCHED_ROWS;

	switch (cause) {
	case PGRIPPLE_CAUSE_UNKNOWN_VALUE:
	case PGRIPPLE_CAUSE_LOOKUP_FAILED:
		return NULL;
	case PGRIPPLE_CAUSE_MEMORY:
		*ret_limit = settings->limits.memory_limit;
		return "limits.memory_limit";
	case PGRIPPLE_CAUSE_TOUCHED_ROWS:
	case PGRIPPLE_CAUSE_LOOKUP_ROWS:
	case PGRIPPLE_CAUSE_LOOKUP_KEYS:
		break;
	}
	*ret_limit = is_of_batch ? settings->limits.touched_rows
				 : settings_max_lookup_rows(settings);
	return *ret_limit == settings->limits.lookup_rows && !is_of_batch
		   ? "limits.lookup_rows"
		   : "limits.touched_rows";
}

static void
on_escalation(void *context, const struct pgripple_relation *relation,
    enum pgripple_cause cause)
{
	struct batch *batch = context;
	struct batch_escalation *known = batch->escalations;

	while (known != NULL &&
	       (known->relation != relation || known->cause != cause))
		known = known->next;
	if (known == NULL) {
		known = arena_alloc(batch->arena, sizeof(*known));
		if (known == NULL)
			return; /* it costs a line of the log, nothing else */
		known->relation = relation;
		known->cause = cause;
		known->next = batch->escalations;
		batch->escalations = known;
	}
	known->n_times++;
}

struct pgripple_walk *
batch_limited_walk(struct batch *batch)
{
	const struct settings *settings = batch->settings;
	struct pgripple_limits limits = {
	    .touched_rows = (size_t)settings->limits.touched_rows,
	    .lookup_rows = (size_t)settings_max_lookup_rows(settings),
	    .lookup_keys = (size_t)settings_max_lookup_rows(settings),
	    .bytes = batch->room.walk,
	    .plan_bytes = batch->room.all,
	};
	struct pgripple_walk *walk = pgripple_walk_new(batch->graph, &limits);

	if (walk != NULL)
		pgripple_walk_on_escalation(walk, on_escalation, batch);
	return walk;
}

size_t
batch_max_lookup_rows(const struct batch *batch)
{
	return (size_t)settings_max_lookup_rows(batch->settings);
}

static void
tell(const struct batch *batch, const struct batch_escalation *escalation)
{
	int64_t limit = 0;
	const char *setting =
	    setting_of(batch->settings, escalation->cause, &limit);

	log_event(LOG_LEVEL_WARNING, "batch.escalated",
	    log_string("relation", escalation->relation->name),
	    log_string("model", escalation->relation->to->name),
	    log_string("cause", pgripple_cause_name(escalation->cause)),
	    log_string("setting", setting),
	    setting == NULL ? log_string("limit", NULL)
			    : log_int("limit", limit),
	    log_int("times", escalation->n_times));
}

static void
count(const struct batch *batch, const struct batch_escalation *escalation)
{
	int64_t limit;
	const char *setting =
	    setting_of(batch->settings, escalation->cause, &limit);

	metrics_add(METRIC_ESCALATIONS, pgripple_cause_name(escalation->cause),
	    NULL, escalation->n_times);
	if (setting != NULL)
		metrics_add(METRIC_LIMITS, setting, NULL, escalation->n_times);
}

void
batch_tell_escalations(const struct batch *batch)
{
	for (const struct batch_escalation *at = batch->escalations; at != NULL;
	     at = at->next) {
		count(batch, at);
		if (at->cause != PGRIPPLE_CAUSE_LOOKUP_FAILED)
			tell(batch, at); /* a failure was told as one */
	}
}
