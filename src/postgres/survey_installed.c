/*
 * The part of a survey that asks what is installed: the version, the SQL that
 * shows a value, and the triggers.
 */
#include <string.h>

#include "base/arena.h"
#include "postgres/quote.h"
#include "postgres/survey_private.h"

/* The objects. */

/* Whether they are there must be known before they can be called. */
bool
survey_ask_installed(struct survey *survey, struct request *request)
{
	struct buf *schema = request_value(request);

	buf_add_string(schema, survey->quoted_schema);
	buf_add_string(&request->sql,
	    "SELECT to_regprocedure($1 || '.schema_version()') IS NOT NULL "
	    "AND to_regprocedure($1 || '.watched()') IS NOT NULL");
	return true;
}

int
survey_take_installed(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err UNUSED)
{
	survey->catalog->installed = rows_bool(rows, 0, 0);
	return 0;
}

bool
survey_ask_versions(struct survey *survey, struct request *request)
{
	const char *schema = survey->quoted_schema;

	if (!survey->catalog->installed)
		return false;
	buf_printf(&request->sql,
	    "SELECT %s.version(), %s.schema_version(), %s.notify_mode()",
	    schema, schema, schema);
	return true;
}

int
survey_take_versions(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	struct catalog *catalog = survey->catalog;
	bool failed = false;

	catalog->version = survey_keep(survey, rows, 0, 0, &failed);
	catalog->schema_version = (int)rows_int(rows, 0, 1);
	catalog->notify_mode = survey_keep(survey, rows, 0, 2, &failed);
	return failed ? pgripple_error_nomem(err) : 0;
}

/* The generator that wrote the capture functions words the values. */
bool
survey_ask_values(struct survey *survey, struct request *request)
{
	const char *schema = survey->quoted_schema;

	if (survey->catalog->schema_version != CATALOG_SCHEMA_VERSION)
		return false;
	survey_add_wanted(survey, request);
	buf_printf(&request->sql,
	    "WITH w AS (SELECT * FROM "
	    "unnest($1::oid[], $2::text[], $3::bigint[]) "
	    "AS w (relid, name, place)), "
	    "f AS (SELECT t.relid, f.* FROM "
	    "(SELECT DISTINCT relid FROM w) AS t "
	    "CROSS JOIN LATERAL %s.column_facts(t.relid) AS f) "
	    "SELECT w.place, "
	    "%s.value_sql('t', f.name, f.type, f.shown, f.max_bytes) "
	    "FROM w JOIN f USING (relid, name)",
	    schema, schema);
	return true;
}

int
survey_take_values(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	bool failed = false;

	for (size_t i = 0; i < rows_count(rows); i++) {
		struct wanted *wanted = &survey->wanted[rows_int(rows, i, 0)];

		if (wanted->column != SIZE_MAX)
			survey->catalog->tables[wanted->table]
			    .columns[wanted->column]
			    .value = survey_keep(survey, rows, i, 1, &failed);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}

/* The triggers. */

/* Parameters: table and name of the captured columns, then of the ignored. */
static void
add_named(struct survey *survey, struct request *request, bool is_ignore)
{
	struct buf *tables = request_value(request);
	struct buf *names = request_value(request);

	array_open(tables);
	array_open(names);
	for (size_t i = 0; i < survey->n_wanted; i++) {
		const struct wanted *wanted = &survey->wanted[i];
		const char *quoted =
		    survey->catalog->tables[wanted->table].quoted;

		if (quoted == NULL ||
		    (wanted->column == SIZE_MAX) != is_ignore ||
		    (!wanted->is_there && survey_is_adopted(survey, wanted)))
			continue;
		array_add_string(tables, quoted);
		array_add_string(names, wanted->name);
	}
	array_close(tables);
	array_close(names);
}

enum watched_column {
	WATCHED_NAME,
	WATCHED_PROBLEM,
	WATCHED_MISSING,
	WATCHED_OTHER_IGNORE,
};

/* A column that is captured and not needed does no harm. */
bool
survey_ask_watched(struct survey *survey, struct request *request)
{
	if (!survey->catalog->installed)
		return false;
	add_named(survey, request, false);
	add_named(survey, request, true);
	buf_printf(&request->sql,
	    "SELECT w.table_name, w.problem, "
	    "(SELECT string_agg(quote_ident(c.name), ', ') "
	    "FROM unnest($1::text[], $2::text[]) AS c (tbl, name) "
	    "WHERE c.tbl = w.table_name AND c.name <> ALL (w.columns)), "
	    "ARRAY(SELECT i.name COLLATE \"C\" "
	    "FROM unnest($3::text[], $4::text[]) AS i (tbl, name) "
	    "WHERE i.tbl = w.table_name ORDER BY 1) "
	    "IS DISTINCT FROM "
	    "ARRAY(SELECT name COLLATE \"C\" "
	    "FROM unnest(w.ignore) AS name ORDER BY 1) "
	    "FROM %s.watched() AS w",
	    survey->quoted_schema);
	return true;
}

static struct catalog_table *
table_named(struct survey *survey, const char *quoted)
{
	struct catalog_table *tables = survey->catalog->tables;

	for (size_t i = 0; i < survey->graph->n_tables; i++)
		if (tables[i].quoted != NULL &&
		    strcmp(tables[i].quoted, quoted) == 0)
			return &tables[i];
	return NULL;
}

static void
judge_watch(struct survey *survey, const struct rows *rows, size_t row,
    struct catalog_table *table, bool *failed)
{
	const char *missing = rows_text(rows, row, WATCHED_MISSING);

	table->watch = CATALOG_WATCHED;
	if (rows_text(rows, row, WATCHED_PROBLEM) != NULL) {
		table->watch = CATALOG_BROKEN;
		table->problem =
		    survey_keep(survey, rows, row, WATCHED_PROBLEM, failed);
	} else if (missing != NULL) {
		table->watch = CATALOG_DIFFERENT;
		table->problem = arena_printf(survey->catalog->arena,
		    "columns the graph needs are not captured: %s", missing);
	} else if (rows_bool(rows, row, WATCHED_OTHER_IGNORE)) {
		table->watch = CATALOG_DIFFERENT;
		table->problem = arena_strdup(survey->catalog->arena,
		    "what it ignores is not what the graph says");
	}
	if (table->watch != CATALOG_WATCHED && table->problem == NULL)
		*failed = true;
}

int
survey_take_watched(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	struct catalog *catalog = survey->catalog;
	bool failed = false;

	catalog->strays = arena_array(
	    survey->catalog->arena, rows_count(rows), sizeof(*catalog->strays));
	if (catalog->strays == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < rows_count(rows); i++) {
		struct catalog_table *table =
		    table_named(survey, rows_text(rows, i, WATCHED_NAME));

		if (table != NULL)
			judge_watch(survey, rows, i, table, &failed);
		else
			catalog->strays[catalog->n_strays++] =
			    survey_keep(survey, rows, i, WATCHED_NAME, &failed);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}
