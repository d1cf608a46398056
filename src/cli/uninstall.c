/*
 * "pgripple uninstall": shows what would go, asks, removes it.
 */
#include <inttypes.h>

#include "base/buf.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/settings.h"
#include "postgres/command.h"
#include "postgres/install.h"
#include "postgres/quote.h"

#define LOCK_TIMEOUT_MS 2000
#define N_ATTEMPTS 5
#define PAUSE_MS 1000

/* A schema of that name that is not pgripple's is none of its business. */
static int
is_installed(struct command *command, const char *schema, bool *ret_installed,
    struct pgripple_error *err)
{
	struct rows rows;

	if (command_query(command,
		"SELECT EXISTS (SELECT FROM pg_class AS c"
		" JOIN pg_namespace AS n ON n.oid = c.relnamespace"
		" WHERE n.nspname = $1 AND c.relname = 'watch_list')",
		1, &schema, &rows, err) != 0)
		return -1;
	*ret_installed = rows_bool(&rows, 0, 0);
	return 0;
}

static int
show_tables(
    struct command *command, const char *quoted, struct pgripple_error *err)
{
	struct buf sql = BUF_INIT;
	struct rows rows;
	int result;

	buf_printf(&sql,
	    "SELECT table_name FROM %s.watch_list ORDER BY table_name", quoted);
	result = sql.failed
		     ? pgripple_error_nomem(err)
		     : command_query(command, sql.bytes, 0, NULL, &rows, err);
	if (result == 0)
		for (size_t i = 0; i < rows_count(&rows); i++)
			(void)printf(
			    "  the triggers of %s\n", rows_text(&rows, i, 0));
	buf_done(&sql);
	return result;
}

static int
show_waiting(
    struct command *command, const char *quoted, struct pgripple_error *err)
{
	struct buf sql = BUF_INIT;
	struct rows rows;
	int result;

	buf_printf(&sql, "SELECT count(*) FROM %s.outbox", quoted);
	result = sql.failed
		     ? pgripple_error_nomem(err)
		     : command_query(command, sql.bytes, 0, NULL, &rows, err);
	if (result == 0 && rows_int(&rows, 0, 0) == 1)
		(void)printf("  1 change in it that is not yet applied\n");
	else if (result == 0 && rows_int(&rows, 0, 0) > 1)
		(void)printf("  %" PRId64
			     " changes in it that are not yet applied\n",
		    rows_int(&rows, 0, 0));
	buf_done(&sql);
	return result;
}

static int
show(struct command *command, const char *schema, struct pgripple_error *err)
{
	struct buf quoted = BUF_INIT;
	int result;

	quote_identifier(&quoted, schema);
	(void)printf("This removes from %s:\n", command_describe(command));
	result = show_tables(command, buf_string(&quoted), err);
	(void)printf("  the schema \"%s\" with everything in it\n", schema);
	if (result == 0)
		result = show_waiting(command, buf_string(&quoted), err);
	buf_done(&quoted);
	return result;
}

static void
say_waiting(void *context, const struct install_step *step,
    const struct pgripple_error *err)
{
	(void)context;
	(void)step;
	(void)printf("waiting: %s\n", err->text);
	(void)fflush(stdout);
}

static int
remove_objects(
    struct command *command, const char *schema, struct pgripple_error *err)
{
	const struct install_patience patience = {
	    .lock_timeout_ms = LOCK_TIMEOUT_MS,
	    .n_attempts = N_ATTEMPTS,
	    .pause_ms = PAUSE_MS,
	    .on_wait = say_waiting,
	};
	struct buf script = BUF_INIT;
	bool changed;
	int result = install_removal(schema, &script, err);

	if (result == 0) {
		const struct install_step step = {
		    .kind = INSTALL_OBJECTS,
		    .subject = schema,
		    .sql = buf_string(&script),
		};

		result = install_run(command, &step, &patience, &changed, err);
	}
	buf_done(&script);
	return result;
}

static enum exit_status
uninstall(
    struct command *command, const char *schema, const struct options *options)
{
	struct pgripple_error err;
	enum exit_status status;
	bool installed;

	if (is_installed(command, schema, &installed, &err) != 0)
		return setup_refused(command, &err);
	if (!installed) {
		(void)printf("nothing to remove: schema \"%s\" is not "
			     "installed\n",
		    schema);
		return EXIT_STATUS_OK;
	}
	if (show(command, schema, &err) != 0)
		return setup_refused(command, &err);
	status = setup_confirm(options, "removed");
	if (status != EXIT_STATUS_OK)
		return status;
	if (remove_objects(command, schema, &err) != 0)
		return setup_refused(command, &err);
	(void)printf("removed\n");
	return EXIT_STATUS_OK;
}

enum exit_status
uninstall_command(const struct cli_call *call)
{
	struct settings *settings;
	struct command *command;
	enum exit_status status = setup_settings(call->options, &settings);

	if (status != EXIT_STATUS_OK)
		return status;
	status = setup_postgres(call->options, settings, &command);
	if (status == EXIT_STATUS_OK) {
		status = uninstall(
		    command, settings->postgres.schema, call->options);
		command_close(command);
	}
	settings_free(settings);
	return status;
}
