/*
 * What most commands begin with: the files and the connection to Postgres.
 * Each returns EXIT_STATUS_OK, or the exit status after having said on
 * standard error what was wrong.
 */
#ifndef PGRIPPLE_CLI_SETUP_H
#define PGRIPPLE_CLI_SETUP_H

#include "base/exit_status.h"
#include "cli/options.h"
#include "postgres/install.h"

struct catalog;
struct command;
struct configuration;
struct redis_blocking;
struct settings;
struct settings_target;

enum exit_status setup_settings(
    const struct options *options, struct settings **ret_settings) MUST_CHECK;
/* Settings and graph. */
enum exit_status setup_configuration(const struct options *options,
    struct configuration **ret_configuration) MUST_CHECK;

/* --conninfo, or what the settings say, for login_forget(). */
int setup_conninfo(const struct options *options,
    const struct settings *settings, char **ret_conninfo,
    struct pgripple_error *err) MUST_CHECK;
enum exit_status setup_postgres(const struct options *options,
    const struct settings *settings, struct command **ret_command) MUST_CHECK;
/* Says nothing but fills *err.  CONFIG is the status of a bad URL; a server
 * that is there and cannot be used is a problem. */
enum exit_status setup_redis(const struct settings *settings,
    const struct settings_target *target, struct redis_blocking **ret_redis,
    struct pgripple_error *err) MUST_CHECK;
/* The graph is described to its end; problems that the catalog has with it
 * are errors. */
enum exit_status setup_catalog(struct command *command,
    const struct configuration *configuration,
    struct catalog **ret_catalog) MUST_CHECK;

/* A person says yes on a terminal; elsewhere --yes does.  nothing is what did
 * not happen otherwise: "removed". */
enum exit_status setup_confirm(
    const struct options *options, const char *nothing) MUST_CHECK;
/* Says what became of a statement.  A server that is there and refused is a
 * problem, not an unreachable server. */
enum exit_status setup_refused(
    const struct command *command, struct pgripple_error *err);

/* What the settings say of the installed objects; borrows from them. */
struct install_options setup_install_options(const struct settings *settings);

#endif
