/*
 * The command line: finds the command in a table, reads its options, runs it.
 */
#include "cli/cli.h"

#include <string.h>

#include "base/closest.h"
#include "cli/commands.h"
#include "cli/output.h"

static const struct cli_command *
find_command(const char *name)
{
	for (size_t i = 0; i < n_cli_commands; i++)
		if (strcmp(cli_commands[i].name, name) == 0)
			return &cli_commands[i];
	return NULL;
}

static enum exit_status
unknown_command(const char *word)
{
	const char *names[16];
	size_t n = 0;
	const char *near;
	struct pgripple_error err;

	while (n < n_cli_commands && n < N_ELEMENTS(names)) {
		names[n] = cli_commands[n].name;
		n++;
	}
	near = closest(word, names, n);
	(void)pgripple_error_set(
	    &err, PGRIPPLE_ERROR_CONFIG, "unknown command \"%s\"", word);
	if (near != NULL)
		pgripple_error_hint(&err, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(
		    &err, "\"pgripple --help\" lists the commands.");
	return output_usage_error(&err);
}

/* The first option that was given and does not belong to the command. */
static const struct option_info *
find_stranger(const struct cli_command *command, const struct options *options)
{
	for (size_t i = 0; i < n_options; i++)
		if (options_has(options, option_table[i].id) &&
		    !(command->options >> option_table[i].id & 1))
			return &option_table[i];
	return NULL;
}

static enum exit_status
run(const struct cli_command *command, const struct cli_call *call)
{
	const struct option_info *stranger =
	    find_stranger(command, call->options);
	struct pgripple_error err;

	if (stranger == NULL && call->options->n_words <= command->n_words)
		return command->run(call);
	if (stranger != NULL)
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG,
		    "\"%s\" has no option \"--%s\"", command->name,
		    stranger->name);
	else
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG,
		    "unexpected word \"%s\" after \"%s\"",
		    call->options->words[command->n_words],
		    command->n_words == 0
			? command->name
			: call->options->words[command->n_words - 1]);
	pgripple_error_hint(&err,
	    "\"pgripple %s --help\" says what it understands.", command->name);
	return output_usage_error(&err);
}

/* "help" and "help COMMAND" are the same as --help. */
static enum exit_status
help(const char *subject)
{
	const struct cli_command *command;

	if (subject == NULL) {
		help_print(stdout);
		return EXIT_STATUS_OK;
	}
	command = find_command(subject);
	if (command == NULL)
		return unknown_command(subject);
	help_print_command(stdout, command);
	return EXIT_STATUS_OK;
}

static enum exit_status
dispatch(const struct options *options, const struct cli_host *host)
{
	const struct cli_call call = {options, host};
	const char *name = options->command;
	const struct cli_command *command;

	if (options_has(options, OPTION_HELP))
		return help(name);
	if (name == NULL && options_has(options, OPTION_VERSION))
		return version_command(&call);
	if (name == NULL) {
		help_print(stderr);
		return EXIT_STATUS_USAGE;
	}
	if (strcmp(name, "help") == 0)
		return help(options->words[0]);
	command = find_command(name);
	if (command == NULL)
		return unknown_command(name);
	return run(command, &call);
}

int
cli_main(int argc, char **argv, const struct cli_host *host)
{
	struct options options;
	struct pgripple_error err;
	enum exit_status status;

	if (options_parse(argc, argv, &options, &err) != 0)
		return output_usage_error(&err);
	status = output_finish(dispatch(&options, host));
	options_done(&options);
	return status;
}
