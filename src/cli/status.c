/*
 * "pgripple status": how it goes, from the database and from the daemon.
 *
 * Rates come from two looks at the outbox: ids that were drawn in between are
 * changes that were written, and what of them does not wait was applied.
 */
#include "cli/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/listen_address.h"
#include "config/settings.h"
#include "postgres/command.h"

#define WATCH_S 2
#define RATE_S 1

/* What of a look the next one needs. */
struct counts {
	bool known;
	int64_t at_us;
	int64_t newest_id;
	int64_t waiting;
};

struct status {
	const struct options *options;
	const struct settings *settings;
	struct command *command;
	struct counts before;
};

static struct status_rates
rates_since(struct counts *before, const struct status_look *look)
{
	const struct counts now = {
	    .known = true,
	    .at_us = look->at_us,
	    .newest_id = json_int(look->database, "newest_id"),
	    .waiting = json_int(look->database, "changes"),
	};
	struct status_rates rates = {.known = before->known};
	double seconds = (double)(now.at_us - before->at_us) / 1000000;
	double written = (double)(now.newest_id - before->newest_id);
	double applied = written - (double)(now.waiting - before->waiting);

	rates.written = written > 0 ? written / seconds : 0;
	rates.applied = applied > 0 ? applied / seconds : 0;
	*before = now;
	return rates;
}

/* The daemon may be on another machine: not to reach it is no failure. */
static void
ask_daemon(struct status *status, struct arena *arena, struct status_look *look)
{
	const char *listen = status->settings->http.listen;
	struct pgripple_error err;

	if (strcmp(listen, LISTEN_OFF) != 0 &&
	    status_ask_daemon(arena, listen, &look->daemon, &err) != 0)
		(void)snprintf(look->daemon_error, sizeof(look->daemon_error),
		    "%s", err.text);
}

static int
look_once(struct status *status, struct arena *arena, struct status_look *look,
    struct pgripple_error *err)
{
	if (status_ask_database(arena, status->command,
		status->settings->postgres.schema, &look->database, err) != 0)
		return -1;
	look->at_us = clock_monotonic_us();
	return 0;
}

static enum exit_status
show(struct status *status, struct arena *arena, struct pgripple_error *err)
{
	struct status_look look = {.daemon = NULL};
	struct status_problems problems;
	struct status_rates rates;

	if (look_once(status, arena, &look, err) != 0)
		return setup_refused(status->command, err);
	ask_daemon(status, arena, &look);
	rates = rates_since(&status->before, &look);
	status_find_problems(arena, &look, &problems);
	if (options_has(status->options, OPTION_JSON))
		status_print_json(&look, &rates, &problems);
	else
		status_print_text(&look, &rates, &problems);
	return problems.n == 0 ? EXIT_STATUS_OK : EXIT_STATUS_PROBLEM;
}

/* A look whose only purpose is that the next one can tell rates. */
static enum exit_status
look_first(
    struct status *status, struct arena *arena, struct pgripple_error *err)
{
	struct status_look look = {.daemon = NULL};

	if (look_once(status, arena, &look, err) != 0)
		return setup_refused(status->command, err);
	(void)rates_since(&status->before, &look);
	(void)sleep(RATE_S);
	return EXIT_STATUS_OK;
}

static enum exit_status
one_round(struct status *status, struct pgripple_error *err)
{
	struct arena *arena = arena_new();
	enum exit_status result = EXIT_STATUS_OK;

	if (arena == NULL) {
		(void)pgripple_error_nomem(err);
		return output_error(err);
	}
	if (!status->before.known)
		result = look_first(status, arena, err);
	if (result == EXIT_STATUS_OK)
		result = show(status, arena, err);
	arena_free(arena);
	return result;
}

/* Until the reader goes, or the database does. */
static enum exit_status
watch(struct status *status, struct pgripple_error *err)
{
	bool is_terminal = isatty(STDOUT_FILENO) == 1 &&
			   !options_has(status->options, OPTION_JSON);
	enum exit_status result;

	for (;;) {
		if (is_terminal)
			(void)fputs("\033[H\033[2J", stdout);
		result = one_round(status, err);
		if (fflush(stdout) != 0 ||
		    (result != EXIT_STATUS_OK && result != EXIT_STATUS_PROBLEM))
			return result;
		(void)sleep(WATCH_S);
	}
}

enum exit_status
status_command(const struct cli_call *call)
{
	struct status status = {.options = call->options};
	struct settings *settings = NULL;
	struct pgripple_error err;
	enum exit_status result;

	result = setup_settings(call->options, &settings);
	if (result != EXIT_STATUS_OK)
		return result;
	status.settings = settings;
	result = setup_postgres(call->options, settings, &status.command);
	if (result == EXIT_STATUS_OK)
		result = options_has(call->options, OPTION_WATCH)
			     ? watch(&status, &err)
			     : one_round(&status, &err);
	command_close(status.command);
	settings_free(settings);
	return result;
}
