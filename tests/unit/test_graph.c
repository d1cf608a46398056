#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "build_graph.h"
#include "core/template.h"

#define TWO                                               \
	"models:\n"                                       \
	"  a: { table: t_a, invalidate: [\"a:{id}\"] }\n" \
	"  b: { table: t_b, invalidate: [\"b:{id}\"] }\n"

static struct pgripple_graph *
load_example(void)
{
	struct arena *arena = arena_new();
	struct pgripple_errors errors = {0};
	struct pgripple_graph *graph = NULL;
	struct node *root;

	cr_assert_eq(
	    yaml_load(arena, SOURCE_ROOT "/conf/graph.yaml", &errors, &root),
	    0);
	cr_assert_eq(pgripple_graph_load(root, &errors, &graph), 0);
	arena_free(arena);
	return graph;
}

/* The names of a set's columns, in order. */
static const char *
names(const struct pgripple_table *table, const struct pgripple_columns *set)
{
	static char text[512];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < table->n_columns; i++)
		if (set == NULL || pgripple_columns_has(set, i))
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s%s", n == 0 ? "" : " ", table->columns[i].name);
	return text;
}

static void
expect_columns(
    const struct pgripple_graph *graph, const char *model, const char *columns)
{
	cr_assert_str_eq(
	    names(pgripple_graph_model(graph, model)->table, NULL), columns);
}

static const struct pgripple_relation *
relation(const struct pgripple_graph *graph, const char *name)
{
	for (size_t i = 0; i < graph->n_relations; i++)
		if (strcmp(graph->relations[i].name, name) == 0)
			return &graph->relations[i];
	cr_assert_fail("no relation %s", name);
	return NULL;
}

Test(graph, of_the_example_loads)
{
	struct pgripple_graph *graph = load_example();
	const struct pgripple_model *t =
	    pgripple_graph_model(graph, "tournament");
	const struct pgripple_model *member =
	    pgripple_graph_model(graph, "team_member");

	cr_assert_eq(graph->n_models, 7);
	cr_assert_eq(graph->n_relations, 9);
	cr_assert_eq(graph->n_tables, 7);
	cr_assert_eq(t->n_rules, 2);
	cr_assert_not(t->rules[0].own_change_only);
	cr_assert(t->rules[1].own_change_only);
	cr_assert_eq(t->n_in, 3);
	cr_assert_eq(t->n_out, 0);
	cr_assert_eq(member->n_rules, 0);
	cr_assert_eq(member->n_in, 1);
	cr_assert_eq(member->n_out, 1);
	cr_assert_str_eq(t->table->spelled, "public.app_tournament");
	expect_columns(graph, "team", "id captain_id tournament_id");
	expect_columns(graph, "user", "id nickname avatar");
	pgripple_graph_free(graph);
}

Test(graph, outlives_its_file)
{
	struct pgripple_graph *graph = load_example();

	describe_graph(graph);
	cr_assert_str_eq(pgripple_graph_model(graph, "user")->table->ignore[0],
	    "last_login");
	cr_assert_eq(
	    pgripple_graph_model(graph, "user")->table->ignore_at[0].line, 34);
	pgripple_graph_free(graph);
}

Test(graph, finds_tables_by_schema_and_name)
{
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a: { table: T }\n"
			"  b: { table: 'app.t' }\n"
			"  c: { table: '\"My App\".\"Order\"' }\n"
			"  d: { table: public.t }\n");

	cr_assert_eq(graph->n_tables, 3);
	cr_assert_eq(pgripple_graph_table(graph, "public.x", 6, "tt", 1),
	    graph->models[0].table);
	cr_assert_eq(pgripple_graph_table(graph, "app", 3, "t", 1),
	    graph->models[1].table);
	cr_assert_eq(pgripple_graph_table(graph, "My App", 6, "Order", 5),
	    graph->models[2].table);
	cr_assert_null(pgripple_graph_table(graph, "app", 3, "T", 1));
	cr_assert_str_eq(
	    graph->models[2].table->spelled, "\"My App\".\"Order\"");
	cr_assert_eq(graph->models[3].table, graph->models[0].table);
	cr_assert_eq(graph->models[0].table->n_models, 2);
	pgripple_graph_free(graph);
}

Test(graph, keeps_the_letters_of_columns)
{
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a:\n"
			"    table: t\n"
			"    invalidate: ['a:{userId}:{\"my col\"|lower}']\n"
			"relations:\n"
			"  - 'a.\"my col\" -> a.(\"say \"\"x\"\"\")'\n");

	expect_columns(graph, "a", "userId my col say \"x\"");
	cr_assert_eq(
	    relation(graph, graph->relations[0].name)->to, &graph->models[0]);
	pgripple_graph_free(graph);
}

Test(graph, reads_composite_relations)
{
	struct pgripple_graph *graph = build_graph(
	    TWO "relations:\n"
		"  - a.(x, y) -> b.(u,v): { name: pair, transitive: false }\n"
		"  - |-\n"
		"    a.( x , id )  ->\n"
		"    b.( id , u )\n");
	const struct pgripple_relation *r = relation(graph, "pair");

	cr_assert_eq(r->n_columns, 2);
	cr_assert_not(r->transitive);
	cr_assert_str_eq(r->from->table->columns[r->from_columns[1]].name, "y");
	cr_assert_str_eq(r->to->table->columns[r->to_columns[1]].name, "v");
	cr_assert_eq(graph->relations[1].n_columns, 2);
	pgripple_graph_free(graph);
}

Test(graph, adds_matches_to_what_counts_as_changed)
{
	struct pgripple_graph *graph = build_graph(
	    "models:\n"
	    "  a:\n"
	    "    table: t_a\n"
	    "    invalidate:\n"
	    "      - { key: \"a:{id}\", changed: [name], where: { s: [x] } }\n"
	    "      - \"all:{id}\"\n"
	    "  b: { table: t_b, invalidate: [\"b:{id}\"] }\n"
	    "relations:\n"
	    "  - a.b_id -> b.id: { changed: [title], where: { kind: y } }\n"
	    "  - b.a_id -> a.slug\n"
	    "  - b.off -> a.off: { enabled: false }\n");
	const struct pgripple_model *a = pgripple_graph_model(graph, "a");

	expect_columns(graph, "a", "id s name b_id kind title slug");
	cr_assert(a->rules[0].condition.has_changed);
	cr_assert_not(a->rules[1].condition.has_changed);
	cr_assert_str_eq(
	    names(a->table, &a->rules[0].condition.changed), "id s name slug");
	cr_assert_str_eq(names(a->table, &a->out[0]->condition.changed),
	    "b_id kind title slug");
	cr_assert_str_eq(a->out[0]->condition.where[0].values[0], "y");
	pgripple_graph_free(graph);
}

Test(graph, knows_what_dependent_rows_need)
{
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a:\n"
			"    table: t_a\n"
			"    invalidate:\n"
			"      - { key: \"a:{id}\", where: { state: [x] } }\n"
			"      - { key: \"own:{own}\", own_change_only: true, "
			"where: { w: z } }\n"
			"      - { key: \"off:{off}\", enabled: false }\n"
			"  b: { table: t_b, invalidate: [\"b:{id}\"] }\n"
			"relations:\n"
			"  - a.b_id -> b.id: { where: { kind: [y] } }\n"
			"  - a.off -> b.off: { enabled: false }\n");
	const struct pgripple_model *a = pgripple_graph_model(graph, "a");

	cr_assert_str_eq(names(a->table, &a->needed_to_stop), "id state");
	cr_assert_str_eq(
	    names(a->table, &a->needed_to_pass), "id state b_id kind");
	cr_assert_eq(a->n_out, 1);
	cr_assert_eq(a->n_rules, 3);
	cr_assert_not(a->rules[2].enabled);
	expect_columns(graph, "b", "id");
	pgripple_graph_free(graph);
}

Test(graph, replaces_lookups_where_values_are_at_hand)
{
	struct pgripple_graph *graph = load_example();

	for (size_t i = 0; i < graph->n_relations; i++)
		cr_assert_not(graph->relations[i].direct);
	describe_graph(graph);
	cr_assert(
	    relation(graph, "draft.tournament_id -> tournament.id")->direct);
	cr_assert(relation(graph, "team_member.team_id -> team.id")->direct);
	/* draft's own tournament_id is not at hand. */
	cr_assert_not(
	    relation(graph, "draft_round.draft_id -> draft.id")->direct);
	cr_assert_not(
	    relation(graph, "draft_round.captain_id -> team.captain_id")
		->direct);
	cr_assert_not(
	    relation(graph, "user.id -> team_member.customuser_id")->direct);
	pgripple_graph_free(graph);
}

static bool
is_direct_with(const char *from, bool from_equal, const char *to, bool to_equal)
{
	struct pgripple_graph *graph =
	    build_graph(TWO "relations: [a.b_id -> b.id]\n");
	struct pgripple_column *columns[] = {
	    &graph->models[0].table->columns[1],
	    &graph->models[1].table->columns[0],
	};
	struct pgripple_error err;
	bool direct;

	cr_assert_str_eq(columns[0]->name, "b_id");
	cr_assert_eq(
	    pgripple_graph_describe(graph, columns[0], from, from_equal, &err),
	    0);
	cr_assert_eq(
	    pgripple_graph_describe(graph, columns[1], to, to_equal, &err), 0);
	pgripple_graph_settle(graph);
	direct = graph->relations[0].direct;
	pgripple_graph_free(graph);
	return direct;
}

Test(graph, compares_types_before_it_trusts_a_value)
{
	cr_assert(is_direct_with("uuid", true, "uuid", true));
	cr_assert(is_direct_with("integer", true, "bigint", true));
	cr_assert(is_direct_with("smallint", true, "integer", true));
	cr_assert_not(is_direct_with("numeric", false, "numeric", false));
	cr_assert_not(is_direct_with("text", true, "text", false));
	cr_assert_not(is_direct_with("text", true, "uuid", true));
	cr_assert_not(is_direct_with("integer", true, "oid", true));
}

Test(graph, ignores_only_what_all_models_of_a_table_ignore)
{
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a: { table: t, ignore: [x, y] }\n"
			"  b: { table: t, ignore: [z, y] }\n");

	cr_assert_eq(graph->tables[0].n_ignore, 1);
	cr_assert_str_eq(graph->tables[0].ignore[0], "y");
	pgripple_graph_free(graph);
}

Test(graph, reads_operations_and_values_as_text)
{
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a:\n"
			"    table: t\n"
			"    invalidate:\n"
			"      - { key: \"k:{id}\", ops: [insert, delete] }\n"
			"      - { key: \"l:{id}\", where: { s: [on, 007, no, "
			"'null'] } }\n");
	const struct pgripple_rule *rules = graph->models[0].rules;

	cr_assert(rules[0].condition.ops & 1u << PGRIPPLE_OP_INSERT);
	cr_assert_not(rules[0].condition.ops & 1u << PGRIPPLE_OP_UPDATE);
	cr_assert(rules[0].condition.ops & 1u << PGRIPPLE_OP_DELETE);
	cr_assert(rules[0].condition.ops & 1u << PGRIPPLE_OP_TRUNCATE);
	cr_assert_eq(rules[1].condition.ops, UINT32_MAX);
	cr_assert_eq(rules[1].condition.where[0].n_values, 4);
	cr_assert_str_eq(rules[1].condition.where[0].values[1], "007");
	cr_assert_str_eq(rules[1].condition.where[0].values[3], "null");
	pgripple_graph_free(graph);
}

Test(graph, takes_patterns_for_the_whole_model)
{
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a: { table: t, invalidate: [\"{id}\"], whole_model: "
			"[\"a:*\"] }\n"
			"  b: { table: t }\n");

	cr_assert_eq(graph->models[0].n_whole_patterns, 1);
	cr_assert_str_eq(graph->models[0].whole_patterns[0], "a:*");
	cr_assert_null(graph->models[1].whole_patterns);
	pgripple_graph_free(graph);
}

Test(graph, takes_cycles_diamonds_and_named_twins)
{
	struct pgripple_graph *graph = build_graph(
	    TWO "relations:\n"
		"  - a.b_id -> b.id\n"
		"  - b.a_id -> a.id:\n"
		"  - a.parent_id -> a.id\n"
		"  - a.b_id -> b.id: { name: again, where: { x: [1] } }\n");

	cr_assert_eq(graph->n_relations, 4);
	cr_assert_eq(graph->models[0].n_out, 3);
	pgripple_graph_free(graph);
}

Test(graph, takes_256_columns)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct pgripple_graph *graph;

	buf_add_string(&text, "models:\n  a:\n    table: t\n    invalidate:\n");
	for (int i = 0; i < PGRIPPLE_MAX_COLUMNS; i++)
		buf_printf(&text, "      - \"a:{c%d}\"\n", i);
	graph = build_graph(buf_string(&text));
	cr_assert_eq(graph->tables[0].n_columns, PGRIPPLE_MAX_COLUMNS);
	cr_assert(pgripple_columns_has(&graph->models[0].needed_to_stop, 255));
	pgripple_graph_free(graph);
}

Test(graph, finds_each_of_many_tables_and_no_other)
{
	struct buf yaml = BUF_INIT;
	struct pgripple_graph *graph;
	char name[32];

	buf_add_string(&yaml, "models:\n");
	for (int i = 0; i < 300; i++)
		buf_printf(&yaml,
		    "  m%d: { table: %s.t%d, invalidate: [\"m%d:{id}\"] }\n", i,
		    i % 2 == 0 ? "public" : "other", i, i);
	graph = build_graph(yaml.bytes);
	for (int i = 0; i < 300; i++) {
		const char *schema = i % 2 == 0 ? "public" : "other";
		const char *wrong = i % 2 == 0 ? "other" : "public";
		size_t n = (size_t)snprintf(name, sizeof(name), "t%d", i);
		const struct pgripple_table *table = pgripple_graph_table(
		    graph, schema, strlen(schema), name, n);

		cr_assert_not_null(table);
		cr_assert_str_eq(table->name, name);
		cr_assert_null(
		    pgripple_graph_table(graph, wrong, strlen(wrong), name, n));
	}
	cr_assert_null(pgripple_graph_table(graph, "public", 6, "t", 1));
	cr_assert_null(pgripple_graph_table(graph, "public", 6, "t0\0x", 4));
	cr_assert_null(pgripple_graph_table(graph, "public", 6, "", 0));
	cr_assert_null(pgripple_graph_table(graph, "publi", 5, "t0", 2));
	pgripple_graph_free(graph);
	buf_done(&yaml);
}
