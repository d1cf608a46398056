/*
 * The part of a survey that looks for the graph's tables and columns: that they
 * are there, and of which types.
 */
#include "base/arena.h"
#include "postgres/quote.h"
#include "postgres/survey_private.h"

/* Tables. */

bool
survey_ask_tables(struct survey *survey, struct request *request)
{
	struct buf *schemas = request_value(request);
	struct buf *names = request_value(request);

	array_open(schemas);
	array_open(names);
	for (size_t i = 0; i < survey->graph->n_tables; i++) {
		array_add_string(schemas, survey->graph->tables[i].schema);
		array_add_string(names, survey->graph->tables[i].name);
	}
	array_close(schemas);
	array_close(names);
	buf_add_string(&request->sql,
	    "SELECT w.place - 1, c.oid, format('%I.%I', w.schema, w.name), "
	    "CASE WHEN c.relkind = 'v' THEN 'a view' "
	    "WHEN c.relkind = 'm' THEN 'a materialized view' "
	    "WHEN c.relkind = 'f' THEN 'a foreign table' "
	    "WHEN c.relkind NOT IN ('r', 'p') THEN 'no table' "
	    "WHEN c.relpersistence = 't' THEN 'a temporary table' END "
	    "FROM unnest($1::text[], $2::text[]) "
	    "WITH ORDINALITY AS w (schema, name, place) "
	    "JOIN pg_namespace AS n ON n.nspname = w.schema "
	    "JOIN pg_class AS c "
	    "ON c.relnamespace = n.oid AND c.relname = w.name "
	    "WHERE c.relkind NOT IN ('i', 'I', 't')");
	return true;
}

int
survey_take_tables(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	bool failed = false;

	for (size_t i = 0; i < rows_count(rows); i++) {
		size_t place = (size_t)rows_int(rows, i, 0);
		struct pgripple_table *table = &survey->graph->tables[place];
		const char *flaw = rows_text(rows, i, 3);

		survey->tables[place].oid = (uint32_t)rows_int(rows, i, 1);
		survey->catalog->tables[place].quoted =
		    survey_keep(survey, rows, i, 2, &failed);
		if (flaw != NULL)
			(void)pgripple_errors_add(&survey->catalog->problems,
			    table->at, "\"%s\" is %s, which cannot be watched",
			    table->spelled, flaw);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}

/* Columns. */

static void
add_wanted_of(struct survey *survey, size_t index)
{
	struct pgripple_table *table = &survey->graph->tables[index];

	for (size_t i = 0; i < table->n_columns; i++)
		survey->wanted[survey->n_wanted++] = (struct wanted){
		    .table = index,
		    .column = i,
		    .name = table->columns[i].name,
		    .at = table->columns[i].at,
		};
	for (size_t i = 0; i < table->n_ignore; i++)
		survey->wanted[survey->n_wanted++] = (struct wanted){
		    .table = index,
		    .column = SIZE_MAX,
		    .name = table->ignore[i],
		    .at = table->ignore_at[i],
		};
}

void
survey_add_wanted(struct survey *survey, struct request *request)
{
	struct buf *oids = request_value(request);
	struct buf *names = request_value(request);
	struct buf *places = request_value(request);

	array_open(oids);
	array_open(names);
	array_open(places);
	for (size_t i = 0; i < survey->n_wanted; i++) {
		uint32_t oid = survey->tables[survey->wanted[i].table].oid;

		if (oid == 0)
			continue;
		array_add_int(oids, oid);
		array_add_string(names, survey->wanted[i].name);
		array_add_int(places, (int64_t)i);
	}
	array_close(oids);
	array_close(names);
	array_close(places);
}

enum columns_column {
	COLUMNS_PLACE,
	COLUMNS_QUOTED,
	COLUMNS_TYPE_OID,
	COLUMNS_TYPE,
	COLUMNS_TEXT_EQUALITY,
	COLUMNS_FAMILY,
	COLUMNS_POLYMORPHIC,
	COLUMNS_EQUALITY,
};

/*
 * The equality of a type is that of its default operator class, as for GROUP
 * BY; a type may use the class of another one that it is stored like (varchar:
 * text), or that of a pseudo-type (an enum: anyenum).
 *
 * format_type() with -1 gives a name that may be cast to without loss: with
 * NULL, char(n) would be "character", which is char(1).
 */
bool
survey_ask_columns(struct survey *survey, struct request *request)
{
	for (size_t i = 0; i < survey->graph->n_tables; i++)
		add_wanted_of(survey, i);
	survey_add_wanted(survey, request);
	buf_add_string(&request->sql,
	    "WITH RECURSIVE base AS ("
	    "SELECT w.place, a.attname, a.attcollation, a.atttypid AS type "
	    "FROM unnest($1::oid[], $2::text[], $3::bigint[]) "
	    "AS w (relid, name, place) "
	    "JOIN pg_attribute AS a "
	    "ON a.attrelid = w.relid AND a.attname = w.name "
	    "WHERE a.attnum > 0 AND NOT a.attisdropped "
	    "UNION ALL "
	    "SELECT b.place, b.attname, b.attcollation, t.typbasetype "
	    "FROM base AS b JOIN pg_type AS t ON t.oid = b.type "
	    "WHERE t.typtype = 'd') "
	    "SELECT b.place, quote_ident(b.attname), t.oid, "
	    "format_type(t.oid, -1), "
	    "t.typtype = 'e' OR t.oid = ANY (ARRAY["
	    "'int2', 'int4', 'int8', 'oid', 'bool', 'uuid', 'date', "
	    "'timestamp', 'timestamptz']::regtype[]) "
	    "OR t.oid IN ('text'::regtype, 'varchar'::regtype) "
	    "AND coalesce(l.collisdeterministic, true), "
	    "e.opcfamily, e.typtype = 'p', e.operator "
	    "FROM base AS b "
	    "JOIN pg_type AS t ON t.oid = b.type AND t.typtype <> 'd' "
	    "LEFT JOIN pg_collation AS l ON l.oid = b.attcollation "
	    "LEFT JOIN LATERAL ("
	    "SELECT c.opcfamily, i.typtype, "
	    "format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS operator "
	    "FROM pg_opclass AS c "
	    "JOIN pg_am AS m ON m.oid = c.opcmethod "
	    "JOIN pg_type AS i ON i.oid = c.opcintype "
	    "JOIN pg_amop AS p ON p.amopfamily = c.opcfamily "
	    "AND p.amoplefttype = c.opcintype "
	    "AND p.amoprighttype = c.opcintype AND p.amopstrategy = "
	    "CASE m.amname WHEN 'btree' THEN 3 ELSE 1 END "
	    "JOIN pg_operator AS o ON o.oid = p.amopopr "
	    "JOIN pg_namespace AS n ON n.oid = o.oprnamespace "
	    "WHERE c.opcdefault AND m.amname IN ('btree', 'hash') "
	    "AND (c.opcintype = t.oid "
	    "OR c.opcintype = 'anyenum'::regtype AND t.typtype = 'e' "
	    "OR c.opcintype = 'anyrange'::regtype AND t.typtype = 'r' "
	    "OR c.opcintype = 'record'::regtype AND t.typtype = 'c' "
	    "OR c.opcintype = 'anyarray'::regtype "
	    "AND t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' "
	    "OR EXISTS (SELECT FROM pg_cast AS k "
	    "WHERE k.castsource = t.oid AND k.casttarget = c.opcintype "
	    "AND k.castmethod = 'b' AND k.castcontext = 'i')) "
	    "ORDER BY c.opcintype = t.oid DESC, m.amname, c.oid LIMIT 1"
	    ") AS e ON true");
	return true;
}

static int
take_column(struct survey *survey, const struct rows *rows, size_t row,
    struct pgripple_error *err)
{
	struct wanted *wanted =
	    &survey->wanted[rows_int(rows, row, COLUMNS_PLACE)];
	struct catalog_column *column;
	bool failed = false;

	wanted->is_there = true;
	if (wanted->column == SIZE_MAX)
		return 0;
	column =
	    &survey->catalog->tables[wanted->table].columns[wanted->column];
	*column = (struct catalog_column){
	    .quoted = survey_keep(survey, rows, row, COLUMNS_QUOTED, &failed),
	    .type = survey_keep(survey, rows, row, COLUMNS_TYPE, &failed),
	    .equality =
		survey_keep(survey, rows, row, COLUMNS_EQUALITY, &failed),
	    .type_oid = (uint32_t)rows_int(rows, row, COLUMNS_TYPE_OID),
	    .family = (uint32_t)rows_int(rows, row, COLUMNS_FAMILY),
	    .polymorphic = rows_bool(rows, row, COLUMNS_POLYMORPHIC),
	    .text_equality = rows_bool(rows, row, COLUMNS_TEXT_EQUALITY),
	};
	if (failed)
		return pgripple_error_nomem(err);
	return pgripple_graph_describe(survey->graph,
	    &survey->graph->tables[wanted->table].columns[wanted->column],
	    column->type, column->text_equality, err);
}

int
survey_take_columns(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	for (size_t i = 0; i < rows_count(rows); i++)
		if (take_column(survey, rows, i, err) != 0)
			return -1;
	return 0;
}
