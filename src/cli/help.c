/*
 * The help: what a newcomer needs on one screen, and a screen per command.
 */
#include <string.h>

#include "cli/commands.h"

#define OPTION_WIDTH 24

static void
print_option(FILE *stream, const struct option_info *option)
{
	char head[64];
	const char *line = option->help;
	int n = option->letter != 0
		    ? snprintf(head, sizeof(head), "-%c, --%s", option->letter,
			  option->name)
		    : snprintf(head, sizeof(head), "    --%s", option->name);

	if (option->argument != NULL)
		(void)snprintf(head + n, sizeof(head) - (size_t)n, " %s",
		    option->argument);
	/* One line of the help beside the option, the others below it. */
	for (const char *left = head; line != NULL; left = "") {
		int length = (int)strcspn(line, "\n");

		(void)fprintf(
		    stream, "  %-*s %.*s\n", OPTION_WIDTH, left, length, line);
		line = line[length] == '\n' ? line + length + 1 : NULL;
	}
}

void
help_print(FILE *stream)
{
	(void)fputs(
	    "pgripple removes from Redis what a commit in Postgres made "
	    "stale.\n\n"
	    "usage: pgripple COMMAND [OPTION]...\n\n"
	    "commands:\n",
	    stream);
	for (size_t i = 0; i < n_cli_commands; i++)
		(void)fprintf(stream, "  %-10s %s\n", cli_commands[i].name,
		    cli_commands[i].summary);
	(void)fputs(
	    "\noptions:\n"
	    "  -c, --config FILE  the settings; default " PGRIPPLE_CONFIG_FILE
	    "\n"
	    "  -h, --help         after a command: its options and examples\n"
	    "\nfor example, with a new pgripple.yaml and graph.yaml:\n"
	    "  pgripple check --offline -c pgripple.yaml  "
	    "# are the files right?\n"
	    "  pgripple install -c pgripple.yaml          "
	    "# as the owner of the tables\n"
	    "\nexit status: 0 fine, 1 problem found, 64 usage, 69 no server, "
	    "78 configuration\n",
	    stream);
}

void
help_print_command(FILE *stream, const struct cli_command *command)
{
	(void)fprintf(stream, "usage: pgripple %s %s%s[OPTION]...\n\n%s\n\n",
	    command->name, command->words == NULL ? "" : command->words,
	    command->words == NULL ? "" : " ", command->help);
	(void)fputs("options:\n", stream);
	for (size_t i = 0; i < n_options; i++) {
		unsigned bit = 1u << option_table[i].id;

		if ((command->options | OPTION(HELP)) & bit)
			print_option(stream, &option_table[i]);
	}
	(void)fprintf(stream, "\nfor example:\n%s\n", command->examples);
}
