/*
 * The lines that tell of changes.
 *
 * A line costs a walk over what the change led to, so that above the bounds,
 * of lines and of keys, nothing of it is done and only counters move; a timer
 * writes their sum once a second.
 */
#include "flow/report.h"

#include <event2/event.h>

#include <pgripple/plan.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json_write.h"
#include "base/map.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define MAX_KEYS_IN_LINE 5
/* That lines were made of in a second: about 15 ms of work.  Changes that lead
 * to many thousand keys each would stop the daemon to tell of them. */
#define MAX_KEYS_A_SECOND 100000

struct report {
	struct event *second; /* runs while lines were written or summed up */
	bool observes;
	int64_t max_lines;
	int64_t n_lines; /* in this second */
	int64_t n_keys; /* of them */
	/* Not told in lines of their own. */
	int64_t n_summed;
	int64_t n_summed_rows;
};

static const struct timeval one_second = {.tv_sec = 1};

static size_t
changed_rows(const struct pgripple_change *change)
{
	return change->n_old > change->n_new ? change->n_old : change->n_new;
}

static void
write_summary(struct report *report)
{
	if (report->n_summed == 0)
		return;
	log_event(LOG_LEVEL_INFO,
	    report->observes ? "changes.observed" : "changes.applied",
	    log_int("changes", report->n_summed),
	    log_int("rows", report->n_summed_rows));
	report->n_summed = report->n_summed_rows = 0;
}

static void
on_second(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct report *report = context;

	write_summary(report);
	report->n_lines = report->n_keys = 0;
}

int
report_new(struct event_base *base, struct report **ret_report,
    struct pgripple_error *err)
{
	struct report *report = calloc(1, sizeof(*report));

	if (report == NULL)
		return pgripple_error_nomem(err);
	report->second = evtimer_new(base, on_second, report);
	if (report->second == NULL) {
		free(report);
		return pgripple_error_nomem(err);
	}
	*ret_report = report;
	return 0;
}

void
report_free(struct report *report)
{
	if (report == NULL)
		return;
	write_summary(report);
	event_free(report->second);
	free(report);
}

void
report_configure(
    struct report *report, int64_t changes_per_second, bool observes)
{
	if (observes != report->observes)
		write_summary(report); /* of those before */
	report->observes = observes;
	report->max_lines = changes_per_second;
}

/* A line under way. */
struct line {
	const struct pgripple_change *change;
	struct arena *arena; /* holds the known keys of this line alone */
	struct buf paths; /* JSON */
	struct buf keys; /* JSON */
	struct map known; /* keys told already: old and new image often make
			   * the same one */
	int64_t n_keys;
	int64_t n_patterns;
};

static bool
is_known(struct line *line, const struct pgripple_operation *operation)
{
	const char *key;
	void **place;

	if (map_get(&line->known, operation->key, operation->key_length) !=
	    NULL)
		return true;
	key = arena_copy(line->arena, operation->key, operation->key_length);
	place = key == NULL ? NULL
			    : map_put(&line->known, key, operation->key_length);
	if (place == NULL)
		line->keys.failed = true;
	else
		*place = line;
	return false;
}

static void
add_key(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule UNUSED)
{
	struct line *line = context;
	int64_t *count = operation->kind < PGRIPPLE_OPERATION_SCAN
			     ? &line->n_keys
			     : &line->n_patterns;

	if (is_known(line, operation))
		return;
	++*count;
	if (line->n_keys + line->n_patterns <= MAX_KEYS_IN_LINE ||
	    log_is_on(LOG_LEVEL_DEBUG))
		json_write_string(
		    &line->keys, operation->key, operation->key_length);
}

static void
add_touch(void *context, const struct pgripple_touch *touch,
    const struct pgripple_path *path UNUSED)
{
	struct line *line = context;

	/* Out of memory costs keys in a log line, nothing else. */
	if (pgripple_plan_explain(touch, add_key, line, NULL) < 0)
		line->keys.failed = true;
}

static void
print_path(struct buf *buf, const struct pgripple_path *path)
{
	if (path->parent != NULL) {
		print_path(buf, path->parent);
		buf_add_char(buf, '>');
	}
	buf_add_string(buf, path->model->name);
}

/* A changed row is one row, however many images it has.  By hand any number of
 * rows may have been found. */
static size_t
touched_rows(const struct line *line, const struct pgripple_path *path)
{
	return path->parent == NULL && !path->whole &&
		       line->change->model == NULL
		   ? changed_rows(line->change)
		   : path->n_rows;
}

static void
add_paths(struct line *line, const struct pgripple_path *path)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	json_write_open(&line->paths, '[');
	for (; path != NULL; path = path->next) {
		buf_reset(&text);
		print_path(&text, path);
		json_write_open(&line->paths, '{');
		json_write_member(&line->paths, "model", path->model->name);
		json_write_key(&line->paths, "path");
		json_write_string(&line->paths, text.bytes, text.n);
		if (path->relation != NULL)
			json_write_member(
			    &line->paths, "relation", path->relation->name);
		json_write_member_int(
		    &line->paths, "rows", (int64_t)touched_rows(line, path));
		if (path->whole) {
			json_write_key(&line->paths, "whole");
			json_write_bool(&line->paths, true);
		}
		json_write_close(&line->paths, '}');
	}
	json_write_close(&line->paths, ']');
}

static void
write_line(const struct line *line, const char *event,
    const struct report_applied *applied)
{
	const struct pgripple_change *change = line->change;
	const struct log_field fields[] = {
	    log_string("table", change->table->spelled),
	    log_string("op", pgripple_op_name(change->op)),
	    log_string(
		"model", change->model != NULL ? change->model->name : NULL),
	    log_string("whole", change->whole ? change->whole_reason : NULL),
	    log_int("rows", (int64_t)changed_rows(change)),
	    log_json("models", buf_string(&line->paths)),
	    log_int("keys", line->n_keys),
	    log_int("patterns", line->n_patterns),
	    log_json("first_keys", log_shows_values() && !line->keys.failed
				       ? buf_string(&line->keys)
				       : NULL),
	    log_json("postponed", applied->postponed),
	    log_int("us", applied->wall_us - change->wall_us),
	    log_int("xid", (int64_t)change->xid),
	    log_int("id", change->id),
	    {.kind = LOG_FIELD_END},
	};

	log_unlimited(LOG_LEVEL_INFO, event, fields);
}

static void
report_line(struct report *report, struct pgripple_walk *walk, size_t number,
    const struct pgripple_change *change, const struct report_applied *applied)
{
	struct line line = {
	    .change = change,
	    .arena = arena_new(),
	};
	struct pgripple_path *first;

	/* Out of memory costs a log line, nothing else. */
	if (line.arena == NULL)
		return;
	json_write_open(&line.keys, '[');
	if (pgripple_walk_report(
		walk, number, add_touch, &line, &first, NULL) == 0) {
		json_write_close(&line.keys, ']');
		add_paths(&line, first);
		write_line(&line,
		    report->observes ? "change.observed" : "change.applied",
		    applied);
	}
	report->n_keys += line.n_keys + line.n_patterns;
	buf_done(&line.paths);
	buf_done(&line.keys);
	map_done(&line.known);
	arena_free(line.arena);
}

void
report_change(struct report *report, struct pgripple_walk *walk, size_t number,
    const struct pgripple_change *change, const struct report_applied *applied)
{
	if (!evtimer_pending(report->second, NULL))
		(void)event_add(report->second, &one_second);
	if (report->n_lines < report->max_lines &&
	    report->n_keys < MAX_KEYS_A_SECOND) {
		report->n_lines++;
		if (log_is_on(LOG_LEVEL_INFO))
			report_line(report, walk, number, change, applied);
		return;
	}
	metrics_add(METRIC_LIMITS, "log.changes_per_second", NULL, 1);
	report->n_summed++;
	report->n_summed_rows += (int64_t)changed_rows(change);
}
