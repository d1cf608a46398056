/*
 * "pgripple version": of itself and of the libraries it uses.
 */
#include "cli/commands.h"

enum exit_status
version_command(const struct cli_call *call)
{
	(void)printf("pgripple %s\n", PGRIPPLE_VERSION);
	(void)printf("libevent %s\n", call->host->event_version);
	return EXIT_STATUS_OK;
}
