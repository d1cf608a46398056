/*
 * A survey of the catalog.
 *
 * Questions are asked one after the other; each is an entry in a table, with
 * the function that words it (and may find it needless) and the function that
 * understands its rows.  Whole arrays go into a question as one parameter, so
 * their number does not depend on the size of the graph.
 *
 * A name is looked up exactly as it stands in the graph, which has already
 * folded it.
 */
#include "postgres/survey.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/closest.h"
#include "postgres/quote.h"
#include "postgres/survey_private.h"

struct question {
	bool (*ask)(struct survey *survey, struct request *request);
	int (*take)(struct survey *survey, const struct rows *rows,
	    struct pgripple_error *err);
};

static struct arena *
arena_of(const struct survey *survey)
{
	return survey->catalog->arena;
}

/* Copies a value; NULL stays NULL.  Sets *failed when out of memory. */
static const char *
keep(struct survey *survey, const struct rows *rows, size_t row, int column,
    bool *failed)
{
	const char *text = rows_text(rows, row, column);
	char *copy;

	if (text == NULL)
		return NULL;
	copy = arena_strdup(arena_of(survey), text);
	if (copy == NULL)
		*failed = true;
	return copy;
}

/* ---- tables ---- */

static bool
ask_tables(struct survey *survey, struct request *request)
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

static int
take_tables(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	bool failed = false;

	for (size_t i = 0; i < rows_count(rows); i++) {
		size_t place = (size_t)rows_int(rows, i, 0);
		struct pgripple_table *table = &survey->graph->tables[place];
		const char *flaw = rows_text(rows, i, 3);

		survey->tables[place].oid = (uint32_t)rows_int(rows, i, 1);
		survey->catalog->tables[place].quoted =
		    keep(survey, rows, i, 2, &failed);
		if (flaw != NULL)
			(void)pgripple_errors_add(&survey->catalog->problems,
			    table->at, "\"%s\" is %s, which cannot be watched",
			    table->spelled, flaw);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}

/* ---- columns ---- */

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

/* Parameters $1 (oids of tables) and $2 (names): one entry for each wanted
 * column of a table that exists, and $3 tells which. */
static void
add_wanted(struct survey *survey, struct request *request)
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
static bool
ask_columns(struct survey *survey, struct request *request)
{
	for (size_t i = 0; i < survey->graph->n_tables; i++)
		add_wanted_of(survey, i);
	add_wanted(survey, request);
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
	    .quoted = keep(survey, rows, row, COLUMNS_QUOTED, &failed),
	    .type = keep(survey, rows, row, COLUMNS_TYPE, &failed),
	    .equality = keep(survey, rows, row, COLUMNS_EQUALITY, &failed),
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

static int
take_columns(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	for (size_t i = 0; i < rows_count(rows); i++)
		if (take_column(survey, rows, i, err) != 0)
			return -1;
	return 0;
}

/* ---- near names, for what is missing ---- */

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
static bool
ask_names(struct survey *survey, struct request *request)
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

static int
take_names(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	for (size_t i = 0; i < rows_count(rows); i++) {
		struct found_table *table =
		    &survey->tables[rows_int(rows, i, 0)];
		struct found_name *name =
		    arena_alloc(arena_of(survey), sizeof(*name));
		bool failed = name == NULL;

		if (!failed)
			name->text = keep(survey, rows, i, 1, &failed);
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
	names = arena_array(arena_of(survey), n, sizeof(*names));
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

/* The catalog named it at an earlier look: now it is gone, and nobody needs
 * it. */
static bool
is_adopted(struct survey *survey, const struct wanted *wanted)
{
	const struct pgripple_column *column = column_of(survey, wanted);

	return column != NULL && column->adopted;
}

static void
forget_dropped_columns(struct survey *survey)
{
	for (size_t i = 0; i < survey->n_wanted; i++) {
		const struct wanted *wanted = &survey->wanted[i];

		if (!wanted->is_there && is_adopted(survey, wanted))
			(void)!pgripple_graph_describe(survey->graph,
			    column_of(survey, wanted), NULL, false,
			    NULL); /* nothing is copied: cannot fail */
	}
}

static void
report_missing(struct survey *survey)
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
		    is_adopted(survey, wanted))
			continue;
		suggest(survey,
		    pgripple_errors_add(problems, wanted->at,
			"table \"%s\" has no column \"%s\"",
			survey->graph->tables[wanted->table].spelled,
			wanted->name),
		    wanted->table, wanted->name);
	}
}

/* ---- matches ---- */

/* A pair of columns of a relation. */
struct pair {
	struct pgripple_relation *relation;
	size_t place; /* in the relation */
	const struct catalog_column *from;
	const struct catalog_column *to;
	enum catalog_match *match;
};

static size_t
table_index(const struct survey *survey, const struct pgripple_model *model)
{
	return (size_t)(model->table - survey->graph->tables);
}

/* False if one of the columns does not exist, which is a problem already. */
static bool
find_pair(
    struct survey *survey, size_t relation, size_t place, struct pair *ret_pair)
{
	struct catalog *catalog = survey->catalog;
	struct pgripple_relation *r = &survey->graph->relations[relation];

	*ret_pair = (struct pair){
	    .relation = r,
	    .place = place,
	    .from = &catalog->tables[table_index(survey, r->from)]
			 .columns[r->from_columns[place]],
	    .to = &catalog->tables[table_index(survey, r->to)]
		       .columns[r->to_columns[place]],
	    .match = &catalog->relations[relation].matches[place],
	};
	return ret_pair->from->quoted != NULL && ret_pair->to->quoted != NULL;
}

static bool
is_comparable(const struct pair *pair)
{
	return pair->from->equality != NULL && pair->to->equality != NULL &&
	       pair->from->family == pair->to->family &&
	       (!pair->to->polymorphic ||
		   pair->from->type_oid == pair->to->type_oid);
}

/* Calls back for each pair of each relation that is enabled. */
static void
for_each_pair(struct survey *survey,
    void (*visit)(struct survey *survey, struct pair *pair, void *arg),
    void *arg)
{
	struct pair pair;

	for (size_t i = 0; i < survey->graph->n_relations; i++) {
		const struct pgripple_relation *relation =
		    &survey->graph->relations[i];

		for (size_t k = 0; relation->enabled && k < relation->n_columns;
		     k++)
			if (find_pair(survey, i, k, &pair))
				visit(survey, &pair, arg);
	}
}

struct cast_question {
	struct buf *sources;
	struct buf *targets;
	bool is_needed;
};

static void
visit_for_casts(struct survey *survey UNUSED, struct pair *pair, void *arg)
{
	struct cast_question *question = arg;

	if (is_comparable(pair)) {
		*pair->match = CATALOG_MATCH_DIRECT;
		return;
	}
	array_add_int(question->sources, pair->from->type_oid);
	array_add_int(question->targets, pair->to->type_oid);
	array_add_int(question->sources, pair->to->type_oid);
	array_add_int(question->targets, pair->from->type_oid);
	question->is_needed = true;
}

static bool
ask_casts(struct survey *survey, struct request *request)
{
	struct cast_question question = {
	    request_value(request), request_value(request), false};

	array_open(question.sources);
	array_open(question.targets);
	for_each_pair(survey, visit_for_casts, &question);
	array_close(question.sources);
	array_close(question.targets);
	buf_add_string(&request->sql,
	    "SELECT castsource, casttarget FROM pg_cast "
	    "WHERE castcontext = 'i' AND (castsource, casttarget) IN "
	    "(SELECT * FROM unnest($1::oid[], $2::oid[]))");
	return question.is_needed;
}

static bool
has_cast(const struct rows *rows, uint32_t source, uint32_t target)
{
	for (size_t i = 0; i < rows_count(rows); i++)
		if (rows_int(rows, i, 0) == source &&
		    rows_int(rows, i, 1) == target)
			return true;
	return false;
}

static void
visit_with_casts(struct survey *survey, struct pair *pair, void *arg)
{
	const struct rows *casts = arg;
	const struct pgripple_relation *relation = pair->relation;

	if (*pair->match == CATALOG_MATCH_DIRECT)
		return;
	if (pair->to->equality != NULL &&
	    has_cast(casts, pair->from->type_oid, pair->to->type_oid)) {
		*pair->match = CATALOG_MATCH_CAST_KEY;
		return;
	}
	if (pair->from->equality != NULL &&
	    has_cast(casts, pair->to->type_oid, pair->from->type_oid)) {
		*pair->match = CATALOG_MATCH_CAST_ROW;
		return;
	}
	(void)pgripple_errors_add(&survey->catalog->problems, relation->at,
	    "relation \"%s\" compares \"%s.%s\" (%s) with \"%s.%s\" (%s), "
	    "which cannot be compared",
	    relation->name, relation->from->name,
	    relation->from->table->columns[relation->from_columns[pair->place]]
		.name,
	    pair->from->type, relation->to->name,
	    relation->to->table->columns[relation->to_columns[pair->place]]
		.name,
	    pair->to->type);
}

static int
take_casts(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err UNUSED)
{
	struct rows casts = *rows;

	for_each_pair(survey, visit_with_casts, &casts);
	return 0;
}

/* ---- the installed objects ---- */

/* Whether they are there must be known before they can be called. */
static bool
ask_installed(struct survey *survey, struct request *request)
{
	struct buf *schema = request_value(request);

	buf_add_string(schema, survey->quoted_schema);
	buf_add_string(&request->sql,
	    "SELECT to_regprocedure($1 || '.schema_version()') IS NOT NULL "
	    "AND to_regprocedure($1 || '.watched()') IS NOT NULL");
	return true;
}

static int
take_installed(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err UNUSED)
{
	survey->catalog->installed = rows_bool(rows, 0, 0);
	return 0;
}

static bool
ask_versions(struct survey *survey, struct request *request)
{
	const char *schema = survey->quoted_schema;

	if (!survey->catalog->installed)
		return false;
	buf_printf(&request->sql,
	    "SELECT %s.version(), %s.schema_version(), %s.notify_mode()",
	    schema, schema, schema);
	return true;
}

static int
take_versions(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	struct catalog *catalog = survey->catalog;
	bool failed = false;

	catalog->version = keep(survey, rows, 0, 0, &failed);
	catalog->schema_version = (int)rows_int(rows, 0, 1);
	catalog->notify_mode = keep(survey, rows, 0, 2, &failed);
	return failed ? pgripple_error_nomem(err) : 0;
}

/* The generator that wrote the capture functions words the values. */
static bool
ask_values(struct survey *survey, struct request *request)
{
	const char *schema = survey->quoted_schema;

	if (survey->catalog->schema_version != CATALOG_SCHEMA_VERSION)
		return false;
	add_wanted(survey, request);
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

static int
take_values(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	bool failed = false;

	for (size_t i = 0; i < rows_count(rows); i++) {
		struct wanted *wanted = &survey->wanted[rows_int(rows, i, 0)];

		if (wanted->column != SIZE_MAX)
			survey->catalog->tables[wanted->table]
			    .columns[wanted->column]
			    .value = keep(survey, rows, i, 1, &failed);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}

/* ---- the triggers ---- */

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
		    (!wanted->is_there && is_adopted(survey, wanted)))
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
static bool
ask_watched(struct survey *survey, struct request *request)
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
		    keep(survey, rows, row, WATCHED_PROBLEM, failed);
	} else if (missing != NULL) {
		table->watch = CATALOG_DIFFERENT;
		table->problem = arena_printf(arena_of(survey),
		    "columns the graph needs are not captured: %s", missing);
	} else if (rows_bool(rows, row, WATCHED_OTHER_IGNORE)) {
		table->watch = CATALOG_DIFFERENT;
		table->problem = arena_strdup(arena_of(survey),
		    "what it ignores is not what the graph says");
	}
	if (table->watch != CATALOG_WATCHED && table->problem == NULL)
		*failed = true;
}

static int
take_watched(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	struct catalog *catalog = survey->catalog;
	bool failed = false;

	catalog->strays = arena_array(
	    arena_of(survey), rows_count(rows), sizeof(*catalog->strays));
	if (catalog->strays == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < rows_count(rows); i++) {
		struct catalog_table *table =
		    table_named(survey, rows_text(rows, i, WATCHED_NAME));

		if (table != NULL)
			judge_watch(survey, rows, i, table, &failed);
		else
			catalog->strays[catalog->n_strays++] =
			    keep(survey, rows, i, WATCHED_NAME, &failed);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}

/* ---- the whole ---- */

static const struct question questions[] = {
    {ask_tables, take_tables},
    {survey_ask_all_columns, survey_take_all_columns},
    {ask_columns, take_columns},
    {survey_ask_links, survey_take_links},
    {ask_names, take_names},
    {ask_casts, take_casts},
    {ask_installed, take_installed},
    {ask_versions, take_versions},
    {ask_values, take_values},
    {ask_watched, take_watched},
};

bool
survey_next(struct survey *survey, struct request *ret_request)
{
	while (survey->question < N_ELEMENTS(questions)) {
		struct request request = {0};

		if (questions[survey->question++].ask(survey, &request)) {
			*ret_request = request;
			return true;
		}
		request_done(&request);
	}
	return false;
}

int
survey_take(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	return questions[survey->question - 1].take(survey, rows, err);
}

/* How many columns the table may have when the catalog has named its own. */
static size_t
capacity_of(const struct pgripple_table *table)
{
	return pgripple_table_adopts(table) ? PGRIPPLE_MAX_COLUMNS
					    : table->n_columns;
}

static int
build_tables(struct survey *survey)
{
	const struct pgripple_graph *graph = survey->graph;
	struct catalog *catalog = survey->catalog;
	size_t n_wanted = 0;

	catalog->tables = arena_array(
	    catalog->arena, graph->n_tables, sizeof(*catalog->tables));
	catalog->relations = arena_array(
	    catalog->arena, graph->n_relations, sizeof(*catalog->relations));
	if (catalog->tables == NULL || catalog->relations == NULL)
		return -1;
	for (size_t i = 0; i < graph->n_tables; i++) {
		const struct pgripple_table *table = &graph->tables[i];

		catalog->tables[i].columns = arena_array(catalog->arena,
		    capacity_of(table), sizeof(*catalog->tables[i].columns));
		if (catalog->tables[i].columns == NULL)
			return -1;
		n_wanted += capacity_of(table) + table->n_ignore;
	}
	survey->tables = calloc(graph->n_tables + 1, sizeof(*survey->tables));
	survey->wanted = calloc(n_wanted + 1, sizeof(*survey->wanted));
	if (survey->tables == NULL || survey->wanted == NULL)
		return -1;
	return 0;
}

static int
build(struct survey *survey, const char *schema)
{
	struct buf quoted = BUF_INIT;

	survey->catalog = calloc(1, sizeof(*survey->catalog));
	if (survey->catalog == NULL)
		return -1;
	survey->catalog->arena = arena_new();
	if (survey->catalog->arena == NULL)
		return -1;
	quote_identifier(&quoted, schema);
	if (!quoted.failed)
		survey->quoted_schema = strdup(quoted.bytes);
	buf_done(&quoted);
	if (survey->quoted_schema == NULL)
		return -1;
	return build_tables(survey);
}

struct survey *
survey_new(const char *schema, struct pgripple_graph *graph)
{
	struct survey *survey = calloc(1, sizeof(*survey));

	if (survey == NULL)
		return NULL;
	survey->graph = graph;
	if (build(survey, schema) != 0) {
		survey_free(survey);
		return NULL;
	}
	return survey;
}

void
survey_free(struct survey *survey)
{
	if (survey == NULL)
		return;
	catalog_free(survey->catalog);
	free(survey->quoted_schema);
	free(survey->tables);
	free(survey->wanted);
	free(survey);
}

struct catalog *
survey_finish(struct survey *survey)
{
	report_missing(survey);
	forget_dropped_columns(survey);
	pgripple_errors_sort(&survey->catalog->problems);
	pgripple_graph_settle(survey->graph);
	return steal(&survey->catalog);
}
