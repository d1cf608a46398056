/*
 * From touched rows to operations in Redis, each once.
 */
#include <pgripple/plan.h>

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "core/emit.h"
#include "core/walk_private.h"

const char *
pgripple_operation_kind_name(enum pgripple_operation_kind kind)
{
	switch (kind) {
	case PGRIPPLE_OPERATION_FENCE:
		return "fence";
	case PGRIPPLE_OPERATION_UNLINK:
		return "unlink";
	case PGRIPPLE_OPERATION_HDEL:
		return "hdel";
	case PGRIPPLE_OPERATION_VERSION:
		return "version";
	case PGRIPPLE_OPERATION_TAG:
		return "tag";
	case PGRIPPLE_OPERATION_CACHEOPS:
		return "cacheops";
	case PGRIPPLE_OPERATION_PUBLISH:
		return "publish";
	case PGRIPPLE_OPERATION_STREAM:
		return "stream";
	case PGRIPPLE_OPERATION_SCAN:
		return "scan";
	case PGRIPPLE_OPERATION_DRAIN:
		return "drain";
	case PGRIPPLE_OPERATION_CONJ:
		return "conj";
	}
	return "unknown";
}

/* Those that can share a command, in the order of their arrival. */
struct group {
	struct planned *first;
	struct planned **last;
	struct group *next;
};

/* Of one target and kind. */
struct shelf {
	struct map known; /* by their identity */
	struct map by_name; /* the groups, if there may be several */
	struct group *groups;
	struct group **last;
	size_t n;
};

/* The plan under way: operations in the arena, on their shelves. */
struct planner {
	struct arena *arena;
	struct shelf shelves[PGRIPPLE_MAX_TARGETS][PGRIPPLE_OPERATION_KINDS];
	size_t n_repeats;
	bool only_repeats; /* nothing is planned but what is repeated */
	size_t max_bytes; /* 0: no bound */
	size_t n_bytes; /* of maps, and of what follows from the plan */
	bool is_full;
	struct buf identity;
};

struct planned {
	struct pgripple_operation operation;
	struct wanted_repeat *repeats;
	struct planned *next;
};

/* Different rules may repeat the same operation at different times. */
struct wanted_repeat {
	int64_t after_ms;
	struct wanted_repeat *next;
};

/* What makes an operation the same as another of its kind: its key, mostly. */
static struct pgripple_bytes
identify(struct planner *planner, const struct pgripple_operation *operation)
{
	struct buf *buf = &planner->identity;

	if (operation->n_values == 0 &&
	    operation->kind != PGRIPPLE_OPERATION_SCAN)
		return (struct pgripple_bytes){
		    operation->key, operation->key_length};
	buf_reset(buf);
	buf_printf(buf, "%d %zu ", (int)operation->each, operation->key_length);
	buf_add(buf, operation->key, operation->key_length);
	for (size_t i = 0; i < operation->n_values; i++) {
		buf_printf(buf, " %zu ", operation->values[i].length);
		buf_add(buf, operation->values[i].bytes,
		    operation->values[i].length);
	}
	return (struct pgripple_bytes){buf_string(buf), buf->n};
}

/* Rows of different tables and prefixes come in turn, but share no command;
 * other kinds are one group each. */
static struct pgripple_bytes
name_group(struct planner *planner, const struct pgripple_operation *operation)
{
	struct buf *buf = &planner->identity;

	buf_reset(buf);
	if (operation->kind != PGRIPPLE_OPERATION_CACHEOPS)
		return (struct pgripple_bytes){"", 0};
	buf_add(buf, operation->key, operation->key_length);
	for (size_t i = 0; i < PGRIPPLE_CACHEOPS_CELLS; i++) {
		buf_add_char(buf, '\0');
		buf_add(buf, operation->values[i].bytes,
		    operation->values[i].length);
	}
	return (struct pgripple_bytes){buf_string(buf), buf->n};
}

static struct group *
find_group(struct planner *planner, struct shelf *shelf,
    const struct pgripple_operation *operation)
{
	struct pgripple_bytes name;
	struct group *group;
	void **place;

	if (operation->kind != PGRIPPLE_OPERATION_CACHEOPS &&
	    shelf->groups != NULL)
		return shelf->groups;
	name = name_group(planner, operation);

	if (planner->identity.failed)
		return NULL;
	place = map_put_copy(
	    &shelf->by_name, planner->arena, name.bytes, name.length, NULL);
	if (place == NULL || *place != NULL)
		return place == NULL ? NULL : *place;
	*place = group = arena_alloc(planner->arena, sizeof(*group));
	if (group == NULL)
		return NULL;
	group->last = &group->first;
	*shelf->last = group;
	shelf->last = &group->next;
	return group;
}

static int
copy_values(struct planner *planner, struct pgripple_operation *operation)
{
	struct pgripple_bytes *values =
	    arena_array(planner->arena, operation->n_values, sizeof(*values));

	if (values == NULL)
		return -1;
	for (size_t i = 0; i < operation->n_values; i++) {
		values[i] = operation->values[i];
		values[i].bytes = arena_copy(
		    planner->arena, values[i].bytes, values[i].length);
		if (values[i].bytes == NULL)
			return -1;
	}
	operation->values = values;
	return 0;
}

/* Of two that are the same the longer hold, or the longer stream, counts. */
static void
merge(struct planned *planned, const struct pgripple_operation *operation)
{
	if (operation->number == 0 ||
	    (planned->operation.number != 0 &&
		operation->number > planned->operation.number))
		planned->operation.number = operation->number;
}

static int
copy_operation(struct planner *planner, struct planned *planned,
    const struct pgripple_operation *operation, const char *key)
{
	if (key == NULL)
		key = arena_copy(
		    planner->arena, operation->key, operation->key_length);
	if (key == NULL)
		return -1;
	planned->operation = *operation;
	planned->operation.key = key;
	return operation->n_values == 0
		   ? 0
		   : copy_values(planner, &planned->operation);
}

static int
want_repeat(struct planner *planner, struct planned *planned, int64_t after_ms)
{
	struct wanted_repeat *wanted = planned->repeats;

	while (wanted != NULL && wanted->after_ms != after_ms)
		wanted = wanted->next;
	if (wanted != NULL || after_ms == 0)
		return 0;
	wanted = arena_alloc(planner->arena, sizeof(*wanted));
	if (wanted == NULL)
		return -1;
	*wanted = (struct wanted_repeat){after_ms, planned->repeats};
	planned->repeats = wanted;
	planner->n_repeats++;
	return 0;
}

/* What is made of an operation later: its places in the plan and in a part of
 * it, and its texts, one to be remembered and three of a repeat. */
static size_t
size_of(const struct pgripple_operation *operation, bool is_repeated)
{
	size_t n_bytes = operation->key_length + 32;

	for (size_t i = 0; i < operation->n_values; i++)
		n_bytes += operation->values[i].length;
	return 2 * sizeof(*operation) + n_bytes * (is_repeated ? 4 : 1);
}

static struct planned *
add_planned(struct planner *planner, const struct pgripple_operation *operation,
    bool is_repeated)
{
	struct shelf *shelf =
	    &planner->shelves[operation->target][operation->kind];
	struct pgripple_bytes identity = identify(planner, operation);
	size_t map_bytes = map_size(&shelf->known);
	struct planned *planned;
	struct group *group;
	const char *copy;
	void **place;

	if (planner->identity.failed)
		return NULL;
	place = map_put_copy(&shelf->known, planner->arena, identity.bytes,
	    identity.length, &copy);
	if (place == NULL)
		return NULL;
	planner->n_bytes += map_size(&shelf->known) - map_bytes;
	if (*place != NULL) {
		merge(*place, operation);
		return *place;
	}
	*place = planned = arena_alloc(planner->arena, sizeof(*planned));
	if (planned == NULL ||
	    copy_operation(planner, planned, operation,
		identity.bytes == operation->key ? copy : NULL) < 0)
		return NULL;
	group = find_group(planner, shelf, operation);
	if (group == NULL)
		return NULL;
	*group->last = planned;
	group->last = &planned->next;
	shelf->n++;
	planner->n_bytes += size_of(operation, is_repeated);
	return planned;
}

static bool
is_past_limit(const struct planner *planner)
{
	return planner->max_bytes != 0 &&
	       arena_size(planner->arena) + planner->n_bytes >=
		   planner->max_bytes;
}

static int
plan_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct planner *planner = context;
	int64_t repeat_ms = rule == NULL ? 0 : rule->repeat_ms;
	struct planned *planned;

	if (planner->only_repeats && repeat_ms == 0)
		return 0;
	if (is_past_limit(planner)) {
		planner->is_full = true;
		return -1;
	}
	planned = add_planned(planner, operation, repeat_ms != 0);
	return planned == NULL ? -1 : want_repeat(planner, planned, repeat_ms);
}

static struct planner *
planner_new(struct pgripple_walk *walk, bool only_repeats)
{
	struct arena *arena = pgripple_walk_arena(walk);
	struct planner *planner = arena_alloc(arena, sizeof(*planner));

	if (planner == NULL)
		return NULL;
	planner->arena = arena;
	planner->only_repeats = only_repeats;
	for (int target = 0; target < PGRIPPLE_MAX_TARGETS; target++)
		for (int kind = 0; kind < PGRIPPLE_OPERATION_KINDS; kind++) {
			struct shelf *shelf = &planner->shelves[target][kind];

			shelf->last = &shelf->groups;
		}
	return planner;
}

static void
shelf_done(struct shelf *shelf)
{
	map_done(&shelf->known);
	map_done(&shelf->by_name);
}

static void
planner_done(struct planner *planner)
{
	for (int target = 0; target < PGRIPPLE_MAX_TARGETS; target++)
		for (int kind = 0; kind < PGRIPPLE_OPERATION_KINDS; kind++)
			shelf_done(&planner->shelves[target][kind]);
	buf_done(&planner->identity);
}

static size_t
count(const struct planner *planner, int from_kind, int to_kind)
{
	size_t n = 0;

	for (int target = 0; target < PGRIPPLE_MAX_TARGETS; target++)
		for (int kind = from_kind; kind < to_kind; kind++)
			n += planner->shelves[target][kind].n;
	return n;
}

static void
take_one(const struct planned *planned, struct pgripple_operation *operation,
    struct pgripple_plan *plan)
{
	*operation = planned->operation;
	for (const struct wanted_repeat *wanted = planned->repeats;
	     wanted != NULL; wanted = wanted->next)
		plan->repeats[plan->n_repeats++] =
		    (struct pgripple_repeat){operation, wanted->after_ms};
}

static void
take_shelf(const struct shelf *shelf, struct pgripple_plan *plan, size_t *n)
{
	for (const struct group *group = shelf->groups; group != NULL;
	     group = group->next)
		for (const struct planned *planned = group->first;
		     planned != NULL; planned = planned->next)
			take_one(planned, &plan->operations[(*n)++], plan);
}

static void
take(const struct planner *planner, int from_kind, int to_kind,
    struct pgripple_plan *plan, size_t n)
{
	for (int target = 0; target < PGRIPPLE_MAX_TARGETS; target++)
		for (int kind = from_kind; kind < to_kind; kind++)
			take_shelf(&planner->shelves[target][kind], plan, &n);
}

static int
compare_repeats(const void *a, const void *b)
{
	const struct pgripple_repeat *left = a, *right = b;

	if (left->after_ms != right->after_ms)
		return left->after_ms < right->after_ms ? -1 : 1;
	return left->operation < right->operation ? -1 : 1;
}

static int
finish(const struct planner *planner, struct pgripple_plan *ret_plan)
{
	struct pgripple_plan plan = {
	    .n_operations = count(planner, 0, PGRIPPLE_OPERATION_KINDS),
	    .n_now = count(planner, 0, PGRIPPLE_OPERATION_SCAN),
	};

	plan.operations = arena_array(
	    planner->arena, plan.n_operations, sizeof(*plan.operations));
	plan.repeats = arena_array(
	    planner->arena, planner->n_repeats, sizeof(*plan.repeats));
	if (plan.operations == NULL || plan.repeats == NULL)
		return -1;
	take(planner, 0, PGRIPPLE_OPERATION_SCAN, &plan, 0);
	take(planner, PGRIPPLE_OPERATION_SCAN, PGRIPPLE_OPERATION_KINDS, &plan,
	    plan.n_now);
	if (plan.n_repeats > 1)
		qsort(plan.repeats, plan.n_repeats, sizeof(*plan.repeats),
		    compare_repeats);
	*ret_plan = plan;
	return 0;
}

/* Positive: is_full.  Whole models have a bound of their own. */
static int
make_plan(struct pgripple_walk *walk, uint32_t whole_targets, bool only_repeats,
    struct pgripple_plan *ret_plan, struct pgripple_error *err)
{
	struct planner *planner = planner_new(walk, only_repeats);
	struct emitter emitter = {
	    .emit = plan_operation,
	    .context = planner,
	    .whole_targets = whole_targets,
	    .repeats = true,
	};
	int result = 0;

	if (planner == NULL)
		return pgripple_error_nomem(err);
	if (whole_targets != UINT32_MAX)
		planner->max_bytes = walk->limits.plan_bytes;
	planner->n_bytes = map_size(&walk->seen);
	for (const struct pgripple_touch *touch = pgripple_walk_touches(walk);
	     touch != NULL && result == 0; touch = touch->next)
		if (!walk_is_covered(walk, touch))
			result = emit_touch(&emitter, touch);
	if (result == 0)
		result = finish(planner, ret_plan);
	planner_done(planner);
	emitter_done(&emitter);
	if (planner->is_full)
		return PGRIPPLE_PLAN_COARSE;
	return result < 0 ? pgripple_error_nomem(err) : 0;
}

int
pgripple_plan_make(struct pgripple_walk *walk, uint32_t whole_targets,
    struct pgripple_plan *ret_plan, struct pgripple_error *err)
{
	int result = make_plan(walk, whole_targets, false, ret_plan, err);

	if (result != PGRIPPLE_PLAN_COARSE)
		return result;
	result = make_plan(walk, UINT32_MAX, false, ret_plan, err);
	return result < 0 ? -1 : PGRIPPLE_PLAN_COARSE;
}

int
pgripple_plan_coarse_repeats(struct pgripple_walk *walk,
    struct pgripple_plan *ret_plan, struct pgripple_error *err)
{
	return make_plan(walk, UINT32_MAX, true, ret_plan, err);
}

struct explainer {
	pgripple_plan_cb report;
	void *context;
};

static int
explain_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct explainer *explainer = context;

	explainer->report(explainer->context, operation, rule);
	return 0;
}

int
pgripple_plan_explain(const struct pgripple_touch *touch,
    pgripple_plan_cb report, void *context, struct pgripple_error *err)
{
	struct explainer explainer = {report, context};
	struct emitter emitter = {
	    .emit = explain_operation, .context = &explainer};
	int result = emit_touch(&emitter, touch);

	emitter_done(&emitter);
	return result < 0 ? pgripple_error_nomem(err) : 0;
}
