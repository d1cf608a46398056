/*
 * "pgripple run": hands over to the daemon.
 */
#include "cli/commands.h"

enum exit_status
run_command(const struct cli_call *call)
{
	return call->host->run(call->options->config);
}
