/*
 * The part of a survey that tells which tables and columns of the graph are
 * missing, with the names that come nearest.
 */
#include "base/arena.h"
#include "base/closest.h"
#include "postgres/quote.h"
#include "postgres/survey_private.h"

static bool
lacks_column(const struct survey *survey, size_t table)
{
	for (size_t i = 0; i < survey->n_wanted; i++)
		if (survey->wanted[i].table == table &&
		    !survey->wanted[i].is_there)
			return true;
	return false;
}

/* Columns of the tables that lack one, tables of the schemas that lack one. */
bool
survey_ask_names(struct survey *survey, struct request *request)
{
	struct buf *places = request_value(request);
	struct buf *schemas = request_value(request);
	struct buf *oids = request_value(request);
	bool is_needed = false;

	array_open(places);
	array_open(schemas);
	array_open(oids);
	for (size_t i = 0; i < survey->graph->n_tables; i++) {
		if (survey->tables[i].oid != 0 && !lacks_column(survey, i))
			continue;
		array_add_int(places, (int64_t)i);
		array_add_string(schemas, survey->graph->tables[i].schema);
		array_add_int(oids, survey->tables[i].oid);
		is_needed = true;
	}
	array_close(places);
	array_close(schemas);
	array_close(oids);
	buf_add_string(&request->sql,
	    "WITH w AS (SELECT * FROM "
	    "unnest($1::bigint[], $2::text[], $3::oid[]) "
	    "AS w (place, schema, relid)) "
	    "SELECT w.place, a.attname FROM w "
	    "JOIN pg_attribute AS a ON a.attrelid = w.relid "
	    "WHERE a.attnum > 0 AND NOT a.attisdropped "
	    "UNION ALL (SELECT w.place, c.relname FROM w "
	    "JOIN pg_namespace AS n ON n.nspname = w.schema "
	    "JOIN pg_class AS c ON c.relnamespace = n.oid "
	    "WHERE w.relid = 0 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
	    "LIMIT 10000)");
	return is_needed;
}

int
survey_take_names(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	for (size_t i = 0; i < rows_count(rows); i++) {
		struct found_table *table =
		    &survey->tables[rows_int(rows, i, 0)];
		struct found_name *name =
		    arena_alloc(survey->catalog->arena, sizeof(*name));
		bool failed = name == NULL;

		if (!failed)
			name->text = survey_keep(survey, rows, i, 1, &failed);
		if (failed)
			return pgripple_error_nomem(err);
		name->next = table->names;
		table->names = name;
	}
	return 0;
}

static void
suggest(struct survey *survey, struct pgripple_error *problem, size_t table,
    const char *missing)
{
	const struct found_name *name;
	const char **names;
	const char *nearest;
	size_t n = 0;

	for (name = survey->tables[table].names; name; name = name->next)
		n++;
	names = arena_array(survey->catalog->arena, n, sizeof(*names));
	if (names == NULL)
		return; /* the problem stands without the hint */
	n = 0;
	for (name = survey->tables[table].names; name; name = name->next)
		names[n++] = name->text;
	nearest = closest(missing, names, n);
	if (nearest != NULL)
		pgripple_error_hint(problem, "Did you mean \"%s\"?", nearest);
}

static struct pgripple_column *
column_of(struct survey *survey, const struct wanted *wanted)
{
	return wanted->column == SIZE_MAX
		   ? NULL
		   : &survey->graph->tables[wanted->table]
			  .columns[wanted->column];
}

bool
survey_is_adopted(struct survey *survey, const struct wanted *wanted)
{
	const struct pgripple_column *column = column_of(survey, wanted);

	return column != NULL && column->adopted;
}

void
survey_forget_dropped_columns(struct survey *survey)
{
	for (size_t i = 0; i < survey->n_wanted; i++) {
		const struct wanted *wanted = &survey->wanted[i];

		if (!wanted->is_there && survey_is_adopted(survey, wanted))
			(void)!pgripple_graph_describe(survey->graph,
			    column_of(survey, wanted), NULL, false,
			    NULL); /* nothing is copied: cannot fail */
	}
}

void
survey_report_missing(struct survey *survey)
{
	struct pgripple_errors *problems = &survey->catalog->problems;

	for (size_t i = 0; i < survey->graph->n_tables; i++) {
		struct pgripple_table *table = &survey->graph->tables[i];

		if (survey->tables[i].oid == 0)
			suggest(survey,
			    pgripple_errors_add(problems, table->at,
				"table \"%s\" does not exist", table->spelled),
			    i, table->name);
	}
	for (size_t i = 0; i < survey->n_wanted; i++) {
		struct wanted *wanted = &survey->wanted[i];

		if (wanted->is_there ||
		    survey->tables[wanted->table].oid == 0 ||
		    survey_is_adopted(survey, wanted))
			continue;
		suggest(survey,
		    pgripple_errors_add(problems, wanted->at,
			"table \"%s\" has no column \"%s\"",
			survey->graph->tables[wanted->table].spelled,
			wanted->name),
		    wanted->table, wanted->name);
	}
}
