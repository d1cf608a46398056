/*
 * The tournament's tables and graph in a fresh database, and what the catalog
 * says of them.
 */
#ifndef PGRIPPLE_TESTS_POSTGRES_TOURNAMENT_H
#define PGRIPPLE_TESTS_POSTGRES_TOURNAMENT_H

#include "postgres_installed.h"

#include "build_graph.h"
#include "postgres/catalog.h"

static const char tournament_yaml[] =
    "models:\n"
    "  tournament:\n"
    "    table: app_tournament\n"
    "    invalidate: [\"tournament:{id}:{name}\"]\n"
    "  team:\n"
    "    table: app_team\n"
    "    ignore: [note]\n"
    "    invalidate: [\"team:{id}\"]\n"
    "  round:\n"
    "    table: app_round\n"
    "    invalidate: [\"round:{id}\"]\n"
    "relations:\n"
    "  - team.tournament_id -> tournament.id\n"
    "  - round.captain_id -> team.captain_id\n"
    "  - round.(a, b) -> team.(id, captain_id)\n";

static const char tournament_sql[] =
    "CREATE TABLE app_tournament (id bigint PRIMARY KEY, name text);"
    "CREATE TABLE app_team (id integer PRIMARY KEY, tournament_id bigint,"
    " captain_id bigint, note text);"
    "CREATE TABLE app_round (id bigint PRIMARY KEY, captain_id integer,"
    " a bigint, b integer);"
    "INSERT INTO app_tournament VALUES (7, 'Cup \"A\"'), (8, NULL);"
    "INSERT INTO app_team VALUES (1, 7, 100), (2, 7, 100), (3, 8, 101);";

struct described {
	int n_calls;
	enum session_outcome outcome;
	struct catalog *catalog;
	struct pgripple_error err;
};

static inline void
on_described(void *context, enum session_outcome outcome,
    struct catalog *catalog, const struct pgripple_error *err)
{
	struct described *described = context;

	described->n_calls++;
	described->outcome = outcome;
	described->catalog = catalog;
	if (err != NULL)
		described->err = *err;
}

static inline struct catalog *
describe(struct world *world, struct pgripple_graph *graph)
{
	struct described described = {0};

	CHECK(catalog_describe_submit(
	    world->session, SCHEMA, graph, on_described, &described, err));
	world_until(world, described.n_calls == 1);
	cr_assert_eq(described.outcome, SESSION_DONE, "%s", described.err.text);
	return described.catalog;
}

static inline void
expect_problem(const struct catalog *catalog, size_t i, int line,
    const char *text, const char *hint)
{
	const struct pgripple_errors *problems = &catalog->problems;

	cr_assert_lt(i, problems->n_items, "no problem: %s", text);
	cr_expect_eq(problems->items[i].at.line, line, "%s at line %d",
	    problems->items[i].text, problems->items[i].at.line);
	cr_expect_str_eq(problems->items[i].text, text);
	cr_expect_str_eq(problems->items[i].hint, hint);
}

static inline void
expect_no_problem(const struct catalog *catalog)
{
	cr_expect_eq(catalog->problems.n_items, 0, "%s",
	    catalog->problems.n_items > 0 ? catalog->problems.items[0].text
					  : "");
}

#endif
