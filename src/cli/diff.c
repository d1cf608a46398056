/*
 * "pgripple diff": what "install" would change.
 *
 * The steps are those that "install" runs.  Of a table the database is asked
 * what its step would change, by the function that the step itself asks, so
 * that both cannot disagree.  Objects of another version may not have that
 * function, or mean something else: then every table may be changed.
 */
#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "cli/sql.h"
#include "config/configuration.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "postgres/install.h"

struct work {
	struct command *command;
	const struct configuration *configuration;
	const struct catalog *catalog;
	bool as_sql;
	bool is_upgrade; /* there is a step for the objects */
	size_t n_different;
};

static void
say_objects(const struct work *work, const struct install_step *step)
{
	const struct catalog *catalog = work->catalog;

	if (!catalog->installed)
		(void)printf(
		    "schema \"%s\": is not installed\n", step->subject);
	else
		(void)printf("schema \"%s\": is of version %s (%d), and is to "
			     "be of %s (%d)\n",
		    step->subject, catalog->version, catalog->schema_version,
		    PGRIPPLE_VERSION, CATALOG_SCHEMA_VERSION);
}

static void
say_notify(const struct work *work, const struct install_step *step)
{
	if (work->catalog->notify_mode == NULL)
		(void)printf("notify mode: is to be \"%s\"\n", step->subject);
	else
		(void)printf("notify mode: is \"%s\", and is to be \"%s\"\n",
		    work->catalog->notify_mode, step->subject);
}

/* One line for each difference; without an answer (NULL) nobody could ask. */
static void
say_table(const struct work *work, const struct install_step *step,
    const struct rows *differences)
{
	for (size_t i = 0; differences != NULL && i < rows_count(differences);
	     i++)
		(void)printf("table %s: %s\n", step->subject,
		    rows_text(differences, i, 0));
	if (differences != NULL)
		return;
	(void)printf("table %s: %s\n", step->subject,
	    work->catalog->installed
		? "is to be looked at again by the new version"
		: "is not watched yet");
}

static void
say(const struct work *work, const struct install_step *step,
    const struct rows *differences)
{
	if (work->as_sql) {
		sql_print_step(step);
		return;
	}
	switch (step->kind) {
	case INSTALL_OBJECTS:
		say_objects(work, step);
		break;
	case INSTALL_NOTIFY:
		say_notify(work, step);
		break;
	case INSTALL_WATCH:
		say_table(work, step, differences);
		break;
	case INSTALL_UNWATCH:
		(void)printf("table %s: is in no model, and is no longer to be "
			     "watched\n",
		    step->subject);
		break;
	}
}

static enum exit_status
compare_step(struct work *work, const struct install_step *step)
{
	struct pgripple_error err;
	struct rows rows;
	bool can_ask = step->kind == INSTALL_WATCH && !work->is_upgrade;

	if (can_ask) {
		if (command_query(work->command, step->question, 0, NULL, &rows,
			&err) != 0)
			return setup_refused(work->command, &err);
		if (rows_count(&rows) == 0)
			return EXIT_STATUS_OK;
	}
	say(work, step, can_ask ? &rows : NULL);
	work->n_different++;
	return EXIT_STATUS_OK;
}

static enum exit_status
compare(struct work *work, const struct install_plan *plan)
{
	enum exit_status status = EXIT_STATUS_OK;

	for (size_t i = 0; i < plan->n_steps; i++)
		work->is_upgrade |= plan->steps[i].kind == INSTALL_OBJECTS;
	for (size_t i = 0; status == EXIT_STATUS_OK && i < plan->n_steps; i++)
		status = compare_step(work, &plan->steps[i]);
	if (status != EXIT_STATUS_OK)
		return status;
	if (work->n_different > 0)
		return EXIT_STATUS_PROBLEM;
	if (!work->as_sql)
		(void)printf("nothing differs\n");
	return EXIT_STATUS_OK;
}

static enum exit_status
diff(struct work *work)
{
	const struct configuration *configuration = work->configuration;
	struct install_options options =
	    setup_install_options(configuration->settings);
	struct catalog *catalog;
	struct install_plan *plan;
	struct pgripple_error err;
	enum exit_status status =
	    setup_catalog(work->command, configuration, &catalog);

	if (status != EXIT_STATUS_OK)
		return status;
	work->catalog = catalog;
	if (install_plan_make(
		configuration->graph, catalog, &options, &plan, &err) == 0) {
		status = compare(work, plan);
		install_plan_free(plan);
	} else {
		status = output_error(&err);
	}
	catalog_free(catalog);
	return status;
}

enum exit_status
diff_command(const struct cli_call *call)
{
	struct work work = {.as_sql = options_has(call->options, OPTION_SQL)};
	struct configuration *configuration;
	enum exit_status status =
	    setup_configuration(call->options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	work.configuration = configuration;
	status = setup_postgres(
	    call->options, configuration->settings, &work.command);
	if (status == EXIT_STATUS_OK) {
		status = diff(&work);
		command_close(work.command);
	}
	configuration_free(configuration);
	return status;
}
