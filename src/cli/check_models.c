/*
 * "pgripple check": what can be asked for by hand.
 *
 * pgripple.invalidate() knows the models that "install" told it of, not the
 * graph: a model that one of both does not have, or has elsewhere, is an error
 * for whoever asks, or a change that the daemon rejects.
 */
#include "cli/check.h"

#include <string.h>

#include "base/buf.h"
#include "config/configuration.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "postgres/quote.h"

#define INSTALL "Run \"pgripple install\"."

enum model_column { MODEL_NAME, MODEL_IN_GRAPH, MODEL_TABLE };

/* That a table is not watched, or is not there, is told elsewhere. */
static void
list_models(const struct pgripple_graph *graph, const struct catalog *catalog,
    struct buf *names, struct buf *tables, struct buf *flags)
{
	array_open(names);
	array_open(tables);
	array_open(flags);
	for (size_t i = 0; i < graph->n_tables; i++) {
		const struct pgripple_table *table = &graph->tables[i];
		const struct catalog_table *known = &catalog->tables[i];
		const char *quoted = known->quoted != NULL ? known->quoted : "";
		bool is_told =
		    *quoted == '\0' || known->watch == CATALOG_UNWATCHED;

		for (size_t j = 0; j < table->n_models; j++) {
			array_add_string(names, table->models[j]->name);
			array_add_string(tables, quoted);
			array_add_string(flags, is_told ? "t" : "f");
		}
	}
	array_close(names);
	array_close(tables);
	array_close(flags);
}

static void
print_question(struct buf *sql, const char *schema)
{
	buf_add_string(sql,
	    "SELECT coalesce(g.name, m.name), g.name IS NOT NULL, m.relid "
	    "FROM unnest($1::text[], $2::text[], $3::boolean[]) "
	    "AS g (name, tbl, is_told) FULL JOIN ");
	quote_identifier(sql, schema);
	buf_add_string(sql,
	    ".model AS m ON m.name = g.name WHERE NOT coalesce(is_told, false) "
	    "AND (m.relid = to_regclass(g.tbl)) IS NOT TRUE ORDER BY 1");
}

static void
tell(struct report *report, const struct rows *rows, size_t row)
{
	const char *name = rows_text(rows, row, MODEL_NAME);
	const char *table = rows_text(rows, row, MODEL_TABLE);

	if (!rows_bool(rows, row, MODEL_IN_GRAPH))
		report_warning(report, INSTALL,
		    "model \"%s\": known in the database, but not in the "
		    "graph: the daemon rejects what is asked for by hand",
		    name);
	else if (table == NULL)
		report_problem(report, INSTALL,
		    "model \"%s\": cannot be asked for by hand, as the "
		    "database does not know it",
		    name);
	else
		report_problem(report, INSTALL,
		    "model \"%s\": asked for by hand it means table %s, which "
		    "is not that of the graph",
		    name, table);
}

void
check_models(struct report *report, struct command *command,
    const struct configuration *configuration, const struct catalog *catalog)
{
	CLEANUP(buf_done) struct buf names = BUF_INIT, tables = BUF_INIT;
	CLEANUP(buf_done) struct buf flags = BUF_INIT, sql = BUF_INIT;
	struct pgripple_error err;
	struct rows rows;
	int result;

	if (!catalog->installed ||
	    catalog->schema_version != CATALOG_SCHEMA_VERSION)
		return;
	list_models(configuration->graph, catalog, &names, &tables, &flags);
	print_question(&sql, configuration->settings->postgres.schema);
	if (names.failed || tables.failed || flags.failed || sql.failed) {
		result = pgripple_error_nomem(&err);
	} else {
		const char *values[] = {names.bytes, tables.bytes, flags.bytes};

		result =
		    command_query(command, sql.bytes, 3, values, &rows, &err);
	}
	/* A missing right is told by check_rights(). */
	if (result != 0 && strcmp(command_sqlstate(command), "42501") != 0)
		check_refused(report, command, "postgres", &err);
	for (size_t i = 0; result == 0 && i < rows_count(&rows); i++)
		tell(report, &rows, i);
}
