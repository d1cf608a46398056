/*
 * What must be run to make the database fit the graph.
 */
#include "postgres/install.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "postgres/command.h"
#include "postgres/embedded_sql.h"
#include "postgres/quote.h"
#include "postgres/survey.h"

#define WRITTEN_SCHEMA "pgripple" /* as the files in sql/ call it */

const char *
install_kind_name(enum install_kind kind)
{
	switch (kind) {
	case INSTALL_OBJECTS:
		return "objects";
	case INSTALL_NOTIFY:
		return "notify";
	case INSTALL_WATCH:
		return "watch";
	case INSTALL_UNWATCH:
		return "unwatch";
	}
	return NULL;
}

/* ---- the scripts ---- */

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

static bool
ends_with(const char *start, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - start) >= n && memcmp(end - n, word, n) == 0;
}

/* Whether the word at found names the schema: "pgripple.object" or "SCHEMA
 * pgripple", also after IF NOT EXISTS and IF EXISTS.  The files promise to
 * write it in no other way. */
static bool
names_schema(const char *script, const char *found)
{
	const char *after = found + strlen(WRITTEN_SCHEMA);

	if (found > script && (is_word(found[-1]) || strchr("./", found[-1])))
		return false;
	if (*after == '.')
		return is_word(after[1]) || after[1] == '%' || after[1] == '"';
	return !is_word(*after) &&
	       (ends_with(script, found, "SCHEMA ") ||
		   ends_with(script, found, "SCHEMA IF NOT EXISTS ") ||
		   ends_with(script, found, "SCHEMA IF EXISTS "));
}

static int
print_script(const char *text, const char *schema, struct buf *script,
    struct pgripple_error *err)
{
	bool is_other = strcmp(schema, WRITTEN_SCHEMA) != 0;
	const char *from = text;
	const char *found = text;

	while (is_other && (found = strstr(found, WRITTEN_SCHEMA)) != NULL) {
		if (names_schema(text, found)) {
			buf_add(script, from, (size_t)(found - from));
			quote_identifier(script, schema);
			from = found + strlen(WRITTEN_SCHEMA);
		}
		found += strlen(WRITTEN_SCHEMA);
	}
	buf_add_string(script, from);
	return script->failed ? pgripple_error_nomem(err) : 0;
}

int
install_objects(
    const char *schema, struct buf *script, struct pgripple_error *err)
{
	return print_script(embedded_install_sql, schema, script, err);
}

int
install_removal(
    const char *schema, struct buf *script, struct pgripple_error *err)
{
	return print_script(embedded_uninstall_sql, schema, script, err);
}

/* ---- the plan ---- */

struct planning {
	struct install_plan *plan;
	const struct install_options *options;
	struct buf sql; /* of the step that is written */
};

static void
add_step(struct planning *planning, enum install_kind kind, const char *subject)
{
	struct install_plan *plan = planning->plan;
	struct install_step step = {
	    .kind = kind,
	    .subject = arena_strdup(plan->arena, subject),
	    .sql =
		arena_copy(plan->arena, planning->sql.bytes, planning->sql.n),
	};

	if (step.subject == NULL || step.sql == NULL)
		planning->sql.failed = true;
	if (planning->sql.failed)
		return;
	plan->steps[plan->n_steps++] = step;
	buf_reset(&planning->sql);
}

static void
begin_call(struct planning *planning, const char *function)
{
	quote_identifier(&planning->sql, planning->options->schema);
	buf_printf(&planning->sql, ".%s(", function);
}

static void
add_text_array(struct buf *sql, const char *const *texts, size_t n)
{
	buf_add_string(sql, "ARRAY[");
	for (size_t i = 0; i < n; i++) {
		buf_add_string(sql, i > 0 ? ", " : "");
		quote_literal(sql, texts[i]);
	}
	buf_add_string(sql, "]::text[]");
}

static void
add_models(struct buf *sql, const struct pgripple_table *table)
{
	buf_add_string(sql, "ARRAY[");
	for (size_t i = 0; i < table->n_models; i++) {
		buf_add_string(sql, i > 0 ? ", " : "");
		quote_literal(sql, table->models[i]->name);
	}
	buf_add_string(sql, "]::text[]");
}

/* Without a catalog, what a rule takes from it is looked up when the script
 * runs. */
static void
add_adopted(struct buf *sql, const struct pgripple_table *table,
    const char *const *columns)
{
	CLEANUP(buf_done) struct buf source = BUF_INIT;

	buf_add_string(&source, "(VALUES (");
	quote_literal(&source, table->spelled);
	buf_add_string(&source, "::regclass::oid, 0))");
	sql->failed |= source.failed;
	buf_add_string(sql, "\n    || ARRAY(SELECT a.name::text FROM (");
	survey_print_adopted(sql, buf_string(&source));
	buf_add_string(
	    sql, ") AS a (place, name, not_null) WHERE a.name <> ALL (");
	add_text_array(sql, columns, table->n_columns);
	buf_add_string(sql, "))");
}

/* What both of watch() and watch_differences() are told. */
static void
add_watch(struct planning *planning, const struct pgripple_table *table,
    bool is_offline)
{
	struct buf *sql = &planning->sql;
	const char *columns[PGRIPPLE_MAX_COLUMNS];

	for (size_t i = 0; i < table->n_columns; i++)
		columns[i] = table->columns[i].name;
	quote_literal(sql, table->spelled);
	buf_add_string(sql, "::regclass, ");
	add_text_array(sql, columns, table->n_columns);
	if (is_offline && pgripple_table_adopts(table))
		add_adopted(sql, table, columns);
	buf_add_string(sql, ", ");
	add_text_array(
	    sql, (const char *const *)table->ignore, table->n_ignore);
	buf_printf(sql, ", %" PRId64 ")", planning->options->bulk_rows);
}

static void
add_set_models(struct planning *planning, const struct pgripple_table *table)
{
	struct buf *sql = &planning->sql;

	quote_literal(sql, table->spelled);
	buf_add_string(sql, "::regclass, ");
	add_models(sql, table);
	buf_add_char(sql, ')');
}

static void
add_question(struct planning *planning, const struct pgripple_table *table)
{
	struct install_plan *plan = planning->plan;
	struct buf *sql = &planning->sql;
	const char *question;

	buf_add_string(sql, "SELECT difference FROM ");
	begin_call(planning, "watch_differences");
	add_watch(planning, table, false);
	buf_add_string(sql, " UNION ALL SELECT difference FROM ");
	begin_call(planning, "model_differences");
	add_set_models(planning, table);
	if (sql->failed)
		return; /* nor is there a step */
	question = arena_copy(plan->arena, sql->bytes, sql->n);
	plan->steps[plan->n_steps - 1].question = question;
	buf_reset(sql);
	sql->failed = question == NULL;
}

static void
plan_watch(struct planning *planning, const struct pgripple_table *table,
    bool is_offline)
{
	struct buf *sql = &planning->sql;

	/* One transaction, and both are called. */
	buf_add_string(sql, "SELECT true = ANY (ARRAY[\n    ");
	begin_call(planning, "watch");
	add_watch(planning, table, is_offline);
	buf_add_string(sql, ",\n    ");
	begin_call(planning, "set_models");
	add_set_models(planning, table);
	buf_add_string(sql, "])");
	add_step(planning, INSTALL_WATCH, table->spelled);
	if (!is_offline)
		add_question(planning, table);
}

/* By what the registry calls it, for the table itself may be gone. */
static void
plan_unwatch(struct planning *planning, const char *quoted)
{
	struct buf *sql = &planning->sql;

	buf_add_string(sql, "SELECT ");
	begin_call(planning, "unwatch");
	buf_add_string(sql, "relid) FROM ");
	quote_identifier(sql, planning->options->schema);
	buf_add_string(sql, ".watch_list WHERE table_name = ");
	quote_literal(sql, quoted);
	add_step(planning, INSTALL_UNWATCH, quoted);
}

static bool
needs_objects(const struct catalog *catalog)
{
	return catalog == NULL || !catalog->installed ||
	       catalog->schema_version != CATALOG_SCHEMA_VERSION ||
	       strcmp(catalog->version, PGRIPPLE_VERSION) != 0;
}

static bool
needs_notify(const struct catalog *catalog, const char *mode)
{
	return catalog == NULL || catalog->notify_mode == NULL ||
	       strcmp(catalog->notify_mode, mode) != 0;
}

static int
write_plan(struct planning *planning, const struct pgripple_graph *graph,
    const struct catalog *catalog, struct pgripple_error *err)
{
	const struct install_options *options = planning->options;
	size_t n_strays = catalog == NULL ? 0 : catalog->n_strays;

	planning->plan->steps = arena_array(planning->plan->arena,
	    2 + graph->n_tables + n_strays, sizeof(*planning->plan->steps));
	if (planning->plan->steps == NULL)
		return pgripple_error_nomem(err);
	if (needs_objects(catalog)) {
		if (install_objects(options->schema, &planning->sql, err) != 0)
			return -1;
		add_step(planning, INSTALL_OBJECTS, options->schema);
	}
	if (needs_notify(catalog, options->notify_mode)) {
		buf_add_string(&planning->sql, "SELECT ");
		begin_call(planning, "notify_mode");
		quote_literal(&planning->sql, options->notify_mode);
		buf_add_char(&planning->sql, ')');
		add_step(planning, INSTALL_NOTIFY, options->notify_mode);
	}
	for (size_t i = 0; i < graph->n_tables; i++)
		plan_watch(planning, &graph->tables[i], catalog == NULL);
	for (size_t i = 0; i < n_strays; i++)
		plan_unwatch(planning, catalog->strays[i]);
	return planning->sql.failed ? pgripple_error_nomem(err) : 0;
}

int
install_plan_make(const struct pgripple_graph *graph,
    const struct catalog *catalog, const struct install_options *options,
    struct install_plan **ret_plan, struct pgripple_error *err)
{
	struct planning planning = {
	    .plan = calloc(1, sizeof(*planning.plan)),
	    .options = options,
	};
	int failed;

	if (planning.plan == NULL)
		return pgripple_error_nomem(err);
	planning.plan->arena = arena_new();
	failed = planning.plan->arena == NULL
		     ? pgripple_error_nomem(err)
		     : write_plan(&planning, graph, catalog, err);
	buf_done(&planning.sql);
	if (failed) {
		install_plan_free(planning.plan);
		return -1;
	}
	*ret_plan = planning.plan;
	return 0;
}

void
install_plan_free(struct install_plan *plan)
{
	if (plan == NULL)
		return;
	arena_free(plan->arena);
	free(plan);
}

/* ---- running it ---- */

static int
begin(struct command *command, const struct install_patience *patience,
    struct pgripple_error *err)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "BEGIN; SET LOCAL lock_timeout = %" PRId64,
	    patience->lock_timeout_ms);
	return command_script(command, sql, NULL, err);
}

static int
run_statement(struct command *command, const struct install_step *step,
    const struct install_patience *patience, bool *ret_changed,
    struct pgripple_error *err)
{
	struct rows rows;
	bool changed;

	if (begin(command, patience, err) != 0 ||
	    command_script(command, step->sql, &rows, err) != 0)
		return -1;
	/* The others are planned only where something is to be changed. */
	changed = step->kind != INSTALL_WATCH || rows_bool(&rows, 0, 0);
	if (command_script(command, "COMMIT", NULL, err) != 0)
		return -1;
	*ret_changed = changed;
	return 0;
}

/* The script brings its own transaction. */
static int
run_objects(struct command *command, const struct install_step *step,
    const struct install_patience *patience, bool *ret_changed,
    struct pgripple_error *err)
{
	char sql[64];
	int failed;

	snprintf(sql, sizeof(sql), "SET lock_timeout = %" PRId64,
	    patience->lock_timeout_ms);
	if (command_script(command, sql, NULL, err) != 0)
		return -1;
	failed = command_script(command, step->sql, NULL, err);
	if (failed)
		return -1;
	*ret_changed = true;
	return 0;
}

static bool
is_lock_failure(const struct command *command)
{
	const char *sqlstate = command_sqlstate(command);

	/* lock_not_available, deadlock_detected */
	return strcmp(sqlstate, "55P03") == 0 || strcmp(sqlstate, "40P01") == 0;
}

static void
pause_for(int64_t pause_ms)
{
	struct timespec left = {
	    .tv_sec = pause_ms / 1000,
	    .tv_nsec = pause_ms % 1000 * 1000000,
	};

	while (nanosleep(&left, &left) != 0)
		;
}

int
install_run(struct command *command, const struct install_step *step,
    const struct install_patience *patience, bool *ret_changed,
    struct pgripple_error *err)
{
	struct pgripple_error local;
	int failed;

	if (err == NULL)
		err = &local;
	for (int attempt = 1;; attempt++) {
		failed =
		    step->kind == INSTALL_OBJECTS
			? run_objects(command, step, patience, ret_changed, err)
			: run_statement(
			      command, step, patience, ret_changed, err);
		if (!failed || !is_lock_failure(command) ||
		    attempt >= patience->n_attempts)
			return failed;
		if (patience->on_wait != NULL)
			patience->on_wait(patience->context, step, err);
		pause_for(patience->pause_ms);
	}
}
