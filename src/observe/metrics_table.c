/*
 * Every metric, once.
 */
#include "observe/metrics_table.h"

#include "base/buf.h"
#include "base/util.h"

const char *
metric_type_name(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	}
	return "untyped";
}

const struct metric_row metrics_table[METRICS] = {
    [METRIC_INFO] = {"pgripple_info", METRIC_GAUGE, false, {"version", "mode"},
	"1 for the version that runs and the mode of its settings."},
    [METRIC_STATE] = {"pgripple_state", METRIC_GAUGE, false, {"state"},
	"1 for what holds. One of live, standby, postgres-down, not-installed, "
	"redis-down and draining does; drifted, when triggers or columns are "
	"not what the graph needs, and observing may hold beside it."},
    [METRIC_OLDEST_AGE] = {"pgripple_backlog_oldest_seconds", METRIC_GAUGE,
	true, {NULL},
	"The age of the oldest change that is not acknowledged, 0 if there is "
	"none: how stale caches can be. It counts from the trigger, or from "
	"when the outbox was last seen empty if that was later."},
    [METRIC_BACKLOG] = {"pgripple_backlog_changes", METRIC_GAUGE, false, {NULL},
	"Changes in the outbox; above 10,000 an estimate."},
    [METRIC_BACKLOG_LOOKED_AT] = {"pgripple_backlog_looked_at_seconds",
	METRIC_GAUGE, true, {NULL},
	"When the outbox was last looked at, in seconds since 1970."},
    [METRIC_TASKS_WAITING] = {"pgripple_tasks_waiting", METRIC_GAUGE, false,
	{NULL},
	"Tasks that wait: long work, repeats, and what is postponed; counted "
	"up to 10,000."},
    [METRIC_REJECTED_KEPT] = {"pgripple_rejected_kept", METRIC_GAUGE, false,
	{NULL},
	"Rows of the table \"rejected\", for somebody to look at; counted up "
	"to 10,000."},
    [METRIC_CHANGES] = {"pgripple_changes_total", METRIC_COUNTER, false, {"op"},
	"Changes that were applied and acknowledged."},
    [METRIC_CHANGED_ROWS] = {"pgripple_changed_rows_total", METRIC_COUNTER,
	false, {NULL}, "Rows of these changes."},
    [METRIC_TOUCHED_ROWS] = {"pgripple_touched_rows_total", METRIC_COUNTER,
	false, {"model"},
	"Touched rows, each once for a batch; a whole model counts as one."},
    [METRIC_RELATION_ROWS] = {"pgripple_relation_rows_total", METRIC_COUNTER,
	false, {"relation"},
	"How often touched rows led to others by this relation."},
    [METRIC_OPERATIONS] = {"pgripple_operations_total", METRIC_COUNTER, false,
	{"do", "target"},
	"Operations that Redis confirmed, by kind and target."},
    [METRIC_POSTPONED] = {"pgripple_postponed_operations_total", METRIC_COUNTER,
	false, {"target"},
	"Operations that became tasks because their target was down."},
    [METRIC_LATENCY] = {"pgripple_latency_seconds", METRIC_HISTOGRAM, true,
	{"since"},
	"From a change to Redis's answer. Since commit: only where Postgres "
	"has track_commit_timestamp. Since seen: from the fetch. Since "
	"trigger: with the rest of the writer's transaction."},
    [METRIC_STAGE] = {"pgripple_stage_seconds", METRIC_HISTOGRAM, true,
	{"stage"},
	"Time of each stage of a batch: fetching, resolving, claiming, "
	"applying, acknowledging. In a backlog what needs Postgres waits for "
	"the fetch of the next batch too."},
    [METRIC_BATCHES] = {"pgripple_batches_total", METRIC_COUNTER, false,
	{"result"}, "Batches: done, or failed, to be fetched again."},
    [METRIC_LOOKUPS] = {"pgripple_lookups_total", METRIC_COUNTER, false,
	{"result"},
	"Lookups of dependent rows; failed ones escalate to the whole model."},
    [METRIC_ESCALATIONS] = {"pgripple_escalations_total", METRIC_COUNTER, false,
	{"cause"},
	"How often rows became a whole model because of a limit, a value that "
	"is not known, a failed lookup, or a change not understood."},
    [METRIC_LIMITS] = {"pgripple_limit_hits_total", METRIC_COUNTER, false,
	{"setting"},
	"How often a limit of the settings, or outbox_limit, was reached."},
    [METRIC_REJECTED] = {"pgripple_rejected_total", METRIC_COUNTER, false,
	{"what"},
	"Changes and tasks that were moved to the table \"rejected\"."},
    [METRIC_TASKS] = {"pgripple_tasks_total", METRIC_COUNTER, false,
	{"do", "result"},
	"Tasks that ended, by the kind of their first operation."},
    [METRIC_DOORBELL] = {"pgripple_doorbell_total", METRIC_COUNTER, false,
	{"event"},
	"The doorbell: rang; slept (the daemon went to sleep); refused (a "
	"writer under way kept it awake)."},
    [METRIC_CAPTURE_GAPS] = {"pgripple_capture_gaps", METRIC_GAUGE, false,
	{NULL}, "Tables of the graph whose changes may not be seen."},
    [METRIC_GRAPH_PROBLEMS] = {"pgripple_graph_problems", METRIC_GAUGE, false,
	{NULL}, "Faults of the graph against the live catalog."},
    [METRIC_CANARY] = {"pgripple_canary_seconds", METRIC_GAUGE, true, {NULL},
	"How long the last canary took, from its row in the outbox to its "
	"acknowledgement."},
    [METRIC_CANARY_AT] = {"pgripple_proven_at_seconds", METRIC_GAUGE, true,
	{NULL},
	"When a change or a canary last went all the way, in seconds since "
	"1970."},
    [METRIC_PEER_UP] = {"pgripple_peer_up", METRIC_GAUGE, false,
	{"peer", "name"},
	"1 if the connection is up: postgres work and listen, and each target "
	"of redis."},
    [METRIC_PEER_CONNECTS] = {"pgripple_peer_connects_total", METRIC_COUNTER,
	false, {"peer", "name"}, "Times the connection came up."},
    [METRIC_PEER_LOSSES] = {"pgripple_peer_losses_total", METRIC_COUNTER, false,
	{"peer", "name"}, "Times the connection was lost after it was up."},
    [METRIC_WENT_BACK] = {"pgripple_postgres_went_back_total", METRIC_COUNTER,
	false, {"verdict"},
	"Times that Postgres may have lost commits: crash, timeline, system or "
	"copy."},
    [METRIC_REDIS_WENT_BACK] = {"pgripple_redis_went_back_total",
	METRIC_COUNTER, false, {"target", "repeated"},
	"Times that Redis had lost what was done in it, and what was repeated: "
	"operations since then, or models as a whole."},
    [METRIC_TARGET_POSTPONED] = {"pgripple_target_postponed", METRIC_GAUGE,
	false, {"target"},
	"1 if the others go on without this target, and what is for it waits "
	"as tasks."},
    [METRIC_RELOADS] = {"pgripple_reloads_total", METRIC_COUNTER, false,
	{"result"}, "Reloads of the configuration: done or rejected."},
    [METRIC_LOG_LINES] = {"pgripple_log_lines_total", METRIC_COUNTER, false,
	{"level"}, "Lines of the log that were written."},
    [METRIC_LOG_DROPPED] = {"pgripple_log_lines_dropped_total", METRIC_COUNTER,
	false, {"cause"},
	"Lines that were not: lost, since nobody read, or held back, as a "
	"repeat."},
    [METRIC_HTTP_REQUESTS] = {"pgripple_http_requests_total", METRIC_COUNTER,
	false, {"code"}, "Answers given over HTTP."},
    [METRIC_HTTP_CONNECTIONS] = {"pgripple_http_connections", METRIC_GAUGE,
	false, {NULL},
	"Connections that are open over HTTP, this one included."},
    [METRIC_CPU] = {"process_cpu_seconds_total", METRIC_COUNTER, true, {NULL},
	"Processor time used, user and system."},
    [METRIC_MEMORY] = {"process_resident_memory_bytes", METRIC_GAUGE, false,
	{NULL}, "Resident memory."},
    [METRIC_STARTED_AT] = {"process_start_time_seconds", METRIC_GAUGE, true,
	{NULL}, "When the daemon started, in seconds since 1970."},
};

void
metrics_print_reference(struct buf *buf)
{
	buf_add_string(
	    buf, "| metric | type | labels | meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < METRICS; i++) {
		const struct metric_row *row = &metrics_table[i];

		buf_printf(buf, "| `%s` | %s | ", row->name,
		    metric_type_name(row->type));
		for (size_t j = 0; j < METRICS_MAX_LABELS; j++)
			if (row->labels[j] != NULL)
				buf_printf(buf, "%s`%s`", j == 0 ? "" : ", ",
				    row->labels[j]);
		buf_printf(buf, " | %s |\n", row->help);
	}
}
