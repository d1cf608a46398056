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

/* What is missing, and the statement that gives all of it; sql/roles.sql gives
 * the same.  A function is sought in the catalog, for its name alone could not
 * be resolved without USAGE. */
static const char missing_rights[] =
    "WITH place AS ("
    " SELECT oid, quote_ident(nspname) AS name FROM pg_namespace"
    " WHERE nspname = $1), "
    "relations (name, privilege) AS (VALUES"
    " ('outbox', 'SELECT'), ('outbox', 'DELETE'),"
    " ('outbox_id_seq', 'SELECT'), ('model', 'SELECT'),"
    " ('progress', 'SELECT'), ('progress', 'INSERT'), ('progress', 'DELETE'),"
    " ('rejected', 'SELECT'), ('rejected', 'INSERT'), ('rejected', 'DELETE'),"
    " ('state', 'SELECT'), ('state', 'INSERT'), ('state', 'UPDATE'),"
    " ('task', 'SELECT'), ('task', 'INSERT'), ('task', 'UPDATE'),"
    " ('task', 'DELETE')), "
    "functions (name) AS (VALUES"
    " ('acknowledge(bigint[])'), ('channel()'), ('check_coverage()'),"
    " ('claim_marks(bigint[])'), ('claim_state(text, text[])'),"
    " ('column_facts(oid)'),"
    " ('fetch_changes(bigint, bigint, bigint, boolean)'),"
    " ('is_enabled()'), ('lock_class()'), ('measure_outbox(bigint)'),"
    " ('notify_mode()'), ('ping(text)'),"
    " ('recognise_server(text[])'),"
    " ('reject_task(bigint, text, bigint)'), ('schema_version()'),"
    " ('set_state(text, text[], text[], text[], text[])'),"
    " ('value_sql(text, text, oid, text, integer)'),"
    " ('version()'), ('watched()')), "
    "missing (rank, what, object) AS ("
    "SELECT 1, 'USAGE on schema ' || name, 'USAGE ON SCHEMA ' || name"
    " FROM place WHERE NOT has_schema_privilege(oid, 'USAGE') "
    "UNION ALL (SELECT 2, string_agg(r.privilege, ', ') || ' on '"
    " || CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || r.name,"
    " string_agg(r.privilege, ', ') || ' ON ' || p.name || '.' || r.name"
    " FROM relations AS r JOIN place AS p ON true JOIN pg_class AS c"
    " ON c.relname = r.name AND c.relnamespace = p.oid"
    " WHERE NOT has_table_privilege(c.oid, r.privilege)"
    " GROUP BY p.name, r.name, c.relkind ORDER BY r.name) "
    "UNION ALL (SELECT 3, 'EXECUTE on function ' || min(f.name)"
    " || CASE count(*) WHEN 1 THEN '' ELSE ' and others' END,"
    " 'EXECUTE ON FUNCTION ' || string_agg(p.name || '.' || f.name, ', ')"
    " FROM functions AS f JOIN place AS p ON true JOIN pg_proc AS o"
    " ON o.proname || '(' || oidvectortypes(o.proargtypes) || ')' = f.name"
    " AND o.pronamespace = p.oid"
    " WHERE NOT has_function_privilege(o.oid, 'EXECUTE')"
    " HAVING count(*) > 0)) "
    "SELECT quote_ident(current_user), (SELECT string_agg('GRANT ' || object"
    " || ' TO ' || quote_ident(current_user) || ';', ' ' ORDER BY rank)"
    " FROM missing) FROM place "
    "UNION ALL (SELECT what, NULL FROM missing ORDER BY rank)";

void
check_rights(struct report *report, struct command *command, const char *schema)
{
	struct rows rows;
	struct pgripple_error err;
	const char *role;
	char hint[2048];

	if (command_query(command, missing_rights, 1, &schema, &rows, &err) !=
	    0) {
		check_refused(report, command, "rights", &err);
		return;
	}
	if (rows_count(&rows) == 0)
		return;
	role = rows_text(&rows, 0, 0);
	if (rows_count(&rows) == 1) {
		report_ok(report, "role %s: may use the schema", role);
		return;
	}
	(void)snprintf(hint, sizeof(hint), "Let the schema's owner run: %s",
	    rows_text(&rows, 0, 1));
	for (size_t i = 1; i < rows_count(&rows); i++)
		report_problem(report, i + 1 == rows_count(&rows) ? hint : NULL,
		    "role %s: lacks %s", role, rows_text(&rows, i, 0));
}

void
check_replica_rights(struct report *report, struct command *command)
{
	struct rows rows;
	struct pgripple_error err;
	char hint[256];

	if (command_query(command,
		"SELECT pg_has_role('pg_read_all_stats', 'USAGE'), "
		"quote_ident(current_user)",
		0, NULL, &rows, &err) != 0) {
		check_refused(report, command, "replicas", &err);
		return;
	}
	if (rows_bool(&rows, 0, 0))
		return;
	(void)snprintf(hint, sizeof(hint),
	    "Let a superuser run: GRANT pg_read_all_stats TO %s;",
	    rows_text(&rows, 0, 1));
	report_warning(report, hint,
	    "role %s: may not see how far replicas are, so that each "
	    "\"repeat_after: replicas\" waits for \"replica_timeout\"",
	    rows_text(&rows, 0, 1));
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
		check_refused(report, command, table->spelled, &err);
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
		if (catalog->tables[i].quoted != NULL &&
		    is_looked_up(graph, &graph->tables[i]))
			check_lookup_right(report, command, &graph->tables[i],
			    catalog->tables[i].quoted);
}
