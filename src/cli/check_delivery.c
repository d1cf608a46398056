/*
 * "pgripple check": what the database does with changes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/ident.h"
#include "cli/check.h"
#include "config/settings.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "postgres/quote.h"

/* More or older than this waits only when something is wrong. */
#define MANY_CHANGES 100000
#define OLD_SECONDS 300

/* The schema stands between the two parts.  A missing right is told by
 * check_rights(). */
static int
ask(struct report *report, struct command *command, const char *schema,
    struct rows *ret_rows, const char *before, const char *after)
{
	struct buf sql = BUF_INIT;
	struct pgripple_error err;
	int result;

	buf_add_string(&sql, before);
	quote_identifier(&sql, schema);
	buf_add_string(&sql, after);
	result = sql.failed ? pgripple_error_nomem(&err)
			    : command_query(
				  command, sql.bytes, 0, NULL, ret_rows, &err);
	buf_done(&sql);
	if (result != 0 && strcmp(command_sqlstate(command), "42501") != 0)
		check_refused(report, command, "postgres", &err);
	return result;
}

static void
check_capture(
    struct report *report, struct command *command, const char *schema)
{
	struct rows rows;
	struct buf hint = BUF_INIT;

	if (ask(report, command, schema, &rows, "SELECT ", ".is_enabled()") !=
		0 ||
	    rows_bool(&rows, 0, 0))
		return;
	buf_add_string(&hint, "Let the schema's owner run: SELECT ");
	ident_print(&hint, schema);
	buf_add_string(&hint, ".enable();");
	report_problem(report, buf_string(&hint),
	    "capture is disabled: changes go unseen");
	buf_done(&hint);
}

/* A transaction that called NOTIFY cannot be prepared. */
static void
check_prepared(
    struct report *report, struct command *command, enum notify_mode mode)
{
	struct rows rows;
	struct pgripple_error err;
	const char *most;

	if (command_query(command,
		"SELECT "
		"pg_catalog.current_setting('max_prepared_transactions')",
		0, NULL, &rows, &err) != 0) {
		check_refused(report, command, "postgres", &err);
		return;
	}
	most = rows_text(&rows, 0, 0);
	if (strcmp(most, "0") == 0)
		return;
	if (mode == NOTIFY_MODE_ALWAYS)
		report_warning(report,
		    "Postgres refuses to prepare a transaction that wrote to "
		    "a watched table: if the application does two-phase "
		    "commit, set postgres.notify to never.",
		    "max_prepared_transactions is %s", most);
	else
		report_warning(report,
		    "Changes wait for the next poll: set it to 0, or "
		    "postgres.notify to always if the application does no "
		    "two-phase commit.",
		    "max_prepared_transactions is %s, so the doorbell does "
		    "not ring",
		    most);
}

static void
check_notify(struct report *report, struct command *command,
    const struct catalog *catalog, const struct settings *settings)
{
	const char *wanted = notify_mode_name(settings->postgres.notify);

	if (catalog->notify_mode != NULL &&
	    strcmp(catalog->notify_mode, wanted) != 0)
		report_warning(report, "Run \"pgripple install\".",
		    "notify mode: \"%s\" in the database, \"%s\" in %s",
		    catalog->notify_mode, wanted, settings->file);
	else if (catalog->notify_mode != NULL)
		report_ok(report, "notify mode: %s", catalog->notify_mode);

	if (settings->postgres.notify != NOTIFY_MODE_NEVER)
		check_prepared(report, command, settings->postgres.notify);
}

/* Counts no further than it must, for many changes are slow to count. */
static void
check_outbox(struct report *report, struct command *command, const char *schema)
{
	struct rows rows;
	int64_t n, seconds;
	char age[64] = "";

	if (ask(report, command, schema, &rows,
		"SELECT count(*), coalesce(extract(epoch FROM"
		" clock_timestamp() - (array_agg(at ORDER BY id))[1]), 0)"
		"::bigint FROM (SELECT id, at FROM ",
		".outbox ORDER BY id LIMIT 100001) AS o") != 0)
		return;
	n = rows_int(&rows, 0, 0);
	seconds = rows_int(&rows, 0, 1);
	if (n > 0)
		(void)snprintf(age, sizeof(age),
		    ", the oldest for %" PRId64 " s", seconds);
	if (n <= MANY_CHANGES && seconds <= OLD_SECONDS)
		report_ok(report, "outbox: %" PRId64 " waiting%s", n, age);
	else
		report_warning(report,
		    "Does the daemon run, and does it reach Redis? Its log "
		    "says what it waits for.",
		    "outbox: %s%" PRId64 " waiting%s",
		    n > MANY_CHANGES ? "more than " : "",
		    n > MANY_CHANGES ? MANY_CHANGES : n, age);
}

void
check_delivery(struct report *report, struct command *command,
    const struct catalog *catalog, const struct settings *settings)
{
	const char *schema = settings->postgres.schema;
	bool is_current = catalog->installed &&
			  catalog->schema_version == CATALOG_SCHEMA_VERSION;

	if (is_current)
		check_capture(report, command, schema);
	check_notify(report, command, catalog, settings);
	if (is_current)
		check_outbox(report, command, schema);
}
