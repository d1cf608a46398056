/*
 * The table of commands, with what their help says.
 */
#include "cli/commands.h"

const struct cli_command cli_commands[] = {
    {
	.name = "version",
	.summary = "print the versions of pgripple and its libraries",
	.help = "Prints the versions of pgripple and of the libraries that it\n"
		"uses, one in a line.",
	.examples = "  pgripple version",
	.run = version_command,
    },
};
const size_t n_cli_commands = N_ELEMENTS(cli_commands);
