/*
 * "pgripple sql": what "install" would run on a database that has nothing of
 * it, as a script for psql.
 */
#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "cli/sql.h"
#include "config/configuration.h"
#include "postgres/install.h"

void
sql_print_step(const struct install_step *step)
{
	size_t n = strlen(step->sql);
	const char *end = "";

	while (n > 0 && step->sql[n - 1] == '\n')
		n--;
	if (n > 0 && step->sql[n - 1] != ';')
		end = ";";
	(void)printf("\n-- %s %s\n%.*s%s\n", install_kind_name(step->kind),
	    step->subject, (int)n, step->sql, end);
}

static void
print_script(const struct install_plan *plan, const char *graph_file)
{
	(void)printf(
	    "-- Made by pgripple %s from %s.  Run it as the owner of the "
	    "tables:\n"
	    "--     psql -v ON_ERROR_STOP=1 -f FILE\n"
	    "SET lock_timeout = '2s';\n",
	    PGRIPPLE_VERSION, graph_file);
	for (size_t i = 0; i < plan->n_steps; i++)
		sql_print_step(&plan->steps[i]);
}

enum exit_status
sql_command(const struct cli_call *call)
{
	struct configuration *configuration;
	struct install_plan *plan;
	struct install_options options;
	struct pgripple_error err;
	enum exit_status status =
	    setup_configuration(call->options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	options = setup_install_options(configuration->settings);
	if (install_plan_make(
		configuration->graph, NULL, &options, &plan, &err) == 0) {
		print_script(plan, configuration->settings->graph);
		install_plan_free(plan);
	} else {
		status = output_error(&err);
	}
	configuration_free(configuration);
	return status;
}
