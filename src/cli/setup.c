/*
 * What most commands begin with: the files and the connection to Postgres.
 */
#include "cli/setup.h"

#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "config/configuration.h"
#include "config/login.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "redis/blocking.h"
#include "redis/url.h"

enum exit_status
setup_settings(const struct options *options, struct settings **ret_settings)
{
	struct pgripple_errors errors = {0};
	struct settings *settings;

	if (settings_load(options->config, &errors, &settings) != 0)
		return output_errors(&errors);
	pgripple_errors_done(&errors);
	*ret_settings = settings;
	return EXIT_STATUS_OK;
}

enum exit_status
setup_configuration(
    const struct options *options, struct configuration **ret_configuration)
{
	struct pgripple_errors errors = {0};
	struct configuration *configuration;

	if (configuration_load(options->config, &errors, &configuration) != 0)
		return output_errors(&errors);
	pgripple_errors_done(&errors);
	*ret_configuration = configuration;
	return EXIT_STATUS_OK;
}

int
setup_conninfo(const struct options *options, const struct settings *settings,
    char **ret_conninfo, struct pgripple_error *err)
{
	if (options->conninfo == NULL)
		return login_conninfo(settings, ret_conninfo, err);
	*ret_conninfo = strdup(options->conninfo);
	return *ret_conninfo == NULL ? pgripple_error_nomem(err) : 0;
}

enum exit_status
setup_postgres(const struct options *options, const struct settings *settings,
    struct command **ret_command)
{
	CLEANUP(login_forget) char *conninfo = NULL;
	struct pgripple_error err;

	if (setup_conninfo(options, settings, &conninfo, &err) != 0 ||
	    command_open(conninfo, settings->postgres.connect_timeout_ms,
		settings->postgres.statement_timeout_ms, ret_command,
		&err) != 0)
		return output_error(&err);
	return EXIT_STATUS_OK;
}

enum exit_status
setup_redis(const struct settings *settings,
    const struct settings_target *target, struct redis_blocking **ret_redis,
    struct pgripple_error *err)
{
	CLEANUP(login_forget) char *text = NULL;
	struct redis_url url;

	if (login_url(settings, target, &text, err) != 0 ||
	    redis_url_parse(text, &url, err) != 0)
		return exit_status_of(err->kind);
	redis_url_done(&url);
	if (redis_blocking_open(
		text, target->connect_timeout_ms, ret_redis, err) == 0)
		return EXIT_STATUS_OK;
	/* The URL is good: it is the server that is not. */
	return err->kind == PGRIPPLE_ERROR_CONFIG ? EXIT_STATUS_PROBLEM
						  : exit_status_of(err->kind);
}

enum exit_status
setup_catalog(struct command *command,
    const struct configuration *configuration, struct catalog **ret_catalog)
{
	struct catalog *catalog;
	struct pgripple_error err;
	enum exit_status status;

	if (catalog_describe(command, configuration->settings->postgres.schema,
		configuration->graph, &catalog, &err) != 0)
		return output_error(&err);
	if (catalog->problems.n_items > 0) {
		status = output_errors(&catalog->problems);
		catalog_free(catalog);
		return status;
	}
	*ret_catalog = catalog;
	return EXIT_STATUS_OK;
}

enum exit_status
setup_confirm(const struct options *options, const char *nothing)
{
	char answer[16];
	struct pgripple_error err;

	if (options_has(options, OPTION_YES))
		return EXIT_STATUS_OK;
	if (isatty(STDIN_FILENO) != 1) {
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG,
		    "nothing %s: there is nobody to ask", nothing);
		pgripple_error_hint(&err, "Give --yes.");
		return output_usage_error(&err);
	}
	(void)printf("Type yes to go on: ");
	(void)fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) != NULL) {
		answer[strcspn(answer, "\n")] = '\0';
		if (strcmp(answer, "yes") == 0)
			return EXIT_STATUS_OK;
	}
	(void)printf("nothing %s\n", nothing);
	return EXIT_STATUS_PROBLEM;
}

enum exit_status
setup_refused(const struct command *command, struct pgripple_error *err)
{
	const char *state = command_sqlstate(command);
	enum exit_status status;

	/* No such schema, table or function. */
	if (strcmp(state, "3F000") == 0 || strcmp(state, "42P01") == 0 ||
	    strcmp(state, "42883") == 0)
		pgripple_error_hint(err, "Run \"pgripple install\".");
	status = output_error(err);
	return status == EXIT_STATUS_UNREACHABLE && state[0] != '\0'
		   ? EXIT_STATUS_PROBLEM
		   : status;
}

struct install_options
setup_install_options(const struct settings *settings)
{
	return (struct install_options){
	    .schema = settings->postgres.schema,
	    .notify_mode = notify_mode_name(settings->postgres.notify),
	    .bulk_rows = settings->limits.bulk_rows,
	};
}
