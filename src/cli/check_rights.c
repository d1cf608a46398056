/*
 * "pgripple check": what the daemon's role may do.
 *
 * The role that runs "install" owns the objects; the daemon's is often
 * another one, and nothing but a GRANT gives it what it needs.
 */
#include "cli/check.h"

#include <stdbool.h>
#include <stdio.h>

#include <pgripple/graph.h>

#include "postgres/catalog.h"
#include "postgres/command.h"

/* The first row is the role, with the schema quoted; then what is missing. */
static const char missing_rights[] =
    "WITH place AS ("
    " SELECT oid, quote_ident(nspname) AS name FROM pg_namespace"
    " WHERE nspname = $1), "
    "wanted (relation, privilege) AS (VALUES"
    " ('outbox', 'SELECT'), ('outbox', 'DELETE'),"
    " ('rejected', 'SELECT'), ('rejected', 'INSERT'), ('rejected', 'DELETE'),"
    " ('task', 'SELECT'), ('task', 'INSERT'), ('task', 'UPDATE'),"
    " ('task', 'DELETE'), ('watch_list', 'SELECT')) "
    "SELECT quote_ident(current_user), name FROM place "
    "UNION ALL (SELECT 'USAGE on schema ' || name, NULL FROM place"
    " WHERE NOT has_schema_privilege(oid, 'USAGE')) "
    "UNION ALL (SELECT string_agg(w.privilege, ', ') || ' on table '"
    " || w.relation, NULL"
    " FROM wanted AS w JOIN pg_class AS c ON c.relname = w.relation"
    " AND c.relnamespace = (SELECT oid FROM place)"
    " WHERE NOT has_table_privilege(c.oid, w.privilege)"
    " GROUP BY w.relation ORDER BY w.relation) "
    "UNION ALL (SELECT 'EXECUTE on function ' || min(p.proname)"
    " || CASE count(*) WHEN 1 THEN '' ELSE ' and others' END, NULL"
    " FROM pg_proc AS p"
    " WHERE p.pronamespace = (SELECT oid FROM place)"
    " AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype"
    " AND NOT has_function_privilege(p.oid, 'EXECUTE')"
    " HAVING count(*) > 0)";

void
check_rights(struct report *report, struct command *command, const char *schema)
{
	struct rows rows;
	struct pgripple_error err;
	const char *role, *place;
	char hint[1024];

	if (command_query(command, missing_rights, 1, &schema, &rows, &err) !=
	    0) {
		report_failure(report, "rights", &err);
		return;
	}
	if (rows_count(&rows) == 0)
		return;
	role = rows_text(&rows, 0, 0);
	place = rows_text(&rows, 0, 1);
	if (rows_count(&rows) == 1)
		report_ok(report, "role %s: may use the schema", role);
	(void)snprintf(hint, sizeof(hint),
	    "Let the schema's owner run: "
	    "GRANT USAGE ON SCHEMA %s TO %s; "
	    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s "
	    "TO %s; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %s TO %s;",
	    place, role, place, role, place, role);
	for (size_t i = 1; i < rows_count(&rows); i++)
		report_problem(report, i + 1 == rows_count(&rows) ? hint : NULL,
		    "role %s: lacks %s", role, rows_text(&rows, i, 0));
}

/* Rows of a table are looked up where a relation cannot do without. */
static bool
is_looked_up(
    const struct pgripple_graph *graph, const struct pgripple_table *table)
{
	for (size_t i = 0; i < graph->n_relations; i++) {
		const struct pgripple_relation *relation = &graph->relations[i];

		if (relation->enabled && !relation->direct &&
		    relation->to->table == table)
			return true;
	}
	return false;
}

static void
check_lookup_right(struct report *report, struct command *command,
    const struct pgripple_table *table, const char *quoted)
{
	struct rows rows;
	struct pgripple_error err;
	char hint[512];

	if (command_query(command,
		"SELECT has_any_column_privilege($1, 'SELECT'), "
		"quote_ident(current_user)",
		1, &quoted, &rows, &err) != 0) {
		report_failure(report, table->spelled, &err);
		return;
	}
	if (rows_bool(&rows, 0, 0))
		return;
	(void)snprintf(hint, sizeof(hint),
	    "Let its owner run: GRANT SELECT ON %s TO %s;", table->spelled,
	    rows_text(&rows, 0, 1));
	report_problem(report, hint,
	    "table %s: role %s may not look up its rows", table->spelled,
	    rows_text(&rows, 0, 1));
}

void
check_lookup_rights(struct report *report, struct command *command,
    const struct pgripple_graph *graph, const struct catalog *catalog)
{
	for (size_t i = 0; i < graph->n_tables; i++)
		if (is_looked_up(graph, &graph->tables[i]))
			check_lookup_right(report, command, &graph->tables[i],
			    catalog->tables[i].quoted);
}
