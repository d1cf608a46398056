/*
 * Walks over random schemas, rows and changes, compared with a straightforward
 * walk over the same.
 *
 * The plain walk below knows nothing of lookups, identities, needed columns or
 * escalation: it follows every relation from every row to every row, and
 * remembers whole rows.  "Lower" is what it finds among the rows that exist:
 * all of it must be planned.  "Upper" adds, for relations whose key may replace
 * a lookup, a row of which only the key is known: no more than that may be
 * planned while everything is known and nothing is past a limit.  In chaos,
 * where values are hidden, lookups fail and limits are small, every lower key
 * must still be planned, by name or by a pattern.
 */
#include <pgripple/plan.h>

#include <criterion/criterion.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/util.h"

#include "build_graph.h"
#include "fake_database.h"

#define N_COLUMNS 5
#define MAX_TABLES 4
#define MAX_MODELS 6
#define MAX_RULES 2
#define MAX_RELATIONS 8
#define MAX_ROWS 24
#define MAX_CHANGES 3
#define MAX_IMAGES 3
#define MAX_KEYS (MAX_MODELS * MAX_RULES * 16)
#define N_WORLDS 1000

/* The last one is numeric for describe_graph(). */
static const char *const columns[N_COLUMNS] = {"a", "b", "c", "d", "num"};
static const char *const ops[] = {"insert", "update", "delete"};

enum { NOTHING = 0, HIDDEN = -1 }; /* NULL; a value that is not known */

struct condition {
	unsigned ops; /* 0: all */
	unsigned changed; /* bits of columns; 0: none given */
	int where; /* column, or -1 */
	int wanted[2];
};

struct rule {
	int columns[2];
	struct condition condition;
	bool own_change_only;
	bool enabled;
};

struct model {
	int table;
	int n_rules;
	struct rule rules[MAX_RULES];
};

struct relation {
	int from, to; /* models */
	int n;
	int from_columns[2], to_columns[2];
	struct condition condition;
	bool transitive;
	bool enabled;
};

struct row {
	int table;
	int values[N_COLUMNS];
};

struct change {
	int table;
	int op;
	bool truncate;
	bool tells_changed;
	unsigned changed;
	int n_old, n_new;
	struct row old_rows[MAX_IMAGES], new_rows[MAX_IMAGES];
};

struct world {
	int n_tables, n_models, n_relations, n_rows, n_changes;
	struct model models[MAX_MODELS];
	struct relation relations[MAX_RELATIONS];
	struct row rows[MAX_ROWS];
	struct change changes[MAX_CHANGES];
};

static uint64_t state;

/* SplitMix64 (Steele, Lea and Flood, 2014): 0 to n - 1. */
static int
draw(int n)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (int)((z ^ z >> 31) % (unsigned)n);
}

static bool
chance(int percent)
{
	return draw(100) < percent;
}

/* Worlds. */

static void
draw_condition(struct condition *condition)
{
	*condition = (struct condition){.where = -1};
	if (chance(20))
		condition->ops = 1 + (unsigned)draw(7);
	if (chance(30))
		condition->changed = 1 + (unsigned)draw(31);
	if (chance(20)) {
		condition->where = draw(N_COLUMNS);
		condition->wanted[0] = 1 + draw(4);
		condition->wanted[1] = 1 + draw(4);
	}
}

static void
draw_relation(struct world *world, struct relation *relation)
{
	relation->from = draw(world->n_models);
	relation->to = draw(world->n_models);
	relation->n = 1 + chance(20);
	relation->from_columns[0] = draw(N_COLUMNS);
	relation->to_columns[0] = draw(N_COLUMNS);
	relation->from_columns[1] =
	    (relation->from_columns[0] + 1 + draw(N_COLUMNS - 1)) % N_COLUMNS;
	relation->to_columns[1] =
	    (relation->to_columns[0] + 1 + draw(N_COLUMNS - 1)) % N_COLUMNS;
	relation->transitive = chance(70);
	relation->enabled = chance(90);
	draw_condition(&relation->condition);
}

static bool
is_same_line(const struct relation *a, const struct relation *b)
{
	bool same = a->from == b->from && a->to == b->to && a->n == b->n;

	for (int i = 0; same && i < a->n; i++)
		same = a->from_columns[i] == b->from_columns[i] &&
		       a->to_columns[i] == b->to_columns[i];
	return same;
}

static void
draw_schema(struct world *world)
{
	world->n_tables = 1 + draw(MAX_TABLES);
	world->n_models = world->n_tables + draw(MAX_MODELS - MAX_TABLES + 1);
	for (int i = 0; i < world->n_models; i++) {
		struct model *model = &world->models[i];

		model->table = i < world->n_tables ? i : draw(world->n_tables);
		model->n_rules = draw(MAX_RULES + 1);
		for (int j = 0; j < model->n_rules; j++) {
			struct rule *rule = &model->rules[j];

			rule->columns[0] = draw(N_COLUMNS);
			rule->columns[1] = draw(N_COLUMNS);
			rule->own_change_only = chance(15);
			rule->enabled = chance(90);
			draw_condition(&rule->condition);
		}
	}
	for (int i = draw(MAX_RELATIONS + 1); i > 0; i--) {
		struct relation *relation =
		    &world->relations[world->n_relations];
		bool known = false;

		draw_relation(world, relation);
		for (int j = 0; j < world->n_relations; j++)
			known |= is_same_line(relation, &world->relations[j]);
		world->n_relations += !known;
	}
}

static void
draw_row(struct row *row, int table)
{
	row->table = table;
	for (int i = 0; i < N_COLUMNS; i++)
		row->values[i] = draw(5) == 0 ? NOTHING : 1 + draw(4);
}

/* Often a row that exists or changed before: rows that change twice are where
 * changes could be taken for one another. */
static void
draw_old(struct world *world, int table, struct row *row)
{
	const struct change *before = &world->changes[draw(MAX_CHANGES)];
	const struct row *known = chance(50)          ? &before->new_rows[0]
				  : world->n_rows > 0 ? world->rows
						      : row;

	draw_row(row, table);
	if (chance(60) && known->table == table)
		memcpy(row->values, known->values, sizeof(row->values));
}

static void
draw_change(struct world *world, struct change *change)
{
	int n = 1 + draw(MAX_IMAGES);

	change->table = draw(world->n_tables);
	change->op = draw(3);
	change->tells_changed = chance(80);
	change->n_old = change->op == 0 ? 0 : n;
	change->n_new = change->op == 2 ? 0 : n;
	for (int i = 0; i < n; i++) {
		struct row *old = &change->old_rows[i];
		struct row *new = &change->new_rows[i];

		draw_old(world, change->table, old);
		*new = *old;
		for (int j = draw(3); j > 0; j--)
			new->values[draw(N_COLUMNS)] = draw(5);
		for (int j = 0; j < N_COLUMNS; j++)
			if (old->values[j] != new->values[j])
				change->changed |= 1u << j;
	}
}

static struct world
draw_world(bool chaos)
{
	struct world world = {0};

	draw_schema(&world);
	world.n_rows = draw(MAX_ROWS + 1);
	for (int i = 0; i < world.n_rows; i++)
		draw_row(&world.rows[i], draw(world.n_tables));
	world.n_changes = 1 + draw(MAX_CHANGES);
	for (int i = 0; i < world.n_changes; i++) {
		draw_change(&world, &world.changes[i]);
		world.changes[i].truncate = chaos && chance(10);
	}
	return world;
}

/* As graph.yaml and JSON. */

static void
print_columns(struct buf *buf, const int *which, int n)
{
	for (int i = 0; i < n; i++)
		buf_printf(buf, "%s%s%s",
		    i > 0   ? ", "
		    : n > 1 ? "("
			    : "",
		    columns[which[i]], i == n - 1 && n > 1 ? ")" : "");
}

static void
print_bits(struct buf *buf, const char *key, unsigned bits,
    const char *const *names, int n)
{
	const char *comma = "";

	if (bits == 0)
		return;
	buf_printf(buf, ", %s: [", key);
	for (int i = 0; i < n; i++)
		if (bits >> i & 1) {
			buf_printf(buf, "%s%s", comma, names[i]);
			comma = ", ";
		}
	buf_add_string(buf, "]");
}

static void
print_condition(struct buf *buf, const struct condition *condition)
{
	print_bits(buf, "ops", condition->ops, ops, 3);
	print_bits(buf, "changed", condition->changed, columns, N_COLUMNS);
	if (condition->where < 0)
		return;
	buf_printf(buf, ", where: { %s: [", columns[condition->where]);
	buf_printf(buf, "%d", condition->wanted[0]);
	if (condition->wanted[1] != condition->wanted[0])
		buf_printf(buf, ", %d", condition->wanted[1]);
	buf_add_string(buf, "] }");
}

static void
print_model(struct buf *buf, const struct model *model, int number)
{
	buf_printf(buf, "  m%d:\n    table: t%d\n", number, model->table);
	if (model->n_rules > 0)
		buf_add_string(buf, "    invalidate:\n");
	for (int i = 0; i < model->n_rules; i++) {
		const struct rule *rule = &model->rules[i];

		buf_printf(buf, "      - { key: \"m%d.%d:{%s}:{%s}\"", number,
		    i, columns[rule->columns[0]], columns[rule->columns[1]]);
		if (rule->own_change_only)
			buf_add_string(buf, ", own_change_only: true");
		if (!rule->enabled)
			buf_add_string(buf, ", enabled: false");
		print_condition(buf, &rule->condition);
		buf_add_string(buf, " }\n");
	}
}

static void
print_world(struct buf *buf, const struct world *world)
{
	buf_add_string(buf, "models:\n");
	for (int i = 0; i < world->n_models; i++)
		print_model(buf, &world->models[i], i);
	if (world->n_relations > 0)
		buf_add_string(buf, "relations:\n");
	for (int i = 0; i < world->n_relations; i++) {
		const struct relation *relation = &world->relations[i];

		buf_printf(buf, "  - \"m%d.", relation->from);
		print_columns(buf, relation->from_columns, relation->n);
		buf_printf(buf, " -> m%d.", relation->to);
		print_columns(buf, relation->to_columns, relation->n);
		buf_printf(buf, "\": { transitive: %s",
		    relation->transitive ? "true" : "false");
		if (!relation->enabled)
			buf_add_string(buf, ", enabled: false");
		print_condition(buf, &relation->condition);
		buf_add_string(buf, " }\n");
	}
}

/* In chaos values are sometimes hidden, or left out. */
static void
print_row(struct buf *buf, const struct row *row, bool chaos)
{
	buf_add_string(buf, "{\"z\":0");
	for (int i = 0; i < N_COLUMNS; i++) {
		int value = row->values[i];
		bool hide = chaos && chance(8);

		if (hide && chance(50))
			continue;
		buf_printf(buf, ",\"%s\":", columns[i]);
		if (hide)
			buf_add_string(buf, "{\"unknown\":\"too large\"}");
		else if (value == NOTHING)
			buf_add_string(buf, "null");
		else
			buf_printf(buf, "%d", value);
	}
	buf_add_string(buf, "}");
}

static void
print_rows(struct buf *buf, const char *name, const struct row *rows, int n,
    bool chaos)
{
	if (n == 0)
		return;
	buf_printf(buf, ",\"%s\":[", name);
	for (int i = 0; i < n; i++) {
		buf_add_string(buf, i > 0 ? "," : "");
		print_row(buf, &rows[i], chaos);
	}
	buf_add_string(buf, "]");
}

static void
print_change(struct buf *buf, const struct change *change, bool chaos)
{
	const char *comma = "";

	buf_printf(buf, "{\"table\":\"public.t%d\",\"op\":\"%s\"",
	    change->table, change->truncate ? "truncate" : ops[change->op]);
	print_rows(buf, "old", change->old_rows, change->n_old, chaos);
	print_rows(buf, "new", change->new_rows, change->n_new, chaos);
	if (change->op == 1 && change->tells_changed) {
		buf_add_string(buf, ",\"changed\":[");
		for (int i = 0; i < N_COLUMNS; i++)
			if (change->changed >> i & 1) {
				buf_printf(buf, "%s\"%s\"", comma, columns[i]);
				comma = ",";
			}
		buf_add_string(buf, "]");
	}
	buf_add_string(buf, "}");
}

/* The plain walk. */

struct keys {
	char items[MAX_KEYS][16];
	size_t n;
};

static bool
has_key(const struct keys *keys, const char *key)
{
	for (size_t i = 0; i < keys->n; i++)
		if (strcmp(keys->items[i], key) == 0)
			return true;
	return false;
}

static void
add_key(struct keys *keys, const char *key)
{
	if (has_key(keys, key))
		return;
	cr_assert_lt(keys->n, MAX_KEYS);
	cr_assert_lt(strlen(key), sizeof(keys->items[0]));
	strcpy(keys->items[keys->n++], key);
}

static bool
is_subset(const struct keys *part, const struct keys *all)
{
	for (size_t i = 0; i < part->n; i++)
		if (!has_key(all, part->items[i]))
			return false;
	return true;
}

struct plain {
	const struct world *world;
	bool upper;
	struct arena *arena;
	struct map visited;
	struct keys keys;
};

/* What a row is when it is visited; compared byte by byte. */
struct visited {
	int model;
	int may_pass;
	int change; /* its own, or -1 */
	int values[N_COLUMNS];
};

static bool
is_first_visit(struct plain *plain, const struct visited *at)
{
	void **place = map_put(&plain->visited,
	    arena_copy(plain->arena, (const char *)at, sizeof(*at)),
	    sizeof(*at));
	bool first;

	cr_assert_not_null(place);
	first = *place == NULL;
	*place = plain;
	return first;
}

static unsigned
matched_columns(const struct world *world, int model)
{
	unsigned bits = 0;

	for (int i = 0; i < world->n_relations; i++) {
		const struct relation *relation = &world->relations[i];

		if (relation->to == model && relation->enabled)
			for (int j = 0; j < relation->n; j++)
				bits |= 1u << relation->to_columns[j];
	}
	return bits;
}

/* "used" are the columns that always count for the rule or relation. */
static bool
plain_holds(const struct plain *plain, const struct condition *condition,
    const struct visited *at, unsigned used)
{
	int value =
	    condition->where < 0 ? HIDDEN : at->values[condition->where];

	if (at->change >= 0) {
		const struct change *change =
		    &plain->world->changes[at->change];
		unsigned watched = condition->changed | used |
				   matched_columns(plain->world, at->model);

		if (change->truncate)
			return true;
		if (condition->ops != 0 &&
		    (condition->ops >> change->op & 1) == 0)
			return false;
		if (condition->where >= 0)
			watched |= 1u << condition->where;
		if (condition->changed != 0 && change->op == 1 &&
		    change->tells_changed && (watched & change->changed) == 0)
			return false;
	}
	return value == HIDDEN || value == condition->wanted[0] ||
	       value == condition->wanted[1];
}

static void
plain_rule(struct plain *plain, const struct visited *at, int number)
{
	const struct rule *rule =
	    &plain->world->models[at->model].rules[number];
	int first = at->values[rule->columns[0]];
	int second = at->values[rule->columns[1]];
	char key[64];

	if (!rule->enabled || (rule->own_change_only && at->change < 0) ||
	    !plain_holds(plain, &rule->condition, at,
		1u << rule->columns[0] | 1u << rule->columns[1]))
		return;
	if (first <= NOTHING || second <= NOTHING)
		return;
	(void)snprintf(
	    key, sizeof(key), "m%d.%d:%d:%d", at->model, number, first, second);
	add_key(&plain->keys, key);
}

static void visit(struct plain *plain, struct visited at);

static bool
plain_matches(const struct relation *relation, const struct visited *from,
    const struct row *to)
{
	for (int i = 0; i < relation->n; i++)
		if (from->values[relation->from_columns[i]] !=
		    to->values[relation->to_columns[i]])
			return false;
	return true;
}

/* The row as far as the key tells it. */
static void
visit_key(struct plain *plain, const struct relation *relation,
    const struct visited *from)
{
	struct visited to = {relation->to, relation->transitive, -1,
	    {HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN}};

	for (int i = 0; i < relation->n; i++) {
		if (relation->from_columns[i] == N_COLUMNS - 1 ||
		    relation->to_columns[i] == N_COLUMNS - 1)
			return;
		to.values[relation->to_columns[i]] =
		    from->values[relation->from_columns[i]];
	}
	visit(plain, to);
}

static void
plain_relation(struct plain *plain, const struct visited *at,
    const struct relation *relation)
{
	const struct world *world = plain->world;
	unsigned used = 0;

	for (int i = 0; i < relation->n; i++)
		used |= 1u << relation->from_columns[i];
	if (!relation->enabled ||
	    !plain_holds(plain, &relation->condition, at, used))
		return;
	for (int i = 0; i < relation->n; i++)
		if (at->values[relation->from_columns[i]] <= NOTHING)
			return;
	for (int i = 0; i < world->n_rows; i++) {
		const struct row *row = &world->rows[i];
		struct visited to = {
		    relation->to, relation->transitive, -1, {0}};

		if (row->table != world->models[relation->to].table ||
		    !plain_matches(relation, at, row))
			continue;
		memcpy(to.values, row->values, sizeof(to.values));
		visit(plain, to);
	}
	if (plain->upper)
		visit_key(plain, relation, at);
}

static void
visit(struct plain *plain, struct visited at)
{
	const struct world *world = plain->world;

	if (!is_first_visit(plain, &at))
		return;
	for (int i = 0; i < world->models[at.model].n_rules; i++)
		plain_rule(plain, &at, i);
	for (int i = 0; at.may_pass && i < world->n_relations; i++)
		if (world->relations[i].from == at.model)
			plain_relation(plain, &at, &world->relations[i]);
}

static void
visit_image(struct plain *plain, int change, const struct row *row)
{
	const struct world *world = plain->world;

	for (int i = 0; i < world->n_models; i++) {
		struct visited at = {i, true, change, {0}};

		if (world->models[i].table != row->table)
			continue;
		memcpy(at.values, row->values, sizeof(at.values));
		visit(plain, at);
	}
}

static void
visit_change(struct plain *plain, int number)
{
	const struct world *world = plain->world;
	const struct change *change = &world->changes[number];

	for (int i = 0; i < change->n_old; i++)
		visit_image(plain, number, &change->old_rows[i]);
	for (int i = 0; i < change->n_new; i++)
		visit_image(plain, number, &change->new_rows[i]);
	for (int i = 0; change->truncate && i < world->n_rows; i++)
		if (world->rows[i].table == change->table)
			visit_image(plain, number, &world->rows[i]);
}

/* number: of one change, or -1 for all. */
static struct keys
walk_plainly(const struct world *world, bool upper, int number)
{
	struct plain plain = {.world = world, .upper = upper};

	plain.arena = arena_new();
	for (int i = 0; i < world->n_changes; i++)
		if (number < 0 || number == i)
			visit_change(&plain, i);
	map_done(&plain.visited);
	arena_free(plain.arena);
	return plain.keys;
}

/* The walk under test. */

struct run {
	const struct world *world;
	bool chaos;
	struct pgripple_graph *graph;
	struct pgripple_walk *walk;
	struct buf text; /* of the world, for messages */
};

static void
add_changes(struct run *run, int number)
{
	for (int i = 0; i < run->world->n_changes; i++) {
		CLEANUP(buf_done) struct buf json = BUF_INIT;

		if (number >= 0 && number != i)
			continue;
		print_change(&json, &run->world->changes[i], run->chaos);
		buf_printf(&run->text, "%s\n", buf_string(&json));
		add_change(run->walk, run->graph, buf_string(&json));
	}
}

static bool
is_asked(const struct pgripple_lookup *lookup, const struct row *row)
{
	const struct pgripple_relation *relation = lookup->relation;
	const struct pgripple_value *key = lookup->keys;

	for (size_t i = 0; i < lookup->n_keys;
	     i++, key += relation->n_columns) {
		bool same = true;

		for (size_t j = 0; j < relation->n_columns; j++) {
			const char *name =
			    relation->to->table
				->columns[relation->to_columns[j]]
				.name;
			size_t k = 0;

			while (strcmp(columns[k], name) != 0)
				k++;
			same &= row->values[k] == atoi(key[j].text);
		}
		if (same)
			return true;
	}
	return false;
}

static void
answer(struct run *run, size_t number)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(run->walk, number);
	const struct pgripple_table *table = lookup->relation->to->table;
	struct pgripple_error err;

	check_keys(lookup);
	for (int i = 0; i < run->world->n_rows; i++) {
		const struct row *row = &run->world->rows[i];
		CLEANUP(buf_done) struct buf json = BUF_INIT;
		struct pgripple_row found;

		if (atoi(table->name + 1) != row->table ||
		    !is_asked(lookup, row))
			continue;
		if (pgripple_walk_is_full(run->walk)) {
			cr_assert_eq(
			    pgripple_walk_overflow(run->walk, number, &err), 0);
			continue;
		}
		print_row(&json, row, run->chaos);
		cr_assert_eq(pgripple_row_decode(pgripple_walk_arena(run->walk),
				 table, json.bytes, json.n, &found, &err),
		    0);
		hide_unwanted(lookup, &found);
		cr_assert_eq(
		    pgripple_walk_answer(run->walk, number, &found, &err), 0);
	}
	if (run->chaos && chance(10))
		cr_assert_eq(
		    pgripple_walk_escalate(run->walk, number, &err), 0);
}

static void
run_walk(struct run *run, struct pgripple_limits limits, int number)
{
	struct pgripple_error err;
	int outcome;

	run->walk = pgripple_walk_new(run->graph, &limits);
	add_changes(run, number);
	while ((outcome = pgripple_walk_step(run->walk, &err)) ==
	       PGRIPPLE_WALK_LOOKUPS)
		for (size_t i = 0; i < pgripple_walk_n_lookups(run->walk); i++)
			answer(run, i);
	cr_assert_eq(outcome, PGRIPPLE_WALK_DONE);
}

static void
start_run(struct run *run, const struct world *world, bool chaos)
{
	*run = (struct run){.world = world, .chaos = chaos};
	print_world(&run->text, world);
	run->graph = build_graph(buf_string(&run->text));
}

static void
end_run(struct run *run)
{
	pgripple_walk_free(run->walk);
	pgripple_graph_free(run->graph);
	buf_done(&run->text);
}

static struct keys
planned_keys(struct run *run)
{
	struct keys keys = {.n = 0};
	struct pgripple_plan plan;
	struct pgripple_error err;

	cr_assert_eq(pgripple_plan_make(run->walk, 0, &plan, &err), 0);
	cr_assert_eq(
	    plan.n_now, plan.n_operations, "a pattern in\n%s", run->text.bytes);
	for (size_t i = 0; i < plan.n_operations; i++) {
		cr_assert_not(has_key(&keys, plan.operations[i].key));
		add_key(&keys, plan.operations[i].key);
	}
	return keys;
}

static void
expect_subset(const struct run *run, const char *what, const struct keys *part,
    const struct keys *all)
{
	for (size_t i = 0; i < part->n; i++)
		cr_assert(has_key(all, part->items[i]), "%s: %s in\n%s", what,
		    part->items[i], run->text.bytes);
}

Test(walk_random, plans_what_a_plain_walk_finds)
{
	size_t n_keys = 0, n_exact = 0;

	for (int i = 0; i < N_WORLDS; i++) {
		struct world world;
		struct run run;
		struct keys lower, upper, keys;

		state = (uint64_t)i;
		world = draw_world(false);
		start_run(&run, &world, false);
		run_walk(&run, no_limits, -1);
		keys = planned_keys(&run);
		lower = walk_plainly(&world, false, -1);
		upper = walk_plainly(&world, true, -1);
		expect_subset(&run, "missed", &lower, &keys);
		expect_subset(&run, "not stale", &keys, &upper);
		cr_assert_eq(pgripple_walk_n_escalations(run.walk), 0);
		n_keys += lower.n;
		n_exact += is_subset(&upper, &lower);
		end_run(&run);
	}
	/* Worlds in which nothing happens would prove nothing. */
	cr_assert_gt(n_keys, 2 * N_WORLDS);
	cr_assert_gt(n_exact, N_WORLDS / 2);
}

struct explained {
	struct keys keys;
	size_t n_touches;
};

static void
explain_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct explained *explained = context;

	cr_assert_not_null(rule);
	add_key(&explained->keys, operation->key);
}

static void
explain_touch(void *context, const struct pgripple_touch *touch,
    const struct pgripple_path *path)
{
	struct explained *explained = context;
	struct pgripple_error err;

	cr_assert_eq(path->model, touch->model);
	cr_assert_eq(
	    pgripple_plan_explain(touch, explain_operation, context, &err), 0);
	explained->n_touches++;
}

static struct explained
explain_change(struct run *run, int number)
{
	struct explained explained = {.n_touches = 0};
	struct pgripple_error err;
	struct pgripple_path *path;
	size_t n = 0;

	cr_assert_eq(pgripple_walk_report(run->walk, (size_t)number,
			 explain_touch, &explained, &path, &err),
	    0);
	for (; path != NULL; path = path->next)
		n += path->n_rows;
	cr_assert_eq(n, explained.n_touches);
	return explained;
}

/* Walked together, changes share what they lead to: each must tell all the
 * same what it would lead to alone. */
Test(walk_random, reports_of_each_change_what_it_leads_to_alone)
{
	for (int i = 0; i < N_WORLDS / 2; i++) {
		struct world world;
		struct run run;

		state = (uint64_t)i + N_WORLDS;
		world = draw_world(false);
		start_run(&run, &world, false);
		for (int j = 0; j < world.n_changes; j++) {
			struct explained told;
			struct keys alone;

			run_walk(&run, no_limits, -1);
			told = explain_change(&run, j);
			pgripple_walk_free(run.walk);
			run_walk(&run, no_limits, j);
			alone = planned_keys(&run);
			cr_assert_eq(told.n_touches,
			    pgripple_walk_n_touches(run.walk), "in\n%s",
			    run.text.bytes);
			expect_subset(&run, "untold", &alone, &told.keys);
			expect_subset(&run, "too much", &told.keys, &alone);
			pgripple_walk_free(steal(&run.walk));
		}
		end_run(&run);
	}
}

static bool
is_covered(const struct pgripple_plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->n_operations; i++) {
		const char *planned = plan->operations[i].key;

		if (i < plan->n_now ? strcmp(planned, key) == 0
				    : fnmatch(planned, key, 0) == 0)
			return true;
	}
	return false;
}

static size_t
draw_limit(void)
{
	return chance(60) ? SIZE_MAX : (size_t)draw(6);
}

/* A walk of such a world takes some ten kilobytes. */
static size_t
draw_bytes(void)
{
	return chance(60) ? 0 : 1024 + 1024 * (size_t)draw(20);
}

Test(walk_random, loses_nothing_when_values_answers_and_limits_fail)
{
	size_t n_escalations = 0;
	int n_coarse = 0;

	for (int i = 0; i < 2 * N_WORLDS; i++) {
		struct world world;
		struct run run;
		int outcome;
		struct keys lower;
		struct pgripple_plan plan;
		struct pgripple_error err;

		state = (uint64_t)i + 2 * N_WORLDS;
		world = draw_world(true);
		start_run(&run, &world, true);
		run_walk(&run,
		    (struct pgripple_limits){draw_limit(), draw_limit(),
			draw_limit(), draw_bytes(), draw_bytes()},
		    -1);
		outcome = pgripple_plan_make(run.walk, 0, &plan, &err);
		cr_assert_geq(outcome, 0);
		n_coarse += outcome == PGRIPPLE_PLAN_COARSE;
		lower = walk_plainly(&world, false, -1);
		for (size_t j = 0; j < lower.n; j++)
			cr_assert(is_covered(&plan, lower.items[j]),
			    "world %d: missed %s in\n%s", i, lower.items[j],
			    run.text.bytes);
		n_escalations += pgripple_walk_n_escalations(run.walk);
		end_run(&run);
	}
	cr_assert_gt(n_escalations, N_WORLDS / 4);
	cr_assert_gt(n_coarse, N_WORLDS / 4);
}
