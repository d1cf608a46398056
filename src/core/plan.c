/*
 * From touched rows to operations in Redis, each once.
 */
#include <pgripple/plan.h>

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "core/emit.h"

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
	case PGRIPPLE_OPERATION_PUBLISH:
		return "publish";
	case PGRIPPLE_OPERATION_STREAM:
		return "stream";
	case PGRIPPLE_OPERATION_SCAN:
		return "scan";
	case PGRIPPLE_OPERATION_DRAIN:
		return "drain";
	}
	return "unknown";
}

/* The plan under way: operations in the arena, each kind apart. */
struct planner {
	struct arena *arena;
	struct map known[PGRIPPLE_OPERATION_KINDS]; /* by their identity */
	struct planned *first[PGRIPPLE_OPERATION_KINDS];
	struct planned **last[PGRIPPLE_OPERATION_KINDS];
	size_t n[PGRIPPLE_OPERATION_KINDS];
	struct buf identity;
};

struct planned {
	struct pgripple_operation operation;
	struct planned *next;
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
plan_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule UNUSED)
{
	struct planner *planner = context;
	enum pgripple_operation_kind kind = operation->kind;
	struct pgripple_bytes identity = identify(planner, operation);
	struct planned *planned;
	const char *copy;
	void **place;

	if (planner->identity.failed)
		return -1;
	place = map_put_copy(&planner->known[kind], planner->arena,
	    identity.bytes, identity.length, &copy);
	if (place == NULL)
		return -1;
	if (*place != NULL) {
		merge(*place, operation);
		return 0;
	}
	*place = planned = arena_alloc(planner->arena, sizeof(*planned));
	if (planned == NULL ||
	    copy_operation(planner, planned, operation,
		identity.bytes == operation->key ? copy : NULL) < 0)
		return -1;
	*planner->last[kind] = planned;
	planner->last[kind] = &planned->next;
	planner->n[kind]++;
	return 0;
}

static int
finish(struct planner *planner, struct pgripple_plan *ret_plan)
{
	struct pgripple_plan plan = {0};
	size_t n = 0;

	for (int kind = 0; kind < PGRIPPLE_OPERATION_KINDS; kind++) {
		plan.n_operations += planner->n[kind];
		if (kind < PGRIPPLE_OPERATION_SCAN)
			plan.n_now += planner->n[kind];
	}
	plan.operations = arena_array(
	    planner->arena, plan.n_operations, sizeof(*plan.operations));
	if (plan.operations == NULL)
		return -1;
	for (int kind = 0; kind < PGRIPPLE_OPERATION_KINDS; kind++)
		for (struct planned *planned = planner->first[kind];
		     planned != NULL; planned = planned->next)
			plan.operations[n++] = planned->operation;
	*ret_plan = plan;
	return 0;
}

int
pgripple_plan_make(struct pgripple_walk *walk, struct pgripple_plan *ret_plan,
    struct pgripple_error *err)
{
	struct planner planner = {.arena = pgripple_walk_arena(walk)};
	struct emitter emitter = {.emit = plan_operation, .context = &planner};
	int result = 0;

	for (int kind = 0; kind < PGRIPPLE_OPERATION_KINDS; kind++)
		planner.last[kind] = &planner.first[kind];
	for (const struct pgripple_touch *touch = pgripple_walk_touches(walk);
	     touch != NULL && result == 0; touch = touch->next)
		result = emit_touch(&emitter, touch);
	if (result == 0)
		result = finish(&planner, ret_plan);
	for (int kind = 0; kind < PGRIPPLE_OPERATION_KINDS; kind++)
		map_done(&planner.known[kind]);
	buf_done(&planner.identity);
	emitter_done(&emitter);
	return result < 0 ? pgripple_error_nomem(err) : 0;
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
