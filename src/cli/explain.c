/*
 * "pgripple explain": what a change would lead to, and why.  Reads from
 * Postgres, in a session that cannot write; Redis is not asked at all.
 */
#include <stdlib.h>

#include "base/closest.h"
#include "cli/commands.h"
#include "cli/explain_online.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/command.h"

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
	struct pgripple_limits limits = explain_limits(configuration->settings);
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

static enum exit_status
run_online(const struct options *options,
    const struct configuration *configuration,
    const struct pgripple_model *model, const struct explain_request *request)
{
	struct explain_online *online;
	struct command *command;
	enum exit_status status =
	    setup_postgres(options, configuration->settings, &command);

	if (status != EXIT_STATUS_OK)
		return status;
	status =
	    explain_online_new(command, configuration, model->table, &online);
	if (status == EXIT_STATUS_OK) {
		status = run(options, configuration, model, request,
		    explain_online_database(online), command);
		explain_online_free(online);
	}
	command_close(command);
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
