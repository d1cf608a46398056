/*
 * "pgripple install": the objects, then the triggers table by table.
 *
 * Each step is a transaction of its own and waits for a lock only a little, so
 * that it never stands in the application's way for long.  What is done stays
 * done: a second run goes on with what was left.
 */
#include <string.h>

#include "base/buf.h"
#include "base/ident.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "postgres/install.h"

#define LOCK_TIMEOUT_MS 2000
#define N_ATTEMPTS 5
#define PAUSE_MS 1000

struct work {
	struct command *command;
	const struct configuration *configuration;
	const struct catalog *catalog;
	size_t n_changed;
	size_t n_failed;
};

/* Progress is read while it happens, also through a pipe. */
static void
say_waiting(void *context, const struct install_step *step,
    const struct pgripple_error *err)
{
	(void)context;
	(void)printf("waiting for %s: %s\n", step->subject, err->text);
	(void)fflush(stdout);
}

static const struct pgripple_table *
find_table(const struct work *work, const char *subject)
{
	const struct pgripple_graph *graph = work->configuration->graph;

	for (size_t i = 0; i < graph->n_tables; i++) {
		const char *quoted = work->catalog->tables[i].quoted;

		if (strcmp(graph->tables[i].spelled, subject) == 0 ||
		    (quoted != NULL && strcmp(quoted, subject) == 0))
			return &graph->tables[i];
	}
	return NULL;
}

/* "public.app_team (id, tournament_id)" */
static void
describe_table(struct buf *buf, const struct work *work, const char *subject)
{
	const struct pgripple_table *table = find_table(work, subject);

	if (table == NULL) {
		buf_add_string(buf, subject);
		return;
	}
	buf_printf(buf, "%s (", table->spelled);
	for (size_t i = 0; i < table->n_columns; i++) {
		buf_add_string(buf, i == 0 ? "" : ", ");
		ident_print(buf, table->columns[i].name);
	}
	buf_add_char(buf, ')');
}

static void
say_changed(const struct work *work, const struct install_step *step)
{
	const struct catalog *catalog = work->catalog;
	struct buf table = BUF_INIT;

	switch (step->kind) {
	case INSTALL_OBJECTS:
		if (catalog->installed && catalog->version != NULL &&
		    strcmp(catalog->version, PGRIPPLE_VERSION) != 0)
			(void)printf("upgraded schema \"%s\" from %s to %s\n",
			    step->subject, catalog->version, PGRIPPLE_VERSION);
		else
			(void)printf("installed schema \"%s\" %s\n",
			    step->subject, PGRIPPLE_VERSION);
		break;
	case INSTALL_NOTIFY:
		(void)printf("notify mode is now \"%s\"\n", step->subject);
		break;
	case INSTALL_WATCH:
		describe_table(&table, work, step->subject);
		(void)printf("watching %s\n", buf_string(&table));
		break;
	case INSTALL_UNWATCH:
		(void)printf("no longer watching %s\n", step->subject);
		break;
	}
	buf_done(&table);
}

static enum exit_status
say_failed(const struct install_step *step, const struct pgripple_error *cause)
{
	struct pgripple_error err = *cause;

	(void)pgripple_error_set(
	    &err, cause->kind, "%s: %s", step->subject, cause->text);
	if (cause->hint[0] != '\0')
		pgripple_error_hint(&err, "%s", cause->hint);
	else
		pgripple_error_hint(&err,
		    "Nothing of this step was done.  Remove the cause and run "
		    "\"pgripple install\" again: it goes on with what is "
		    "left.");
	return output_error(&err);
}

/* False: what is left cannot be done either. */
static bool
run_step(struct work *work, const struct install_step *step,
    enum exit_status *status)
{
	const struct install_patience patience = {
	    .lock_timeout_ms = LOCK_TIMEOUT_MS,
	    .n_attempts = N_ATTEMPTS,
	    .pause_ms = PAUSE_MS,
	    .on_wait = say_waiting,
	};
	struct pgripple_error err;
	bool changed, is_lost;

	if (install_run(work->command, step, &patience, &changed, &err) == 0) {
		work->n_changed += changed;
		if (changed)
			say_changed(work, step);
		else if (step->kind == INSTALL_WATCH)
			(void)printf("%s: already right\n", step->subject);
		(void)fflush(stdout);
		return true;
	}
	work->n_failed++;
	is_lost = command_sqlstate(work->command)[0] == '\0';
	*status = say_failed(step, &err);
	/* The server is there, and refused. */
	if (err.kind == PGRIPPLE_ERROR_PEER && !is_lost)
		*status = EXIT_STATUS_PROBLEM;
	return !is_lost && step->kind != INSTALL_OBJECTS;
}

static enum exit_status
run_plan(struct work *work, const struct install_plan *plan)
{
	enum exit_status status = EXIT_STATUS_OK;

	for (size_t i = 0; i < plan->n_steps; i++)
		if (!run_step(work, &plan->steps[i], &status))
			break;
	if (work->n_failed == 0 && work->n_changed == 0)
		(void)printf("nothing changed\n");
	return status;
}

static enum exit_status
install(struct command *command, const struct configuration *configuration)
{
	struct install_options options =
	    setup_install_options(configuration->settings);
	struct work work = {.command = command, .configuration = configuration};
	struct catalog *catalog;
	struct install_plan *plan;
	struct pgripple_error err;
	enum exit_status status =
	    setup_catalog(command, configuration, &catalog);

	if (status != EXIT_STATUS_OK)
		return status;
	work.catalog = catalog;
	if (install_plan_make(
		configuration->graph, catalog, &options, &plan, &err) == 0) {
		status = run_plan(&work, plan);
		install_plan_free(plan);
	} else {
		status = output_error(&err);
	}
	catalog_free(catalog);
	return status;
}

enum exit_status
install_command(const struct cli_call *call)
{
	struct configuration *configuration;
	struct command *command;
	enum exit_status status =
	    setup_configuration(call->options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	status =
	    setup_postgres(call->options, configuration->settings, &command);
	if (status == EXIT_STATUS_OK) {
		status = install(command, configuration);
		command_close(command);
	}
	configuration_free(configuration);
	return status;
}
