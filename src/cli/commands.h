/*
 * The commands: what each is called with, and the table of them all.
 */
#ifndef PGRIPPLE_CLI_COMMANDS_H
#define PGRIPPLE_CLI_COMMANDS_H

#include <stddef.h>
#include <stdio.h>

#include "base/exit_status.h"
#include "cli/cli.h"
#include "cli/options.h"

struct cli_call {
	const struct options *options;
	const struct cli_host *host;
};

struct cli_command {
	const char *name;
	const char *summary; /* one line, for the list of commands */
	const char *help; /* a few lines for its own --help */
	const char *examples; /* indented */
	unsigned options; /* a set; --help is always one */
	const char *words; /* what may follow the name; NULL: nothing */
	size_t n_words; /* the most of them */
	enum exit_status (*run)(const struct cli_call *call);
};

/* In the order in which a new user needs them. */
extern const struct cli_command cli_commands[];
extern const size_t n_cli_commands;

enum exit_status check_command(const struct cli_call *call);
enum exit_status graph_command(const struct cli_call *call);
enum exit_status import_command(const struct cli_call *call);
enum exit_status sql_command(const struct cli_call *call);
enum exit_status diff_command(const struct cli_call *call);
enum exit_status install_command(const struct cli_call *call);
enum exit_status run_command(const struct cli_call *call);
enum exit_status explain_command(const struct cli_call *call);
enum exit_status invalidate_command(const struct cli_call *call);
enum exit_status status_command(const struct cli_call *call);
enum exit_status tail_command(const struct cli_call *call);
enum exit_status ping_command(const struct cli_call *call);
enum exit_status rejected_command(const struct cli_call *call);
enum exit_status uninstall_command(const struct cli_call *call);
enum exit_status version_command(const struct cli_call *call);

void help_print(FILE *stream);
void help_print_command(FILE *stream, const struct cli_command *command);

#endif
