/*
 * "pgripple invalidate": asking by hand, from a shell.
 *
 * It calls the functions that any program may call, in one transaction; they
 * say what is wrong with a model or a row.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/commands.h"
#include "cli/invalidate_show.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/command.h"
#include "postgres/quote.h"

/* Between two looks at what has been applied. */
#define FIRST_PAUSE_MS 2
#define LAST_PAUSE_MS 100

struct work {
	struct command *command;
	const struct options *options;
	const struct configuration *configuration; /* of a dry run */
	const char *schema; /* quoted */
	char xid[32];
};

/* ---- what was asked for ---- */

static int
check_words(const struct options *options, struct pgripple_error *err)
{
	bool is_whole = options_has(options, OPTION_MODEL);
	bool is_all = options_has(options, OPTION_ALL);

	if (is_whole + is_all + (options->n_words > 0) != 1)
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "\"invalidate\" needs one of: a model and rows, --model, "
		    "--all");
	else if (options->n_words == 1)
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "\"invalidate %s\" needs a row", options->words[0]);
	else
		return 0;
	pgripple_error_hint(err,
	    "For example \"pgripple invalidate team id=42\", or \"pgripple "
	    "invalidate --model team\".");
	return -1;
}

/* "column=value", ended by a comma or the end of the word; NULL if it is not
 * one. */
static const char *
add_column(struct buf *json, const char *text)
{
	size_t length = strcspn(text, ",");
	const char *equals = memchr(text, '=', length);

	if (equals == NULL || equals == text)
		return NULL;
	if (json->n > 1)
		buf_add_char(json, ',');
	json_write_quoted(json, text, (size_t)(equals - text));
	buf_add_char(json, ':');
	json_write_quoted(
	    json, equals + 1, (size_t)(text + length - equals - 1));
	return text + length;
}

/* A row as JSON: a word that is JSON already, or its columns. */
static int
read_row(const char *word, struct buf *json, struct pgripple_error *err)
{
	const char *text = word;

	if (word[0] == '{') {
		buf_add_string(json, word);
		return json->failed ? pgripple_error_nomem(err) : 0;
	}
	buf_add_char(json, '{');
	for (;; text++) {
		text = add_column(json, text);
		if (text == NULL) {
			(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
			    "\"%s\" is not a row", word);
			pgripple_error_hint(err,
			    "Write it as id=42, as team_id=1,user_id=2 or, "
			    "with commas in a value, as "
			    "'{\"slug\": \"a,b\"}'.");
			return -1;
		}
		if (*text == '\0')
			break;
	}
	buf_add_char(json, '}');
	return json->failed ? pgripple_error_nomem(err) : 0;
}

/* Before anything is asked. */
static int
check_rows(const struct options *options, struct pgripple_error *err)
{
	for (size_t i = 1; i < options->n_words; i++) {
		CLEANUP(buf_done) struct buf json = BUF_INIT;

		if (read_row(options->words[i], &json, err) != 0)
			return -1;
	}
	return 0;
}

/* ---- asking ---- */

/* The schema stands between the two parts. */
static int
query(const struct work *work, const char *before, const char *after,
    int n_values, const char *const *values, struct rows *ret_rows,
    struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf sql = BUF_INIT;

	buf_printf(&sql, "%s%s%s", before, work->schema, after);
	return sql.failed ? pgripple_error_nomem(err)
			  : command_query(work->command, sql.bytes, n_values,
				values, ret_rows, err);
}

/* Every function returns the transaction. */
static int
ask(struct work *work, const char *call, int n_values,
    const char *const *values, struct pgripple_error *err)
{
	struct rows rows;

	if (query(work, "SELECT ", call, n_values, values, &rows, err) != 0)
		return -1;
	(void)snprintf(
	    work->xid, sizeof(work->xid), "%s", rows_text(&rows, 0, 0));
	return 0;
}

static int
ask_all(struct work *work, struct pgripple_error *err)
{
	const struct options *options = work->options;

	if (options_has(options, OPTION_ALL))
		return ask(work, ".invalidate_all()", 0, NULL, err);
	if (options_has(options, OPTION_MODEL))
		return ask(
		    work, ".invalidate_model($1)", 1, &options->model, err);
	for (size_t i = 1; i < options->n_words; i++) {
		CLEANUP(buf_done) struct buf json = BUF_INIT;
		const char *values[2] = {options->words[0]};

		if (read_row(options->words[i], &json, err) != 0)
			return -1;
		values[1] = buf_string(&json);
		if (ask(work, ".invalidate($1, $2::jsonb)", 2, values, err) !=
		    0)
			return -1;
	}
	return 0;
}

/* ---- what came of it ---- */

static void
say_asked(const struct work *work)
{
	const struct options *options = work->options;
	size_t n_rows = options->n_words - 1;

	if (options_has(options, OPTION_ALL))
		(void)printf("asked for every model");
	else if (options_has(options, OPTION_MODEL))
		(void)printf("asked for model \"%s\"", options->model);
	else
		(void)printf("asked for %zu row%s of model \"%s\"", n_rows,
		    n_rows == 1 ? "" : "s", options->words[0]);
	(void)printf(", transaction %s\n", work->xid);
	(void)fflush(stdout);
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

static enum exit_status
wait_applied(const struct work *work)
{
	int64_t start_us = clock_monotonic_us();
	int64_t timeout_us = work->options->timeout_ms * 1000;
	int64_t pause_ms = FIRST_PAUSE_MS;
	const char *xid = work->xid;
	struct pgripple_error err;
	struct rows rows;
	int64_t age_us;

	for (;;) {
		if (query(work, "SELECT ", ".applied($1::xid8)", 1, &xid, &rows,
			&err) != 0)
			return setup_refused(work->command, &err);
		age_us = clock_monotonic_us() - start_us;
		if (rows_bool(&rows, 0, 0)) {
			(void)printf(
			    "applied after %.1f ms\n", (double)age_us / 1000);
			return EXIT_STATUS_OK;
		}
		if (age_us >= timeout_us)
			break;
		pause_for(pause_ms);
		pause_ms =
		    pause_ms * 2 < LAST_PAUSE_MS ? pause_ms * 2 : LAST_PAUSE_MS;
	}
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_INPUT,
	    "not applied within %.1f s", (double)timeout_us / 1e6);
	pgripple_error_hint(&err,
	    "It will be, once the daemon comes to it; \"pgripple ping\" tells "
	    "whether it does.");
	(void)output_error(&err);
	return EXIT_STATUS_PROBLEM;
}

static enum exit_status
run(struct work *work)
{
	const struct options *options = work->options;
	struct pgripple_error err;

	if (command_query(work->command, "BEGIN", 0, NULL, NULL, &err) != 0 ||
	    ask_all(work, &err) != 0)
		return setup_refused(work->command, &err);
	if (options_has(options, OPTION_DRY_RUN))
		return invalidate_show(work->command, work->configuration,
		    work->schema, work->xid);
	if (command_query(work->command, "COMMIT", 0, NULL, NULL, &err) != 0)
		return setup_refused(work->command, &err);
	say_asked(work);
	return options_has(options, OPTION_WAIT) ? wait_applied(work)
						 : EXIT_STATUS_OK;
}

/* ---- the command ---- */

static enum exit_status
confirm(const struct options *options)
{
	if (!options_has(options, OPTION_ALL))
		return EXIT_STATUS_OK;
	if (!options_has(options, OPTION_YES))
		(void)printf("This invalidates everything that the graph knows "
			     "of.\n");
	return setup_confirm(options, "invalidated");
}

/* The configuration is NULL unless it is a dry run. */
static enum exit_status
connect_and_run(const struct options *options, const struct settings *settings,
    const struct configuration *configuration)
{
	CLEANUP(buf_done) struct buf schema = BUF_INIT;
	struct work work = {
	    .options = options,
	    .configuration = configuration,
	};
	enum exit_status status =
	    setup_postgres(options, settings, &work.command);

	if (status != EXIT_STATUS_OK)
		return status;
	quote_identifier(&schema, settings->postgres.schema);
	work.schema = buf_string(&schema);
	status = run(&work);
	command_close(work.command);
	return status;
}

/* It needs the graph, which asking does not. */
static enum exit_status
run_dry(const struct options *options)
{
	struct configuration *configuration;
	enum exit_status status = setup_configuration(options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	status =
	    connect_and_run(options, configuration->settings, configuration);
	configuration_free(configuration);
	return status;
}

enum exit_status
invalidate_command(const struct cli_call *call)
{
	struct settings *settings;
	struct pgripple_error err;
	enum exit_status status;

	if (check_words(call->options, &err) != 0 ||
	    check_rows(call->options, &err) != 0)
		return output_usage_error(&err);
	if (options_has(call->options, OPTION_DRY_RUN))
		return run_dry(call->options);
	status = setup_settings(call->options, &settings);
	if (status != EXIT_STATUS_OK)
		return status;
	status = confirm(call->options);
	if (status == EXIT_STATUS_OK)
		status = connect_and_run(call->options, settings, NULL);
	settings_free(settings);
	return status;
}
