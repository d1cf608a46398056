/*
 * "pgripple import postgres": a graph.yaml from the tables and foreign keys of
 * a database.
 */
#include "cli/import.h"

#include <fnmatch.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/settings.h"
#include "postgres/command.h"
#include "postgres/quote.h"

/* Without a settings file. */
#define CONNECT_TIMEOUT_MS 10000
#define STATEMENT_TIMEOUT_MS 60000

/* Partitions are rows of their parent.  Tables of extensions, and of pgripple
 * itself, whatever its schema is called, are nobody's models. */
static const char tables_sql[] =
    "SELECT c.oid, n.nspname, c.relname, "
    "(SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid "
    "AND a.attnum > 0 AND NOT a.attisdropped) "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition "
    "AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' "
    "AND n.nspname <> 'information_schema' "
    "AND (pg_catalog.cardinality($1::text[]) = 0 OR n.nspname = ANY ($1)) "
    "AND NOT EXISTS (SELECT FROM pg_depend AS d "
    "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid "
    "AND d.deptype = 'e') "
    "AND NOT EXISTS (SELECT FROM pg_class AS o JOIN pg_proc AS p "
    "ON p.pronamespace = o.relnamespace "
    "WHERE o.relnamespace = n.oid AND o.relname = 'outbox' "
    "AND p.proname = 'watch') "
    "ORDER BY n.nspname <> 'public', n.nspname COLLATE \"C\", "
    "c.relname COLLATE \"C\"";

/* Primary keys, then foreign ones by their first columns; a row for each
 * column.  Those that the partitions of a table inherit are its own. */
static const char keys_sql[] =
    "SELECT k.contype, k.oid, k.conrelid, k.confrelid, a.attname, f.attname "
    "FROM pg_constraint AS k "
    "CROSS JOIN LATERAL unnest(k.conkey, k.confkey) "
    "WITH ORDINALITY AS u (x, y, i) "
    "JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.x "
    "LEFT JOIN pg_attribute AS f "
    "ON f.attrelid = k.confrelid AND f.attnum = u.y "
    "WHERE k.contype = 'p' OR k.contype = 'f' AND k.conparentid = 0 "
    "ORDER BY k.contype DESC, k.conrelid, k.conkey, k.oid, u.i";

struct reader {
	struct arena *arena;
	const struct options *options;
	struct command *command;
	struct import import;
	struct map by_oid; /* of the tables */
	bool *table_used; /* each --table and --schema */
	bool *schema_used;
};

/* "app_*", or with the schema, "shop.*". */
static bool
is_wanted(struct reader *r, const char *schema, const char *name)
{
	const struct option_list *patterns = &r->options->tables;
	const struct option_list *schemas = &r->options->schemas;
	bool wanted = patterns->n == 0;
	struct buf full = BUF_INIT;

	buf_printf(&full, "%s.%s", schema, name);
	for (size_t i = 0; i < patterns->n; i++)
		if (fnmatch(patterns->items[i], name, 0) == 0 ||
		    fnmatch(patterns->items[i], buf_string(&full), 0) == 0)
			wanted = r->table_used[i] = true;
	buf_done(&full);
	for (size_t i = 0; i < schemas->n; i++)
		if (strcmp(schemas->items[i], schema) == 0)
			r->schema_used[i] = true;
	return wanted;
}

static int
take_tables(struct reader *r, const struct rows *rows)
{
	size_t n = rows_count(rows);
	struct import *import = &r->import;

	import->tables = arena_array(r->arena, n, sizeof(*import->tables));
	if (import->tables == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct import_table *table = &import->tables[import->n_tables];
		const char *oid = arena_strdup(r->arena, rows_text(rows, i, 0));
		void **place;

		if (!is_wanted(r, rows_text(rows, i, 1), rows_text(rows, i, 2)))
			continue;
		place =
		    oid == NULL ? NULL : map_put(&r->by_oid, oid, strlen(oid));
		table->schema = arena_strdup(r->arena, rows_text(rows, i, 1));
		table->name = arena_strdup(r->arena, rows_text(rows, i, 2));
		if (place == NULL || table->schema == NULL ||
		    table->name == NULL)
			return -1;
		table->n_columns = (size_t)rows_int(rows, i, 3);
		*place = table;
		import->n_tables++;
	}
	return 0;
}

static int
add_column(struct reader *r, struct import_columns *columns, const char *name)
{
	/* More than Postgres can have. */
	if (columns->n == IMPORT_MAX_COLUMNS)
		return 0;
	columns->names[columns->n] = arena_strdup(r->arena, name);
	return columns->names[columns->n++] == NULL ? -1 : 0;
}

static int
take_keys(struct reader *r, const struct rows *rows)
{
	size_t n = rows_count(rows);
	struct import *import = &r->import;
	struct import_key *key = NULL;
	const char *last = "";

	import->keys = arena_array(r->arena, n, sizeof(*import->keys));
	if (import->keys == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *oid = rows_text(rows, i, 1);
		struct import_table *from = map_get(
		    &r->by_oid, rows_text(rows, i, 2), rows_length(rows, i, 2));
		struct import_table *to = map_get(
		    &r->by_oid, rows_text(rows, i, 3), rows_length(rows, i, 3));

		if (from == NULL)
			continue;
		if (*rows_text(rows, i, 0) == 'p') {
			if (add_column(r, &from->primary_key,
				rows_text(rows, i, 4)) != 0)
				return -1;
			continue;
		}
		if (to == NULL)
			continue;
		if (key == NULL || strcmp(last, oid) != 0) {
			key = &import->keys[import->n_keys++];
			key->from = (size_t)(from - import->tables);
			key->to = (size_t)(to - import->tables);
		}
		last = oid;
		if (add_column(r, &key->from_columns, rows_text(rows, i, 4)) !=
			0 ||
		    add_column(r, &key->to_columns, rows_text(rows, i, 5)) != 0)
			return -1;
	}
	return 0;
}

/* Something was asked for that is not there. */
static int
check_used(const struct option_list *list, const bool *used, const char *what,
    struct pgripple_error *err)
{
	for (size_t i = 0; i < list->n; i++)
		if (!used[i])
			return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
			    "no table %s \"%s\"", what, list->items[i]);
	return 0;
}

static int
read_tables(struct reader *r, struct pgripple_error *err)
{
	const struct option_list *schemas = &r->options->schemas;
	struct buf array = BUF_INIT;
	const char *value;
	struct rows rows;
	int result;

	array_open(&array);
	for (size_t i = 0; i < schemas->n; i++)
		array_add_string(&array, schemas->items[i]);
	array_close(&array);
	value = buf_string(&array);
	result = array.failed ? pgripple_error_nomem(err)
			      : command_query(r->command, tables_sql, 1, &value,
				    &rows, err);
	buf_done(&array);
	if (result != 0)
		return -1;
	if (take_tables(r, &rows) != 0)
		return pgripple_error_nomem(err);
	if (check_used(schemas, r->schema_used, "is in schema", err) != 0 ||
	    check_used(&r->options->tables, r->table_used, "matches", err) != 0)
		return -1;
	if (r->import.n_tables == 0)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_INPUT, "the database has no tables");
	return 0;
}

static int
read_all(struct reader *r, struct pgripple_error *err)
{
	struct rows rows;

	r->table_used =
	    arena_array(r->arena, OPTIONS_MAX_LIST, sizeof(*r->table_used));
	r->schema_used =
	    arena_array(r->arena, OPTIONS_MAX_LIST, sizeof(*r->schema_used));
	if (r->table_used == NULL || r->schema_used == NULL)
		return pgripple_error_nomem(err);
	if (read_tables(r, err) != 0 ||
	    command_query(r->command, keys_sql, 0, NULL, &rows, err) != 0)
		return -1;
	if (take_keys(r, &rows) != 0)
		return pgripple_error_nomem(err);
	import_sort(&r->import);
	import_find_links(&r->import);
	return import_name(r->arena, &r->import, err);
}

static enum exit_status
import_from(struct command *command, const struct options *options)
{
	struct reader r = {.arena = arena_new(),
	    .options = options,
	    .command = command,
	    .by_oid = MAP_INIT};
	struct buf buf = BUF_INIT;
	struct pgripple_error err;
	enum exit_status status = EXIT_STATUS_OK;

	if (r.arena == NULL) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	if (read_all(&r, &err) != 0)
		status = setup_refused(command, &err);
	else if (import_print(&r.import, &buf, &err) != 0)
		status = output_error(&err);
	else
		status = output_write(options->output,
		    options_has(options, OPTION_FORCE), buf_string(&buf),
		    buf.n);
	buf_done(&buf);
	map_done(&r.by_oid);
	arena_free(r.arena);
	return status;
}

/* With --conninfo the settings are not needed: there may be none yet. */
static enum exit_status
connect(const struct options *options, struct command **ret_command)
{
	struct settings *settings;
	struct pgripple_error err;
	enum exit_status status;

	if (options->conninfo != NULL && !options_has(options, OPTION_CONFIG))
		return command_open(options->conninfo, CONNECT_TIMEOUT_MS,
			   STATEMENT_TIMEOUT_MS, ret_command, &err) == 0
			   ? EXIT_STATUS_OK
			   : output_error(&err);
	status = setup_settings(options, &settings);
	if (status != EXIT_STATUS_OK)
		return status;
	status = setup_postgres(options, settings, ret_command);
	settings_free(settings);
	return status;
}

static enum exit_status
refuse_source(const char *text)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG, "%s", text);
	pgripple_error_hint(&err, "Write \"pgripple import postgres\".");
	return output_usage_error(&err);
}

enum exit_status
import_command(const struct cli_call *call)
{
	const struct options *options = call->options;
	struct command *command;
	enum exit_status status;

	if (options->n_words == 0)
		return refuse_source("\"import\" needs to know from where");
	if (strcmp(options->words[0], "postgres") != 0)
		return refuse_source("\"import\" knows no other source than "
				     "\"postgres\"");
	status = connect(options, &command);
	if (status != EXIT_STATUS_OK)
		return status;
	status = import_from(command, options);
	command_close(command);
	return status;
}
