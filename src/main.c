/*
 * pgripple: removes from Redis what a commit in Postgres made stale.
 */
#include <event2/event.h>
#include <signal.h>

#include "cli/cli.h"
#include "flow/daemon.h"

int
main(int argc, char **argv)
{
	const struct cli_host host = {
	    .run = daemon_run,
	    .event_version = event_get_version(),
	};

	/* A peer or a reader that is gone is an error of write(), not a
	 * reason to die. */
	(void)signal(SIGPIPE, SIG_IGN);
	return cli_main(argc, argv, &host);
}
