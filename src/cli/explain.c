/*
 * "pgripple explain": what a change would lead to, and why.  Reads from
 * Postgres, in a session that cannot write; Redis is not asked at all.
 */
#include "cli/explain.h"

#include <string.h>

#include "base/closest.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "postgres/lookup.h"

struct online {
	struct command *command;
	const struct pgripple_graph *graph;
	const struct catalog *catalog;
	const struct catalog_table *known; /* the change's table */
	const struct table_column *columns; /* its columns */
	size_t n_columns;
	const struct pgripple_model *model;
	size_t max_rows;
};

/* ---- the database ---- */

static int
read_row(void *context, const char *const *keys, struct arena *arena,
    const char **ret_image, struct pgripple_error *err)
{
	const struct online *online = context;

	return table_row_read(online->command, online->model->table,
	    online->known, online->columns, online->n_columns, keys, arena,
	    ret_image, err);
}

static int
keep_images(const struct rows *rows, struct arena *arena,
    struct explain_answer *answer, struct pgripple_error *err)
{
	size_t n = rows_count(rows);

	answer->images = arena_array(arena, n, sizeof(*answer->images));
	for (size_t i = 0; answer->images != NULL && i < n; i++) {
		answer->images[i] = arena_strdup(arena, rows_text(rows, i, 0));
		if (answer->images[i] == NULL)
			answer->images = NULL;
	}
	if (answer->images == NULL)
		return pgripple_error_nomem(err);
	answer->n_images = n;
	return 0;
}

/* What the server refuses is escalated, as the daemon does it. */
static int
look_up(void *context, const struct pgripple_lookup *lookup,
    struct arena *arena, struct explain_answer *ret_answer,
    struct pgripple_error *err)
{
	const struct online *online = context;
	CLEANUP(buf_done) struct buf sql = BUF_INIT;
	struct explain_answer answer = {0};
	struct rows rows;
	int failed = lookup_run(online->command, online->graph, online->catalog,
	    lookup, online->max_rows, &sql, &rows, err);

	if (failed && err->kind == PGRIPPLE_ERROR_NOMEM)
		return -1;
	if (failed && err->kind == PGRIPPLE_ERROR_PEER &&
	    command_sqlstate(online->command)[0] == '\0')
		return -1;
	if (sql.n > 0) {
		answer.sql = arena_strdup(arena, sql.bytes);
		if (answer.sql == NULL)
			return pgripple_error_nomem(err);
	}
	if (!failed && keep_images(&rows, arena, &answer, err) != 0)
		return -1;
	*ret_answer = answer;
	return failed ? EXPLAIN_UNANSWERED : EXPLAIN_ANSWERED;
}

/* ---- the command ---- */

static enum exit_status
unknown_model(const struct pgripple_graph *graph, const char *name)
{
	const char **names = calloc(graph->n_models, sizeof(*names));
	const char *near = NULL;
	struct pgripple_error err;

	for (size_t i = 0; names != NULL && i < graph->n_models; i++)
		names[i] = graph->models[i].name;
	if (names != NULL)
		near = closest(name, names, graph->n_models);
	free(names);
	(void)pgripple_error_set(
	    &err, PGRIPPLE_ERROR_INPUT, "the graph has no model \"%s\"", name);
	if (near != NULL)
		pgripple_error_hint(&err, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(&err,
		    "Its models are under \"models\" in the graph's file; "
		    "the name of a table is not one of them.");
	return output_error(&err);
}

static struct pgripple_limits
limits_of(const struct settings *settings)
{
	return (struct pgripple_limits){
	    .touched_rows = (size_t)settings->limits.touched_rows,
	    .lookup_rows = (size_t)settings->limits.lookup_rows,
	    .lookup_keys = (size_t)settings->limits.lookup_rows,
	};
}

static enum exit_status
print(const struct options *options, struct explanation *explanation)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct pgripple_error err;

	if (options_has(options, OPTION_JSON)) {
		explain_print_json(explanation, &text);
		buf_add_char(&text, '\n');
	} else {
		explain_print_text(explanation, &text);
	}
	if (text.failed) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	(void)fwrite(text.bytes, 1, text.n, stdout);
	return EXIT_STATUS_OK;
}

/* command is NULL offline. */
static enum exit_status
run(const struct options *options, const struct configuration *configuration,
    const struct pgripple_model *model, const struct explain_request *request,
    const struct explain_database *database, const struct command *command)
{
	struct pgripple_limits limits = limits_of(configuration->settings);
	struct explanation *explanation;
	struct pgripple_error err;
	enum exit_status status;

	if (explain_new(configuration->graph, model, &limits, request, database,
		&explanation, &err) != 0)
		return command != NULL && err.kind == PGRIPPLE_ERROR_PEER
			   ? setup_refused(command, &err)
			   : output_error(&err);
	status = print(options, explanation);
	explain_free(explanation);
	return status;
}

/* Without the catalog columns are taken to compare as their text. */
static enum exit_status
run_offline(const struct options *options,
    const struct configuration *configuration,
    const struct pgripple_model *model, const struct explain_request *request)
{
	struct pgripple_graph *graph = configuration->graph;
	struct pgripple_error err;

	for (size_t i = 0; i < graph->n_tables; i++)
		for (size_t j = 0; j < graph->tables[i].n_columns; j++)
			if (pgripple_graph_describe(graph,
				&graph->tables[i].columns[j], "not known", true,
				&err) != 0)
				return output_error(&err);
	pgripple_graph_settle(graph);
	return run(options, configuration, model, request, NULL, NULL);
}

/* The installed functions say how values are captured. */
static enum exit_status
check_installed(const struct settings *settings, const struct catalog *catalog)
{
	struct pgripple_error err;

	if (catalog->installed &&
	    catalog->schema_version == CATALOG_SCHEMA_VERSION)
		return EXIT_STATUS_OK;
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_INPUT,
	    catalog->installed
		? "schema \"%s\" is of another version than this program"
		: "schema \"%s\" is not installed in this database",
	    settings->postgres.schema);
	pgripple_error_hint(
	    &err, "Run \"pgripple install\", or give --offline.");
	return output_error(&err);
}

static enum exit_status
run_described(const struct options *options,
    const struct configuration *configuration,
    const struct explain_request *request, struct online *online)
{
	const struct pgripple_graph *graph = configuration->graph;
	struct explain_database database = {
	    online, .read_row = read_row, .look_up = look_up};
	struct arena *arena;
	struct pgripple_error err;
	enum exit_status status =
	    check_installed(configuration->settings, online->catalog);

	if (status != EXIT_STATUS_OK)
		return status;
	arena = arena_new();
	if (arena == NULL) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	online->known =
	    &online->catalog->tables[online->model->table - graph->tables];
	if (table_columns_read(online->command, online->known, arena,
		&online->columns, &online->n_columns, &err) == 0) {
		database.columns = online->columns;
		database.n_columns = online->n_columns;
		status = run(options, configuration, online->model, request,
		    &database, online->command);
	} else {
		status = setup_refused(online->command, &err);
	}
	arena_free(arena);
	return status;
}

static enum exit_status
run_online(const struct options *options,
    const struct configuration *configuration,
    const struct pgripple_model *model, const struct explain_request *request)
{
	const struct settings *settings = configuration->settings;
	struct online online = {
	    .graph = configuration->graph,
	    .model = model,
	    .max_rows = (size_t)settings->limits.lookup_rows,
	};
	struct catalog *catalog;
	struct pgripple_error err;
	enum exit_status status =
	    setup_postgres(options, settings, &online.command);

	if (status != EXIT_STATUS_OK)
		return status;
	if (command_query(online.command,
		"SET default_transaction_read_only = on", 0, NULL, NULL,
		&err) != 0)
		status = setup_refused(online.command, &err);
	else
		status = setup_catalog(online.command, configuration, &catalog);
	if (status == EXIT_STATUS_OK) {
		online.catalog = catalog;
		status =
		    run_described(options, configuration, request, &online);
		catalog_free(catalog);
	}
	command_close(online.command);
	return status;
}

static enum exit_status
run_request(
    const struct options *options, const struct explain_request *request)
{
	const char *name = options->words[0];
	const struct pgripple_model *model;
	struct configuration *configuration;
	enum exit_status status = setup_configuration(options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	model = pgripple_graph_model(configuration->graph, name);
	if (model == NULL)
		status = unknown_model(configuration->graph, name);
	else if (options_has(options, OPTION_OFFLINE))
		status = run_offline(options, configuration, model, request);
	else
		status = run_online(options, configuration, model, request);
	configuration_free(configuration);
	return status;
}

/* What is wrong with the words is a mistake in the command line. */
enum exit_status
explain_command(const struct cli_call *call)
{
	const struct options *options = call->options;
	struct explain_request request;
	struct arena *arena = arena_new();
	struct pgripple_error err;
	enum exit_status status;

	if (options->n_words == 0) {
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG,
		    "\"explain\" needs the name of a model");
		pgripple_error_hint(&err,
		    "\"pgripple explain --help\" says what it understands.");
		status = output_usage_error(&err);
	} else if (arena == NULL) {
		(void)pgripple_error_nomem(&err);
		status = output_error(&err);
	} else if (explain_request_read(arena, options->words[1],
		       options->old_image, options->new_image, options->op,
		       &request, &err) != 0) {
		status = output_usage_error(&err);
	} else {
		status = run_request(options, &request);
	}
	arena_free(arena);
	return status;
}
