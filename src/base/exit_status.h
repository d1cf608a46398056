/*
 * Exit statuses of the program, numbered as in sysexits.h.  The unit file
 * relies on them: systemd does not restart after USAGE and CONFIG.
 */
#ifndef PGRIPPLE_BASE_EXIT_STATUS_H
#define PGRIPPLE_BASE_EXIT_STATUS_H

#include <pgripple/error.h>

enum exit_status {
	EXIT_STATUS_OK = 0,
	EXIT_STATUS_PROBLEM = 1, /* found by check, or an action that failed */
	EXIT_STATUS_USAGE = 64,
	EXIT_STATUS_UNREACHABLE = 69, /* a server, now */
	EXIT_STATUS_BUG = 70,
	EXIT_STATUS_NOMEM = 71,
	EXIT_STATUS_CONFIG = 78,
};

/* How a command ends that an error of this kind ended. */
static inline enum exit_status
exit_status_of(enum pgripple_error_kind kind)
{
	switch (kind) {
	case PGRIPPLE_ERROR_CONFIG:
		return EXIT_STATUS_CONFIG;
	case PGRIPPLE_ERROR_PEER:
		return EXIT_STATUS_UNREACHABLE;
	case PGRIPPLE_ERROR_NOMEM:
		return EXIT_STATUS_NOMEM;
	case PGRIPPLE_ERROR_BUG:
		return EXIT_STATUS_BUG;
	case PGRIPPLE_ERROR_INPUT:
	case PGRIPPLE_ERROR_LIMIT:
		return EXIT_STATUS_PROBLEM;
	}
	return EXIT_STATUS_BUG;
}

#endif
