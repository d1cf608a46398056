/*
 * The part of a survey that is for rules which take what they need of a table
 * from the catalog, and not from the file.
 */
#include "postgres/quote.h"
#include "postgres/survey_private.h"

/* Parameters $1 (oids of tables that have such rules) and $2: which they are.
 * False if there are none. */
static bool
add_adopting(struct survey *survey, struct request *request)
{
	struct buf *oids = request_value(request);
	struct buf *places = request_value(request);
	bool is_needed = false;

	array_open(oids);
	array_open(places);
	for (size_t i = 0; i < survey->graph->n_tables; i++) {
		if (survey->tables[i].oid == 0 ||
		    !pgripple_table_adopts(&survey->graph->tables[i]))
			continue;
		array_add_int(oids, survey->tables[i].oid);
		array_add_int(places, (int64_t)i);
		is_needed = true;
	}
	array_close(oids);
	array_close(places);
	return is_needed;
}

/* Types whose values django-cacheops has in the names of its keys.  Of others
 * it may have them too (see "kinds"), but not as it comes, and the writer need
 * not pay for them. */
void
survey_print_adopted(struct buf *sql, const char *source)
{
	buf_printf(sql,
	    "WITH RECURSIVE base AS ("
	    "SELECT w.place, a.attnum, a.attname, a.attnotnull, "
	    "a.atttypid AS type "
	    "FROM %s AS w (relid, place) ",
	    source);
	buf_add_string(sql,
	    "JOIN pg_attribute AS a ON a.attrelid = w.relid "
	    "WHERE a.attnum > 0 AND NOT a.attisdropped "
	    "UNION ALL "
	    "SELECT b.place, b.attnum, b.attname, b.attnotnull, t.typbasetype "
	    "FROM base AS b JOIN pg_type AS t ON t.oid = b.type "
	    "WHERE t.typtype = 'd') "
	    "SELECT b.place, b.attname, b.attnotnull "
	    "FROM base AS b JOIN pg_type AS t ON t.oid = b.type "
	    "WHERE t.typtype = 'e' OR t.oid = ANY (ARRAY["
	    "'int2', 'int4', 'int8', 'oid', 'bool', 'numeric', 'float4', "
	    "'float8', 'varchar', 'bpchar', 'name', 'uuid', 'date', 'time', "
	    "'timestamptz', 'inet', 'cidr', 'macaddr']::regtype[]) "
	    "ORDER BY b.place, b.attnum");
}

bool
survey_ask_all_columns(struct survey *survey, struct request *request)
{
	bool is_needed = add_adopting(survey, request);

	survey_print_adopted(&request->sql, "unnest($1::oid[], $2::bigint[])");
	return is_needed;
}

int
survey_take_all_columns(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	for (size_t i = 0; i < rows_count(rows); i++)
		if (pgripple_graph_adopt(survey->graph,
			&survey->graph->tables[rows_int(rows, i, 0)],
			rows_text(rows, i, 1), rows_bool(rows, i, 2), err) != 0)
			return -1;
	return 0;
}

enum links_column {
	LINKS_TABLE,
	LINKS_COLUMN,
	LINKS_TO,
	LINKS_TO_COLUMN,
};

/* One-to-one is a foreign key of one column that is unique by itself. */
bool
survey_ask_links(struct survey *survey, struct request *request)
{
	bool is_needed = add_adopting(survey, request);

	buf_add_string(&request->sql,
	    "WITH w AS (SELECT * FROM unnest($1::oid[], $2::bigint[]) "
	    "AS w (relid, place)) "
	    "SELECT here.place, a.attname, there.place, b.attname "
	    "FROM w AS here "
	    "JOIN pg_constraint AS c ON c.conrelid = here.relid "
	    "JOIN w AS there ON there.relid = c.confrelid "
	    "JOIN pg_attribute AS a "
	    "ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
	    "JOIN pg_attribute AS b "
	    "ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1] "
	    "WHERE c.contype = 'f' AND cardinality(c.conkey) = 1 "
	    "AND EXISTS (SELECT FROM pg_index AS i "
	    "WHERE i.indrelid = c.conrelid AND i.indisunique "
	    "AND i.indpred IS NULL AND i.indnkeyatts = 1 "
	    "AND i.indkey[0] = c.conkey[1]) "
	    "ORDER BY here.place, a.attnum, there.place");
	return is_needed;
}

int
survey_take_links(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	struct pgripple_table *tables = survey->graph->tables;

	pgripple_graph_unlink(survey->graph);
	for (size_t i = 0; i < rows_count(rows); i++)
		if (pgripple_graph_link(survey->graph,
			&tables[rows_int(rows, i, LINKS_TABLE)],
			rows_text(rows, i, LINKS_COLUMN),
			&tables[rows_int(rows, i, LINKS_TO)],
			rows_text(rows, i, LINKS_TO_COLUMN), err) != 0)
			return -1;
	return 0;
}
