/*
 * "pgripple invalidate --dry-run": what would be done.
 */
#ifndef PGRIPPLE_CLI_INVALIDATE_SHOW_H
#define PGRIPPLE_CLI_INVALIDATE_SHOW_H

#include "base/exit_status.h"
#include "base/util.h"

struct command;
struct configuration;

/* Ends the open transaction, whose id is given, without a trace, and prints
 * what its changes would lead to.  The schema is quoted. */
enum exit_status invalidate_show(struct command *command,
    const struct configuration *configuration, const char *schema,
    const char *xid) MUST_CHECK;

#endif
