/*
 * The settings that our statements rely on, whatever the database, the role or
 * the site says.  Private to this folder.
 */
#ifndef PGRIPPLE_POSTGRES_PINS_H
#define PGRIPPLE_POSTGRES_PINS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct buf;

#define PINS_OLDEST_SERVER 130000

/* PEER error if the server is too old. */
int pins_check_version(PGconn *conn, struct pgripple_error *err) MUST_CHECK;

/* Appends a script that pins the settings, and answers one row: whether the
 * server is a standby.  relaxed: a commit does not wait for the disk. */
void pins_print(struct buf *sql, int server_version,
    int64_t statement_timeout_ms, bool relaxed);

#endif
