/*
 * "pgripple check", the part that asks Postgres.
 */
#include "cli/check.h"

#include <string.h>

#include "cli/output.h"
#include "cli/pooler.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/catalog.h"
#include "postgres/command.h"

#define RUN_INSTALL "Run \"pgripple install\"."

static const char *
first_word(const char *text, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "%.*s", (int)strcspn(text, " "), text);
	return buffer;
}

/* One value of a statement without parameters; NULL if there is none, said. */
static const char *
ask(struct report *report, struct command *command, const char *sql,
    struct rows *rows)
{
	struct pgripple_error err;

	if (command_query(command, sql, 0, NULL, rows, &err) != 0) {
		report_failure(report, "postgres", &err);
		return NULL;
	}
	return rows_text(rows, 0, 0);
}

static void
check_server(struct report *report, struct command *command)
{
	struct rows rows;
	char version[64];
	const char *text = ask(report, command,
	    "SELECT pg_catalog.current_setting('server_version')", &rows);

	if (text != NULL)
		report_ok(report, "postgres %s: version %s",
		    command_describe(command),
		    first_word(text, version, sizeof(version)));
}

static void
check_session(struct report *report, struct command *command,
    const char *conninfo, const struct settings *settings)
{
	static const char hint[] =
	    "pgripple needs a direct connection, or a pooler in session mode, "
	    "in postgres.conninfo; the application may keep its own.";
	struct command *second;
	struct pgripple_error err;
	const char *sign;
	int outcome;

	if (command_open(conninfo, settings->postgres.connect_timeout_ms,
		settings->postgres.statement_timeout_ms, &second, &err) != 0) {
		report_failure(report, "postgres, second connection", &err);
		return;
	}
	outcome = pooler_look(command, second, &sign, &err);
	command_close(second);
	if (outcome == POOLER_NONE)
		report_ok(report, "LISTEN and session locks work");
	else if (outcome == POOLER_FOUND)
		report_problem(report, hint,
		    "LISTEN and session locks do not work, as behind a "
		    "transaction pooler: %s",
		    sign);
	else
		report_problem(report, hint,
		    "LISTEN and session locks do not work: %s", err.text);
}

static void
check_objects(
    struct report *report, const struct catalog *catalog, const char *schema)
{
	if (!catalog->installed)
		report_problem(report, RUN_INSTALL,
		    "schema \"%s\" is not installed", schema);
	else if (catalog->version == NULL ||
		 strcmp(catalog->version, PGRIPPLE_VERSION) != 0)
		report_problem(report, RUN_INSTALL,
		    "schema \"%s\": version %s, but this is pgripple %s",
		    schema,
		    catalog->version == NULL ? "unknown" : catalog->version,
		    PGRIPPLE_VERSION);
	else
		report_ok(report, "schema \"%s\": version %s", schema,
		    catalog->version);
}

/* The doorbell's mode, in the settings and in the database. */
static void
check_notify(struct report *report, struct command *command,
    const struct catalog *catalog, const struct settings *settings)
{
	const char *wanted = notify_mode_name(settings->postgres.notify);
	struct rows rows;
	const char *prepared;

	if (catalog->notify_mode != NULL &&
	    strcmp(catalog->notify_mode, wanted) != 0)
		report_warning(report, RUN_INSTALL,
		    "notify mode: \"%s\" in the database, \"%s\" in %s",
		    catalog->notify_mode, wanted, settings->file);
	else if (catalog->notify_mode != NULL)
		report_ok(report, "notify mode: %s", catalog->notify_mode);

	if (settings->postgres.notify == NOTIFY_MODE_NEVER)
		return;
	prepared = ask(report, command,
	    "SELECT pg_catalog.current_setting('max_prepared_transactions')",
	    &rows);
	if (prepared != NULL && strcmp(prepared, "0") != 0)
		report_warning(report,
		    "Postgres refuses to prepare a transaction that wrote to "
		    "a watched table: if the application does two-phase "
		    "commit, set postgres.notify to never.",
		    "max_prepared_transactions is %s", prepared);
}

static void
check_table(struct report *report, const struct pgripple_table *table,
    const struct catalog_table *state)
{
	switch (state->watch) {
	case CATALOG_WATCHED:
		report_ok(report, "table %s: watched", table->spelled);
		break;
	case CATALOG_UNWATCHED:
		report_problem(report, RUN_INSTALL, "table %s: not watched",
		    table->spelled);
		break;
	case CATALOG_DIFFERENT:
	case CATALOG_BROKEN:
		report_problem(report, RUN_INSTALL, "table %s: %s",
		    table->spelled,
		    state->problem == NULL ? "not watched as the graph needs"
					   : state->problem);
		break;
	}
}

static void
check_tables(struct report *report, const struct catalog *catalog,
    const struct pgripple_graph *graph)
{
	if (!catalog->installed)
		return;
	for (size_t i = 0; i < graph->n_tables; i++)
		check_table(report, &graph->tables[i], &catalog->tables[i]);
	for (size_t i = 0; i < catalog->n_strays; i++)
		report_warning(report,
		    "Run \"pgripple install\" to stop watching it.",
		    "table %s: watched, but in no model", catalog->strays[i]);
}

static void
check_database(struct report *report, const struct options *options,
    const struct configuration *configuration, struct command *command)
{
	const struct settings *settings = configuration->settings;
	const char *schema = settings->postgres.schema;
	struct catalog *catalog;
	struct pgripple_error err;

	if (catalog_describe(
		command, schema, configuration->graph, &catalog, &err) != 0) {
		report_failure(report, "postgres", &err);
		if (strcmp(command_sqlstate(command), "42501") == 0)
			check_rights(report, command, schema);
		return;
	}
	check_objects(report, catalog, schema);
	check_notify(report, command, catalog, settings);
	if (catalog->problems.n_items > 0) {
		report->n_errors += (unsigned)catalog->problems.n_items;
		report_status(report, output_errors(&catalog->problems));
	} else {
		check_tables(report, catalog, configuration->graph);
		/* Another role than the daemon's says nothing about it. */
		if (!options_has(options, OPTION_CONNINFO)) {
			check_rights(report, command, schema);
			check_lookup_rights(
			    report, command, configuration->graph, catalog);
		}
	}
	catalog_free(catalog);
}

void
check_postgres(struct report *report, const struct options *options,
    const struct configuration *configuration)
{
	const struct settings *settings = configuration->settings;
	const char *conninfo = setup_conninfo(options, settings);
	struct command *command;
	struct pgripple_error err;

	if (command_open(conninfo, settings->postgres.connect_timeout_ms,
		settings->postgres.statement_timeout_ms, &command, &err) != 0) {
		report_failure(report, "postgres", &err);
		return;
	}
	check_server(report, command);
	check_session(report, command, conninfo, settings);
	check_database(report, options, configuration, command);
	command_close(command);
}
