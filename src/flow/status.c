/*
 * What the status page shows.
 */
#include "flow/status.h"

#include <string.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "core/picture.h"
#include "flow/daemon_private.h"
#include "flow/daemon_state.h"
#include "flow/monitor.h"
#include "flow/probe.h"
#include "flow/targets.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/recent.h"
#include "postgres/catalog.h"
#include "postgres/listen.h"
#include "postgres/session.h"
#include "redis/connection.h"

/* How often an open page is told what is new, and how often at least. */
#define TICK_US 250000
#define TICKS_AT_LEAST 4

struct status {
	struct daemon *daemon;
	struct http *http;
	struct event *timer;
	struct buf picture; /* empty: to be made */
	int64_t generation; /* of the picture */
	int64_t started_us;
	uint64_t told; /* number of the last line that was sent */
	int64_t n_done; /* batches, when the status was last sent */
	int n_ticks; /* since then */
};

/* The status. */

static void
add_bool(struct buf *buf, const char *name, bool value)
{
	json_write_key(buf, name);
	json_write_bool(buf, value);
}

static void
add_peer(struct buf *buf, const char *name, bool is_up, const char *state,
    const char *server)
{
	json_write_open(buf, '{');
	json_write_member(buf, "name", name);
	add_bool(buf, "up", is_up);
	if (state != NULL)
		json_write_member(buf, "state", state);
	json_write_member(buf, "server", server);
	json_write_close(buf, '}');
}

static void
add_peers(const struct daemon *daemon, struct buf *buf)
{
	const struct targets *targets = daemon->targets;
	bool is_listening = listen_is_ready(daemon->listen) ||
			    listen_is_standby(daemon->listen);

	json_write_key(buf, "peers");
	json_write_open(buf, '[');
	add_peer(buf, "Postgres", session_is_up(daemon->work) && is_listening,
	    NULL, session_describe(daemon->work));
	for (size_t i = 0; i < targets_count(targets); i++) {
		bool is_only = targets_count(targets) == 1;
		enum target_state state = targets_state(targets, i);

		add_peer(buf, is_only ? "Redis" : targets_name(targets, i),
		    state == TARGET_UP,
		    state == TARGET_UP ? NULL : target_state_name(state),
		    redis_connection_describe(targets_connection(targets, i)));
	}
	json_write_close(buf, ']');
}

static void
add_backlog(const struct probe *probe, struct buf *buf)
{
	const struct backlog *backlog = probe_backlog(probe);

	json_write_member_int(buf, "oldest_us", probe_oldest_age_us(probe));
	json_write_member_int(buf, "backlog", backlog->n_changes);
	json_write_member_int(buf, "tasks", backlog->n_tasks);
	json_write_member_int(buf, "rejected", backlog->n_rejected);
	json_write_member_int(buf, "proof_us", probe_proof_age_us(probe));
}

static void
add_sums(struct buf *buf)
{
	json_write_member_int(buf, "changes", metrics_sum(METRIC_CHANGES));
	json_write_member_int(
	    buf, "operations", metrics_sum(METRIC_OPERATIONS));
	json_write_member_int(
	    buf, "latency_us", metrics_value(METRIC_LATENCY, "seen", NULL));
	json_write_member_int(
	    buf, "latency_count", metrics_count(METRIC_LATENCY, "seen"));
}

/* In the graph's order. */
static void
add_counts(const struct pgripple_graph *graph, struct buf *buf)
{
	json_write_key(buf, "models");
	json_write_open(buf, '[');
	for (size_t i = 0; i < graph->n_models; i++)
		json_write_int(buf, metrics_value(METRIC_TOUCHED_ROWS,
					graph->models[i].name, NULL));
	json_write_close(buf, ']');
	json_write_key(buf, "relations");
	json_write_open(buf, '[');
	for (size_t i = 0; i < graph->n_relations; i++)
		json_write_int(buf, metrics_value(METRIC_RELATION_ROWS,
					graph->relations[i].name, NULL));
	json_write_close(buf, ']');
}

static void
print_status(const struct status *status, struct buf *buf)
{
	const struct daemon *daemon = status->daemon;
	const struct configuration *configuration = daemon->configuration;

	json_write_open(buf, '{');
	json_write_member(buf, "version", PGRIPPLE_VERSION);
	json_write_member(
	    buf, "state", daemon_state_name(daemon_state(daemon)));
	json_write_member(buf, "mode", configuration->settings->mode);
	add_bool(buf, "drifted", monitor_is_drifted(daemon));
	add_bool(buf, "lines", log_is_on(LOG_LEVEL_INFO));
	json_write_member_int(buf, "now_us", clock_monotonic_us());
	json_write_member_int(buf, "started_us", status->started_us);
	json_write_member_int(buf, "graph", status->generation);
	add_peers(daemon, buf);
	add_backlog(daemon->probe, buf);
	add_sums(buf);
	add_counts(configuration->graph, buf);
	json_write_close(buf, '}');
}

static void
add_status(const struct status *status, struct buf *buf)
{
	CLEANUP(buf_done) struct buf json = BUF_INIT;

	print_status(status, &json);
	buf_printf(buf, "event: status\ndata: %s\n\n", buf_string(&json));
	buf->failed |= json.failed;
}

/* The stream. */

static void
arm(struct status *status)
{
	static const struct timeval tick = {.tv_usec = TICK_US};

	(void)event_add(status->timer, &tick); /* the timer exists already */
}

/* Lines as they come; the status when something was done, and now and then. */
static void
print_news(struct status *status, struct buf *buf)
{
	int64_t n_done = metrics_value(METRIC_BATCHES, "done", NULL);

	if (n_done != status->n_done || ++status->n_ticks >= TICKS_AT_LEAST) {
		add_status(status, buf);
		status->n_done = n_done;
		status->n_ticks = 0;
	}
	recent_print(status->told, buf);
	status->told = recent_number();
}

static void
on_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct status *status = context;
	CLEANUP(buf_done) struct buf buf = BUF_INIT;

	if (http_n_streams(status->http) == 0)
		return;
	arm(status);
	print_news(status, &buf);
	if (!buf.failed && buf.n > 0)
		http_send(status->http, buf.bytes, buf.n);
}

/* Lines that those who came before will be told at the next tick, this one has
 * then already: it knows them by their number. */
static void
answer_events(struct status *status, struct http_reply *reply)
{
	reply->status = 200;
	reply->type = "text/event-stream; charset=utf-8";
	reply->is_stream = true;
	buf_add_string(&reply->body, "retry: 2000\n\n");
	add_status(status, &reply->body);
	recent_print(0, &reply->body);
	buf_add_string(&reply->body, "event: caught-up\ndata:\n\n");
	if (!event_pending(status->timer, EV_TIMEOUT, NULL)) {
		status->told = recent_number();
		arm(status);
	}
}

/* The picture. */

static enum picture_watch
watch_of(const struct catalog_table *table)
{
	if (table->quoted == NULL)
		return PICTURE_NO_TABLE;
	switch (table->watch) {
	case CATALOG_WATCHED:
		return PICTURE_WATCHED;
	case CATALOG_UNWATCHED:
		return PICTURE_UNWATCHED;
	case CATALOG_DIFFERENT:
	case CATALOG_BROKEN:
		return PICTURE_WRONG;
	}
	return PICTURE_WRONG;
}

static int
draw(struct status *status, struct arena *arena, struct pgripple_error *err)
{
	const struct pgripple_graph *graph =
	    status->daemon->configuration->graph;
	const struct catalog *catalog = status->daemon->catalog;
	enum picture_watch *watches = NULL;
	struct picture picture;

	if (catalog != NULL) {
		watches = arena_array(arena, graph->n_tables, sizeof(*watches));
		if (watches == NULL)
			return pgripple_error_nomem(err);
		for (size_t i = 0; i < graph->n_tables; i++)
			watches[i] = watch_of(&catalog->tables[i]);
	}
	if (picture_make(arena, graph, watches, &picture, err) < 0)
		return -1;
	return picture_print_svg(&picture, &status->picture, err);
}

/* Made once, for the layout of a large graph takes a while. */
static void
answer_graph(struct status *status, struct http_reply *reply)
{
	struct arena *arena;
	struct pgripple_error err;

	if (status->picture.n == 0) {
		arena = arena_new();
		if (arena == NULL || draw(status, arena, &err) < 0)
			buf_reset(&status->picture);
		arena_free(arena);
	}
	if (status->picture.n == 0)
		return; /* 404: too large to be drawn, or no memory for it */
	reply->status = 200;
	reply->type = "image/svg+xml";
	buf_add(&reply->body, status->picture.bytes, status->picture.n);
}

bool
status_answer(struct status *status, const char *path, struct http_reply *reply)
{
	if (strcmp(path, "/events") == 0)
		answer_events(status, reply);
	else if (strcmp(path, "/graph.svg") == 0)
		answer_graph(status, reply);
	else
		return false;
	return true;
}

/* Life. */

int
status_new(struct daemon *daemon, struct status **ret_status,
    struct pgripple_error *err)
{
	struct status *status = calloc(1, sizeof(*status));

	if (status == NULL)
		return pgripple_error_nomem(err);
	status->daemon = daemon;
	status->started_us = clock_monotonic_us();
	status->timer = evtimer_new(daemon->base, on_tick, status);
	if (status->timer == NULL) {
		free(status);
		return pgripple_error_nomem(err);
	}
	recent_turn_on();
	*ret_status = status;
	return 0;
}

void
status_free(struct status *status)
{
	if (status == NULL)
		return;
	recent_done();
	buf_done(&status->picture);
	event_free(status->timer);
	free(status);
}

void
status_attach(struct status *status, struct http *http)
{
	status->http = http;
}

void
status_configure(struct status *status)
{
	status->generation++;
	buf_done(&status->picture);
}
