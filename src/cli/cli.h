/*
 * The command line: finds the command in a table, reads its options, runs it.
 */
#ifndef PGRIPPLE_CLI_CLI_H
#define PGRIPPLE_CLI_CLI_H

/* What the command line must not know itself. */
struct cli_host {
	/* Runs the daemon until it is told to stop; the exit status. */
	int (*run)(const char *settings_path);
	const char *event_version; /* of libevent */
};

/* Returns the exit status, enum exit_status.  May overwrite secrets in argv. */
int cli_main(int argc, char **argv, const struct cli_host *host);

#endif
