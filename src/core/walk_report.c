/*
 * What a change led to: the answer to "why did this key go?".
 */
#include "core/walk_private.h"

#include "base/arena.h"

#define MAX_REPORTED_TOUCHES 10000

struct visit {
	struct pgripple_touch *touch;
	struct pgripple_path *path;
	struct visit *next;
};

struct report {
	struct pgripple_walk *walk;
	struct pgripple_path *paths;
	struct pgripple_path **last_path;
	struct visit *first;
	struct visit **last;
	size_t n_visits;
	uint32_t mark;
};

/* The path onward; one that was gone already on the way here is the end of a
 * cycle and counts there. */
static struct pgripple_path *
path_onward(struct report *report, struct pgripple_path *parent,
    const struct pgripple_relation *relation,
    const struct pgripple_model *model)
{
	struct pgripple_path *path;

	for (path = parent; path != NULL && relation != NULL;
	     path = path->parent)
		if (path->relation == relation)
			return path;
	for (path = report->paths; path != NULL; path = path->next)
		if (path->parent == parent && path->relation == relation &&
		    path->model == model)
			return path;
	path = arena_alloc(report->walk->arena, sizeof(*path));
	if (path == NULL)
		return NULL;
	path->model = model;
	path->relation = relation;
	path->parent = parent;
	*report->last_path = path;
	report->last_path = &path->next;
	return path;
}

static int
visit_arrivals(struct report *report, struct pgripple_path *parent,
    const struct pgripple_arrival *arrivals)
{
	for (; arrivals != NULL && report->n_visits < MAX_REPORTED_TOUCHES;
	     arrivals = arrivals->next) {
		struct pgripple_touch *touch = arrivals->touch;
		struct visit *visit;

		if (touch->mark == report->mark)
			continue;
		touch->mark = report->mark;
		visit = arena_alloc(report->walk->arena, sizeof(*visit));
		if (visit == NULL)
			return -1;
		visit->touch = touch;
		visit->path = path_onward(
		    report, parent, arrivals->relation, touch->model);
		if (visit->path == NULL)
			return -1;
		*report->last = visit;
		report->last = &visit->next;
		report->n_visits++;
	}
	return 0;
}

int
pgripple_walk_report(struct pgripple_walk *walk, size_t change,
    pgripple_walk_report_cb callback, void *context,
    struct pgripple_path **ret_paths, struct pgripple_error *err)
{
	struct report report = {.walk = walk, .mark = ++walk->last_mark};

	report.last_path = &report.paths;
	report.last = &report.first;
	if (visit_arrivals(&report, NULL, walk->roots[change]) < 0)
		return pgripple_error_nomem(err);
	for (struct visit *visit = report.first; visit != NULL;
	     visit = visit->next) {
		visit->path->n_rows++;
		visit->path->whole |= visit->touch->whole;
		if (callback != NULL)
			callback(context, visit->touch, visit->path);
		if (visit_arrivals(&report, visit->path, visit->touch->onward) <
		    0)
			return pgripple_error_nomem(err);
	}
	*ret_paths = report.paths;
	return 0;
}
