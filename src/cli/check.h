/*
 * The parts of "check".  Each adds its lines to the report.
 */
#ifndef PGRIPPLE_CLI_CHECK_H
#define PGRIPPLE_CLI_CHECK_H

#include "cli/report.h"

struct catalog;
struct command;
struct configuration;
struct options;
struct pgripple_graph;
struct redis_blocking;
struct settings;

void check_postgres(struct report *report, const struct options *options,
    const struct configuration *configuration);
/* What the database does with changes: whether it captures them, whether the
 * doorbell rings, what waits. */
void check_delivery(struct report *report, struct command *command,
    const struct catalog *catalog, const struct settings *settings);
void check_rights(
    struct report *report, struct command *command, const char *schema);
/* What can be asked for by hand, by the database: the models of the graph? */
void check_models(struct report *report, struct command *command,
    const struct configuration *configuration, const struct catalog *catalog);
/* Where a rule waits for read replicas. */
void check_replica_rights(struct report *report, struct command *command);
void check_lookup_rights(struct report *report, struct command *command,
    const struct pgripple_graph *graph, const struct catalog *catalog);
/* A statement that failed: a problem if the server refused it. */
void check_refused(struct report *report, const struct command *command,
    const char *subject, const struct pgripple_error *err);
/* What django-cacheops has in a target and no rule expects. */
void check_cacheops(struct report *report, struct redis_blocking *redis,
    const struct pgripple_graph *graph, size_t target);
void check_redis(
    struct report *report, const struct configuration *configuration);

#endif
