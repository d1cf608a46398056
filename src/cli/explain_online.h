/*
 * The database that is asked for an explanation: for commands that show what
 * the daemon would do.
 */
#ifndef PGRIPPLE_CLI_EXPLAIN_ONLINE_H
#define PGRIPPLE_CLI_EXPLAIN_ONLINE_H

#include "base/exit_status.h"
#include "cli/explain.h"

struct command;
struct configuration;
struct settings;

struct explain_online;

/* From now on the session of the command cannot write.  The table is that of
 * the change, if its row may have to be read, or NULL.  Says on standard error
 * what was wrong. */
enum exit_status explain_online_new(struct command *command,
    const struct configuration *configuration,
    const struct pgripple_table *table, struct explain_online **ret) MUST_CHECK;
void explain_online_free(struct explain_online *online);

const struct explain_database *explain_online_database(
    const struct explain_online *online);

/* The limits by which the daemon walks. */
struct pgripple_limits explain_limits(const struct settings *settings);

#endif
