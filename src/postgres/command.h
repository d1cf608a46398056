/*
 * Blocking access to Postgres, for the command line.  The daemon's event loop
 * must not use it.
 */
#ifndef PGRIPPLE_POSTGRES_COMMAND_H
#define PGRIPPLE_POSTGRES_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/rows.h"

struct command;

/* Connects, with the same settings pinned as in a session.  CONFIG error if
 * the conninfo cannot be parsed, PEER if the server cannot be reached. */
int command_open(const char *conninfo, int64_t connect_timeout_ms,
    int64_t statement_timeout_ms, struct command **ret_command,
    struct pgripple_error *err) MUST_CHECK;
void command_close(struct command *command);

/* Without secrets; see session_describe(). */
const char *command_describe(const struct command *command);
int command_server_version(const struct command *command);
/* Of the last statement that failed; "" if it was the connection. */
/* Whether a conninfo has a password, or another secret, in its own text. */
bool command_conninfo_has_secret(const char *conninfo);

const char *command_sqlstate(const struct command *command);

/* Messages of the server below an error. */
typedef void (*command_notice_cb)(
    void *context, const char *severity, const char *text);
void command_on_notice(
    struct command *command, command_notice_cb notice, void *context);

/* Runs one statement.  ret_rows may be NULL; the rows are lent until the next
 * call.  -1: PEER, with the SQLSTATE in the text if the server refused it. */
int command_query(struct command *command, const char *sql, int n_values,
    const char *const *values, struct rows *ret_rows,
    struct pgripple_error *err) MUST_CHECK;
/* Runs several statements; one transaction unless they say otherwise.  The
 * rows are those of the last.  When one fails, an open transaction is rolled
 * back. */
int command_script(struct command *command, const char *sql,
    struct rows *ret_rows, struct pgripple_error *err) MUST_CHECK;

enum command_wait_outcome {
	COMMAND_NOTIFIED = 0,
	COMMAND_TIMED_OUT = 1,
};

/* Waits for a notification (LISTEN is the caller's).  The payload is lent
 * until the next call. */
int command_wait(struct command *command, int64_t timeout_ms,
    const char **ret_channel, const char **ret_payload,
    struct pgripple_error *err) MUST_CHECK;

#endif
