/*
 * The monitor.  Nothing that it answers changes anything, and nothing of it
 * holds a value of a row, but for the status page, which shows what the log
 * does.
 *
 * Gauges are set when somebody asks; what is asked of Postgres for them, the
 * probe has asked before.
 */
#include "flow/monitor.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "flow/coverage.h"
#include "flow/daemon_private.h"
#include "flow/daemon_state.h"
#include "flow/probe.h"
#include "flow/status.h"
#include "flow/targets.h"
#include "observe/http.h"
#include "observe/metrics.h"
#include "observe/page.h"
#include "postgres/catalog.h"
#include "postgres/listen.h"
#include "postgres/session.h"
#include "redis/connection.h"

struct monitor {
	struct daemon *daemon;
	struct http *http;
	struct status *status;
	int64_t started_wall_us;
};

/* Facts. */

bool
monitor_is_drifted(const struct daemon *daemon)
{
	return coverage_is_drifted(daemon->configuration, daemon->catalog);
}

static bool
is_observing(const struct daemon *daemon)
{
	return settings_observes(daemon->configuration->settings);
}

/* Gauges. */

static void
set_state(const struct daemon *daemon)
{
	enum daemon_state state = daemon_state(daemon);

	for (size_t i = 0; i < DAEMON_STATES; i++)
		metrics_set(METRIC_STATE,
		    daemon_state_name((enum daemon_state)i), NULL, state == i);
	metrics_set(METRIC_STATE, "drifted", NULL, monitor_is_drifted(daemon));
	metrics_set(METRIC_STATE, "observing", NULL, is_observing(daemon));
	metrics_set(METRIC_CAPTURE_GAPS, NULL, NULL,
	    (int64_t)coverage_count_gaps(
		daemon->configuration, daemon->catalog));
	metrics_set(METRIC_GRAPH_PROBLEMS, NULL, NULL,
	    (int64_t)coverage_count_problems(daemon->catalog));
	for (size_t i = 0; i < 2; i++) {
		const char *mode = i == 0 ? "apply" : "observe";

		metrics_set(METRIC_INFO, PGRIPPLE_VERSION, mode,
		    strcmp(mode, daemon->configuration->settings->mode) == 0);
	}
}

static void
set_peers(const struct daemon *daemon)
{
	metrics_set(
	    METRIC_PEER_UP, "postgres", "work", session_is_up(daemon->work));
	metrics_set(METRIC_PEER_UP, "postgres", "listen",
	    listen_is_ready(daemon->listen) ||
		listen_is_standby(daemon->listen));
	for (size_t i = 0; i < targets_count(daemon->targets); i++) {
		const char *name = targets_name(daemon->targets, i);
		enum target_state state = targets_state(daemon->targets, i);

		metrics_set(METRIC_PEER_UP, "redis", name,
		    redis_connection_is_up(
			targets_connection(daemon->targets, i)));
		metrics_set(METRIC_TARGET_POSTPONED, name, NULL,
		    state == TARGET_POSTPONED);
	}
}

static void
set_backlog(const struct probe *probe)
{
	const struct backlog *backlog = probe_backlog(probe);

	metrics_set(METRIC_OLDEST_AGE, NULL, NULL, probe_oldest_age_us(probe));
	metrics_set(METRIC_BACKLOG, NULL, NULL, backlog->n_changes);
	metrics_set(
	    METRIC_BACKLOG_LOOKED_AT, NULL, NULL, probe_looked_us(probe));
	metrics_set(METRIC_TASKS_WAITING, NULL, NULL, backlog->n_tasks);
	metrics_set(METRIC_REJECTED_KEPT, NULL, NULL, backlog->n_rejected);
}

/* The second number of /proc/self/statm: pages. */
static int64_t
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long long size, resident = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lld %lld", &size, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void
set_process(const struct monitor *monitor)
{
	struct rusage usage;

	metrics_set(METRIC_MEMORY, NULL, NULL, resident_bytes());
	metrics_set(METRIC_STARTED_AT, NULL, NULL, monitor->started_wall_us);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metrics_set(METRIC_CPU, NULL, NULL,
		    (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			    INT64_C(1000000) +
			usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void
answer_metrics(const struct monitor *monitor, struct http_reply *reply)
{
	set_state(monitor->daemon);
	set_peers(monitor->daemon);
	set_backlog(monitor->daemon->probe);
	set_process(monitor);
	reply->status = 200;
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_print(&reply->body);
}

/* Health. */

static void
answer_health(struct http_reply *reply)
{
	reply->status = 200;
	reply->type = "application/json";
	buf_add_string(&reply->body, "{\"status\":\"ok\"}\n");
}

static void
add_reason(struct buf *buf, const char *reason)
{
	json_write_string(buf, reason, strlen(reason));
}

/* Whether there is one. */
static bool
add_reasons(const struct daemon *daemon, struct buf *buf)
{
	enum daemon_state state = daemon_state(daemon);
	bool is_late = state == DAEMON_LIVE && probe_is_late(daemon->probe);

	json_write_open(buf, '[');
	if (state != DAEMON_LIVE)
		add_reason(buf, daemon_state_name(state));
	if (is_late)
		add_reason(buf, "canary-late");
	json_write_close(buf, ']');
	return state != DAEMON_LIVE || is_late;
}

static void
add_peers(const struct daemon *daemon, struct buf *buf)
{
	json_write_open(buf, '{');
	json_write_key(buf, "postgres");
	json_write_bool(buf, session_is_up(daemon->work) &&
				 (listen_is_ready(daemon->listen) ||
				     listen_is_standby(daemon->listen)));
	json_write_key(buf, "redis");
	json_write_open(buf, '{');
	for (size_t i = 0; i < targets_count(daemon->targets); i++)
		json_write_member(buf, targets_name(daemon->targets, i),
		    target_state_name(targets_state(daemon->targets, i)));
	json_write_close(buf, '}');
	json_write_close(buf, '}');
}

static void
add_facts(const struct daemon *daemon, struct buf *buf)
{
	json_write_member(
	    buf, "state", daemon_state_name(daemon_state(daemon)));
	json_write_member(buf, "mode", daemon->configuration->settings->mode);
	json_write_key(buf, "drifted");
	json_write_bool(buf, monitor_is_drifted(daemon));
	json_write_key(buf, "drift");
	coverage_print_drift(daemon->configuration, daemon->catalog, buf);
	json_write_key(buf, "peers");
	add_peers(daemon, buf);
	json_write_member_int(
	    buf, "backlog", probe_backlog(daemon->probe)->n_changes);
	json_write_member_int(
	    buf, "oldest_ms", probe_oldest_age_us(daemon->probe) / 1000);
	json_write_member_int(
	    buf, "proven_ms_ago", probe_proof_age_us(daemon->probe) / 1000);
}

static void
answer_ready(const struct daemon *daemon, struct http_reply *reply)
{
	CLEANUP(buf_done) struct buf reasons = BUF_INIT;
	bool is_ready = !add_reasons(daemon, &reasons);

	reply->status = is_ready ? 200 : 503;
	reply->type = "application/json";
	json_write_open(&reply->body, '{');
	json_write_key(&reply->body, "ready");
	json_write_bool(&reply->body, is_ready);
	json_write_key(&reply->body, "reasons");
	buf_add_string(&reply->body, buf_string(&reasons));
	add_facts(daemon, &reply->body);
	json_write_close(&reply->body, '}');
	buf_add_char(&reply->body, '\n');
}

static void
on_request(void *context, const char *path, struct http_reply *reply)
{
	struct monitor *monitor = context;

	if (strcmp(path, "/metrics") == 0)
		answer_metrics(monitor, reply);
	else if (strcmp(path, "/healthz") == 0)
		answer_health(reply);
	else if (strcmp(path, "/readyz") == 0)
		answer_ready(monitor->daemon, reply);
	else if (!page_answer(path, reply))
		(void)status_answer(monitor->status, path, reply);
}

/* Life. */

static void
declare_targets(const struct settings *settings)
{
	for (size_t i = 0; i < settings->redis.n_targets; i++) {
		const char *name = settings->redis.targets[i].name;

		metrics_declare(METRIC_PEER_CONNECTS, "redis", name);
		metrics_declare(METRIC_PEER_LOSSES, "redis", name);
		metrics_declare(METRIC_OPERATIONS, "unlink", name);
		metrics_declare(METRIC_POSTPONED, name, NULL);
		metrics_declare(METRIC_REDIS_WENT_BACK, name, "operations");
		metrics_declare(METRIC_REDIS_WENT_BACK, name, "models");
	}
}

static void
declare_graph(const struct pgripple_graph *graph)
{
	for (size_t i = 0; i < graph->n_models; i++)
		metrics_declare(
		    METRIC_TOUCHED_ROWS, graph->models[i].name, NULL);
	for (size_t i = 0; i < graph->n_relations; i++)
		metrics_declare(
		    METRIC_RELATION_ROWS, graph->relations[i].name, NULL);
}

/* Words of ours. */
static void
declare_words(void)
{
	static const struct {
		enum metric metric;
		const char *first;
		const char *second;
	} series[] = {
	    {METRIC_CHANGES, "insert", NULL},
	    {METRIC_CHANGES, "update", NULL},
	    {METRIC_CHANGES, "delete", NULL},
	    {METRIC_CHANGES, "truncate", NULL},
	    {METRIC_CHANGES, "invalidate", NULL},
	    {METRIC_CHANGED_ROWS, NULL, NULL},
	    {METRIC_BATCHES, "done", NULL},
	    {METRIC_BATCHES, "failed", NULL},
	    {METRIC_LOOKUPS, "done", NULL},
	    {METRIC_LOOKUPS, "failed", NULL},
	    {METRIC_ESCALATIONS, "not understood", NULL},
	    {METRIC_LIMITS, "limits.batch_rows", NULL},
	    {METRIC_LIMITS, "limits.batch_bytes", NULL},
	    {METRIC_LIMITS, "limits.touched_rows", NULL},
	    {METRIC_LIMITS, "limits.lookup_rows", NULL},
	    {METRIC_LIMITS, "limits.bulk_rows", NULL},
	    {METRIC_LIMITS, "limits.rejected_rows", NULL},
	    {METRIC_LIMITS, "limits.tag_members", NULL},
	    {METRIC_LIMITS, "limits.postponed_tasks", NULL},
	    {METRIC_LIMITS, "limits.postponed_bytes", NULL},
	    {METRIC_LIMITS, "tasks.max_rows", NULL},
	    {METRIC_LIMITS, "outbox_limit", NULL},
	    {METRIC_LIMITS, "log.changes_per_second", NULL},
	    {METRIC_LIMITS, "http.connections", NULL},
	    {METRIC_LIMITS, "http.streams", NULL},
	    {METRIC_LIMITS, "http.stream_bytes", NULL},
	    {METRIC_LIMITS, "http.timeout", NULL},
	    {METRIC_REJECTED, "change", NULL},
	    {METRIC_REJECTED, "task", NULL},
	    {METRIC_TASKS, "scan", "done"},
	    {METRIC_DOORBELL, "rang", NULL},
	    {METRIC_DOORBELL, "slept", NULL},
	    {METRIC_DOORBELL, "refused", NULL},
	    {METRIC_CANARY, NULL, NULL},
	    {METRIC_CANARY_AT, NULL, NULL},
	    {METRIC_PEER_CONNECTS, "postgres", "work"},
	    {METRIC_PEER_CONNECTS, "postgres", "listen"},
	    {METRIC_PEER_LOSSES, "postgres", "work"},
	    {METRIC_PEER_LOSSES, "postgres", "listen"},
	    {METRIC_RELOADS, "done", NULL},
	    {METRIC_RELOADS, "rejected", NULL},
	    {METRIC_LOG_LINES, "warning", NULL},
	    {METRIC_LOG_LINES, "error", NULL},
	    {METRIC_LOG_DROPPED, "lost", NULL},
	    {METRIC_LOG_DROPPED, "held back", NULL},
	    {METRIC_HTTP_REQUESTS, "200", NULL},
	};

	for (size_t i = 0; i < N_ELEMENTS(series); i++)
		metrics_declare(
		    series[i].metric, series[i].first, series[i].second);
	for (int cause = 0; cause <= PGRIPPLE_CAUSE_LOOKUP_FAILED; cause++)
		metrics_declare(METRIC_ESCALATIONS,
		    pgripple_cause_name((enum pgripple_cause)cause), NULL);
}

int
monitor_new(struct daemon *daemon, struct monitor **ret_monitor,
    struct pgripple_error *err)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	if (monitor == NULL)
		return pgripple_error_nomem(err);
	monitor->daemon = daemon;
	monitor->started_wall_us = clock_wall_us();
	if (status_new(daemon, &monitor->status, err) < 0 ||
	    http_new(daemon->base, daemon->configuration->settings->http.listen,
		on_request, monitor, &monitor->http, err) < 0) {
		monitor_free(monitor);
		return -1;
	}
	status_attach(monitor->status, monitor->http);
	declare_words();
	*ret_monitor = monitor;
	return 0;
}

void
monitor_free(struct monitor *monitor)
{
	if (monitor == NULL)
		return;
	http_free(monitor->http);
	status_free(monitor->status);
	free(monitor);
}

void
monitor_configure(struct monitor *monitor)
{
	const struct configuration *configuration =
	    monitor->daemon->configuration;
	const struct settings *settings = configuration->settings;
	const struct http_limits limits = {
	    .connections = settings->http.connections,
	    .streams = settings->http.streams,
	    .stream_bytes = settings->http.stream_bytes,
	    .timeout_ms = settings->http.timeout_ms,
	};

	http_configure(monitor->http, &limits);
	status_configure(monitor->status);
	declare_targets(settings);
	declare_graph(configuration->graph);
}

void
monitor_start(struct monitor *monitor)
{
	http_start(monitor->http);
}
