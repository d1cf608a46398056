/*
 * What a change led to: the answer to "why did this key go?".
 */
#include "core/walk_private.h"

#include "base/arena.h"

#define MAX_REPORTED_TOUCHES 10000

const struct pgripple_arrival *
pgripple_walk_roots(const struct pgripple_walk *walk, size_t change)
{
	return walk->roots[change];
}

const struct pgripple_arrival *
pgripple_walk_answers(const struct lookup_key *key)
{
	return key->answers;
}

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

/* Visits are needed for one report only: those of the last one serve again. */
static struct visit *
new_visit(struct report *report)
{
	struct visit *visit = report->walk->spare_visits;

	if (visit == NULL)
		return arena_alloc(report->walk->arena, sizeof(*visit));
	report->walk->spare_visits = visit->next;
	visit->next = NULL;
	return visit;
}

static int
visit_touch(struct report *report, struct pgripple_path *parent,
    const struct pgripple_relation *relation, struct pgripple_touch *touch)
{
	struct visit *visit;

	if (touch->mark == report->mark)
		return 0;
	touch->mark = report->mark;
	visit = new_visit(report);
	if (visit == NULL)
		return -1;
	visit->touch = touch;
	*report->last = visit;
	report->last = &visit->next;
	report->n_visits++;
	visit->path = path_onward(report, parent, relation, touch->model);
	return visit->path == NULL ? -1 : 0;
}

static int
visit_arrivals(struct report *report, struct pgripple_path *parent,
    const struct pgripple_arrival *arrival)
{
	int result = 0;

	for (; result == 0 && arrival != NULL &&
	       report->n_visits < MAX_REPORTED_TOUCHES;
	     arrival = arrival->next) {
		struct lookup_key *key = arrival->key;

		if (key == NULL)
			result = visit_touch(
			    report, parent, arrival->relation, arrival->touch);
		else if (key->mark != report->mark) {
			key->mark = report->mark;
			result = visit_arrivals(report, parent, key->answers);
		}
	}
	return result;
}

static int
visit_all(struct report *report, size_t change,
    pgripple_walk_report_cb callback, void *context)
{
	if (visit_arrivals(report, NULL, report->walk->roots[change]) < 0)
		return -1;
	for (struct visit *visit = report->first; visit != NULL;
	     visit = visit->next) {
		visit->path->n_rows++;
		visit->path->whole |= visit->touch->whole;
		if (callback != NULL)
			callback(context, visit->touch, visit->path);
		if (visit_arrivals(report, visit->path, visit->touch->onward) <
		    0)
			return -1;
	}
	return 0;
}

int
pgripple_walk_report(struct pgripple_walk *walk, size_t change,
    pgripple_walk_report_cb callback, void *context,
    struct pgripple_path **ret_paths, struct pgripple_error *err)
{
	struct report report = {.walk = walk, .mark = ++walk->last_mark};
	int result;

	report.last_path = &report.paths;
	report.last = &report.first;
	result = visit_all(&report, change, callback, context);
	*report.last = walk->spare_visits;
	walk->spare_visits = report.first;
	if (result < 0)
		return pgripple_error_nomem(err);
	*ret_paths = report.paths;
	return 0;
}
