/*
 * The walk of an explained change: as the daemon goes it, but everything that
 * it tells is kept.
 */
#include "cli/explain.h"

#include <string.h>

#define MAX_SHOWN_KEYS 10

/* ---- life ---- */

void
explain_free(struct explanation *explanation)
{
	if (explanation == NULL)
		return;
	map_done(&explanation->by_touch);
	pgripple_walk_free(explanation->walk);
	free(explanation);
}

int
explain_note(struct explanation *explanation, const char *format, ...)
{
	size_t n = explanation->n_notes;
	const char **notes =
	    arena_array(explanation->arena, n + 1, sizeof(*notes));
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	if (notes == NULL || text.failed)
		return -1;
	for (size_t i = 0; i < n; i++)
		notes[i] = explanation->notes[i];
	notes[n] = arena_strdup(explanation->arena, buf_string(&text));
	if (notes[n] == NULL)
		return -1;
	explanation->notes = notes;
	explanation->n_notes = n + 1;
	return 0;
}

static void
on_escalation(void *context, const struct pgripple_relation *relation,
    enum pgripple_cause cause)
{
	struct explanation *explanation = context;
	struct explain_escalation *one = explanation->escalations;

	for (; one != NULL; one = one->next)
		if (one->relation == relation && one->cause == cause)
			return;
	/* Without memory the walk itself comes to an end soon. */
	one = arena_alloc(explanation->arena, sizeof(*one));
	if (one == NULL)
		return;
	one->relation = relation;
	one->cause = cause;
	*explanation->last_escalation = one;
	explanation->last_escalation = &one->next;
}

/* ---- lookups ---- */

static struct pgripple_columns
missing_columns(const struct pgripple_lookup *lookup)
{
	struct pgripple_columns missing;

	if (lookup->relation != NULL)
		return pgripple_relation_missing(lookup->relation);
	missing = lookup->model->needed_to_own;
	for (size_t i = 0; i < lookup->n_columns; i++)
		missing.bits[lookup->columns[i] / 64] &=
		    ~(UINT64_C(1) << (lookup->columns[i] % 64));
	return missing;
}

static struct explain_lookup *
keep_lookup(
    struct explanation *explanation, const struct pgripple_lookup *lookup)
{
	struct explain_lookup *kept =
	    arena_alloc(explanation->arena, sizeof(*kept));
	size_t n_columns = lookup->n_columns;
	struct pgripple_value *keys;

	if (kept == NULL)
		return NULL;
	kept->relation = lookup->relation;
	kept->model = lookup->model;
	kept->missing = missing_columns(lookup);
	kept->n_columns = n_columns;
	kept->n_keys = lookup->n_keys;
	kept->n_shown =
	    lookup->n_keys < MAX_SHOWN_KEYS ? lookup->n_keys : MAX_SHOWN_KEYS;
	keys = arena_array(
	    explanation->arena, kept->n_shown * n_columns, sizeof(*keys));
	if (keys == NULL)
		return NULL;
	memcpy(keys, lookup->keys, kept->n_shown * n_columns * sizeof(*keys));
	kept->keys = keys;
	*explanation->last_lookup = kept;
	explanation->last_lookup = &kept->next;
	return kept;
}

/* What the daemon does with an answer. */
static int
take_answer(struct explanation *explanation, size_t lookup,
    const struct explain_answer *answer, struct pgripple_error *err)
{
	const struct pgripple_table *table =
	    pgripple_walk_lookup(explanation->walk, lookup)->model->table;

	for (size_t i = 0; i < answer->n_images; i++) {
		const char *image = answer->images[i];
		struct pgripple_row row;

		if (pgripple_row_decode(explanation->arena, table, image,
			strlen(image), &row, err) != 0 ||
		    pgripple_walk_answer(
			explanation->walk, lookup, &row, err) != 0)
			return -1;
	}
	return 0;
}

static int
look_up(struct explanation *explanation, size_t i, struct pgripple_error *err)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(explanation->walk, i);
	const struct explain_database *database = explanation->database;
	struct explain_lookup *kept = keep_lookup(explanation, lookup);
	struct explain_answer answer = {0};
	int outcome = EXPLAIN_UNANSWERED;

	if (kept == NULL)
		return pgripple_error_nomem(err);
	if (database != NULL)
		outcome = database->look_up(database->context, lookup,
		    explanation->arena, &answer, err);
	if (outcome < 0)
		return -1;
	kept->sql = answer.sql;
	kept->n_rows = answer.n_images;
	if (outcome == EXPLAIN_ANSWERED)
		return take_answer(explanation, i, &answer, err);
	kept->problem = database == NULL
			    ? "not asked (offline)"
			    : arena_strdup(explanation->arena, err->text);
	if (kept->problem == NULL)
		return pgripple_error_nomem(err);
	return pgripple_walk_escalate(explanation->walk, i, err);
}

static int
walk_through(struct explanation *explanation, struct pgripple_error *err)
{
	int outcome;

	while ((outcome = pgripple_walk_step(explanation->walk, err)) ==
	       PGRIPPLE_WALK_LOOKUPS)
		for (size_t i = 0;
		     i < pgripple_walk_n_lookups(explanation->walk); i++)
			if (look_up(explanation, i, err) != 0)
				return -1;
	return outcome;
}

/* ---- rows and operations ---- */

struct collector {
	struct explanation *explanation;
	struct explain_row *row;
	struct explain_deed **last;
	struct map by_key; /* kind, target and bytes */
	struct explain_operation *operations;
	struct explain_operation **last_operation;
	bool failed;
};

static const char *
target_name(const struct pgripple_graph *graph, size_t target)
{
	const char *name = graph->targets[target].name;

	return strcmp(name, PGRIPPLE_DEFAULT_TARGET) == 0 ? NULL : name;
}

static struct explain_operation *
find_operation(struct collector *collector,
    const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct explanation *explanation = collector->explanation;
	CLEANUP(buf_done) struct buf key = BUF_INIT;
	struct explain_operation *found;
	const char *copy;
	void **place;

	buf_add_char(&key, (char)operation->kind);
	buf_add_char(&key, (char)operation->target);
	buf_add(&key, operation->key, operation->key_length);
	if (key.failed)
		return NULL;
	found = map_get(&collector->by_key, key.bytes, key.n);
	if (found != NULL)
		return found;
	found = arena_alloc(explanation->arena, sizeof(*found));
	copy = arena_copy(explanation->arena, key.bytes, key.n);
	place = found == NULL || copy == NULL
		    ? NULL
		    : map_put(&collector->by_key, copy, key.n);
	if (place == NULL)
		return NULL;
	*place = found;
	found->target = target_name(explanation->graph, operation->target);
	found->operation = *operation;
	found->operation.key = copy + 2;
	found->model = collector->row->touch->model;
	found->rule = rule;
	*collector->last_operation = found;
	collector->last_operation = &found->next;
	found->number = explanation->n_operations++;
	return found;
}

/* Rules that repeat the same operation may do so at different times. */
static int
add_repeat(struct collector *collector, struct explain_operation *operation,
    const struct pgripple_rule *rule)
{
	struct explain_repeat **place = &operation->repeats;
	struct explain_repeat *repeat;

	if (rule == NULL || rule->repeat_ms == 0)
		return 0;
	while (*place != NULL && (*place)->after_ms < rule->repeat_ms)
		place = &(*place)->next;
	if (*place != NULL && (*place)->after_ms == rule->repeat_ms)
		return 0;
	repeat = arena_alloc(collector->explanation->arena, sizeof(*repeat));
	if (repeat == NULL)
		return -1;
	*repeat = (struct explain_repeat){rule->repeat_ms, *place};
	*place = repeat;
	return 0;
}

static void
on_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct collector *collector = context;
	struct explain_operation *found =
	    find_operation(collector, operation, rule);
	struct explain_deed *deed =
	    arena_alloc(collector->explanation->arena, sizeof(*deed));
	bool counted = false;

	if (found == NULL || deed == NULL ||
	    add_repeat(collector, found, rule) < 0) {
		collector->failed = true;
		return;
	}
	for (const struct explain_deed *other = collector->row->deeds;
	     other != NULL; other = other->next)
		counted |= other->operation == found;
	found->n_rows += !counted;
	found->whole |= collector->row->touch->whole;
	deed->rule = rule;
	deed->operation = found;
	*collector->last = deed;
	collector->last = &deed->next;
}

bool
explain_has_patterns(const struct pgripple_touch *touch)
{
	return touch->whole && touch->model->whole_patterns != NULL;
}

/* The patterns of "whole_model" are repeated as the rules for which they
 * stand. */
static int
add_repeats_of_patterns(struct collector *collector, struct explain_row *row)
{
	const struct pgripple_model *model = row->touch->model;
	size_t column;

	if (!explain_has_patterns(row->touch))
		return 0;
	for (struct explain_deed *deed = row->deeds; deed != NULL;
	     deed = deed->next)
		for (size_t i = 0; deed->rule == NULL && i < model->n_rules;
		     i++) {
			const struct pgripple_rule *rule = &model->rules[i];

			if (pgripple_rule_is_replaced(rule) &&
			    rule->target->index ==
				deed->operation->operation.target &&
			    pgripple_judge_rule(row->touch, rule, &column) ==
				PGRIPPLE_VERDICT_APPLIES &&
			    add_repeat(collector, deed->operation, rule) < 0)
				return -1;
		}
	return 0;
}

static int
collect_row(struct collector *collector, struct explain_row *row,
    struct pgripple_error *err)
{
	void **place = map_put(&collector->explanation->by_touch, &row->touch,
	    sizeof(struct pgripple_touch *));

	if (place == NULL)
		return pgripple_error_nomem(err);
	*place = row;
	collector->row = row;
	collector->last = &row->deeds;
	if (pgripple_plan_explain(row->touch, on_operation, collector, err) !=
	    0)
		return -1;
	return collector->failed || add_repeats_of_patterns(collector, row) < 0
		   ? pgripple_error_nomem(err)
		   : 0;
}

static int
compare_operations(const void *a, const void *b)
{
	const struct explain_operation *first =
	    *(struct explain_operation *const *)a;
	const struct explain_operation *second =
	    *(struct explain_operation *const *)b;

	if (first->operation.kind != second->operation.kind)
		return first->operation.kind < second->operation.kind ? -1 : 1;
	return (first->number > second->number) -
	       (first->number < second->number);
}

static int
list_operations(
    struct explanation *explanation, struct explain_operation *first)
{
	size_t n = 0;

	explanation->operations = arena_array(explanation->arena,
	    explanation->n_operations, sizeof(struct explain_operation *));
	if (explanation->operations == NULL)
		return -1;
	for (; first != NULL; first = first->next)
		explanation->operations[n++] = first;
	if (n > 0)
		qsort(explanation->operations, n,
		    sizeof(*explanation->operations), compare_operations);
	return 0;
}

static int
collect(struct explanation *explanation, struct pgripple_error *err)
{
	struct collector collector = {
	    .explanation = explanation,
	};
	const struct pgripple_touch *touch =
	    pgripple_walk_touches(explanation->walk);
	int result = 0;

	collector.last_operation = &collector.operations;
	explanation->n_rows = pgripple_walk_n_touches(explanation->walk);
	explanation->rows = arena_array(explanation->arena, explanation->n_rows,
	    sizeof(*explanation->rows));
	if (explanation->rows == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; touch != NULL && result == 0; i++) {
		explanation->rows[i].touch = touch;
		explanation->rows[i].number = i + 1;
		result = collect_row(&collector, &explanation->rows[i], err);
		touch = touch->next;
	}
	map_done(&collector.by_key);
	if (result == 0 &&
	    list_operations(explanation, collector.operations) != 0)
		return pgripple_error_nomem(err);
	return result;
}

/* ---- the whole ---- */

static int
decode(struct explanation *explanation, const char *json,
    struct pgripple_change *ret_change, struct pgripple_error *err)
{
	int outcome = pgripple_change_decode(explanation->arena,
	    explanation->graph, json, strlen(json), ret_change, err);

	if (outcome == PGRIPPLE_DECODE_UNWATCHED)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the graph has no model of the change's table");
	return outcome < 0 ? -1 : 0;
}

/* Decodes the changes, and walks. */
static int
explain(struct explanation *explanation, const char *const *texts, size_t n,
    struct pgripple_error *err)
{
	struct pgripple_change *changes =
	    arena_array(explanation->arena, n, sizeof(*changes));

	if (changes == NULL)
		return pgripple_error_nomem(err);
	explanation->changes = changes;
	explanation->n_changes = n;
	for (size_t i = 0; i < n; i++)
		if (decode(explanation, texts[i], &changes[i], err) != 0)
			return -1;
	if (explanation->is_no_change)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (pgripple_walk_add(explanation->walk, &changes[i], err) != 0)
			return -1;
	return walk_through(explanation, err) != 0 ? -1
						   : collect(explanation, err);
}

static struct explanation *
explanation_new(const struct pgripple_graph *graph,
    const struct pgripple_limits *limits,
    const struct explain_database *database)
{
	struct explanation *explanation = calloc(1, sizeof(*explanation));

	if (explanation == NULL)
		return NULL;
	explanation->graph = graph;
	explanation->limits = *limits;
	explanation->database = database;
	explanation->last_lookup = &explanation->lookups;
	explanation->last_escalation = &explanation->escalations;
	explanation->walk = pgripple_walk_new(graph, limits);
	if (explanation->walk == NULL) {
		explain_free(explanation);
		return NULL;
	}
	explanation->arena = pgripple_walk_arena(explanation->walk);
	pgripple_walk_on_escalation(
	    explanation->walk, on_escalation, explanation);
	return explanation;
}

int
explain_new(const struct pgripple_graph *graph,
    const struct pgripple_model *model, const struct pgripple_limits *limits,
    const struct explain_request *request,
    const struct explain_database *database, struct explanation **ret,
    struct pgripple_error *err)
{
	struct explanation *explanation =
	    explanation_new(graph, limits, database);

	if (explanation == NULL)
		return pgripple_error_nomem(err);
	explanation->model = model;
	if (explain_change_make(explanation, request, err) != 0 ||
	    explain(explanation, &explanation->json, 1, err) != 0) {
		explain_free(explanation);
		return -1;
	}
	*ret = explanation;
	return 0;
}

int
explain_new_of_changes(const struct pgripple_graph *graph,
    const struct pgripple_limits *limits, const char *const *changes,
    size_t n_changes, const struct explain_database *database,
    struct explanation **ret, struct pgripple_error *err)
{
	struct explanation *explanation =
	    explanation_new(graph, limits, database);

	if (explanation == NULL)
		return pgripple_error_nomem(err);
	if (explain(explanation, changes, n_changes, err) != 0) {
		explain_free(explanation);
		return -1;
	}
	*ret = explanation;
	return 0;
}
