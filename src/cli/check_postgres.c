/*
 * "pgripple check", the part that asks Postgres.
 */
#include "cli/check.h"

#include <string.h>

#include "cli/output.h"
#include "cli/pooler.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "config/login.h"
#include "postgres/catalog.h"
#include "postgres/command.h"

static const char *
first_word(const char *text, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "%.*s", (int)strcspn(text, " "), text);
	return buffer;
}

void
check_refused(struct report *report, const struct command *command,
    const char *subject, const struct pgripple_error *err)
{
	if (command_sqlstate(command)[0] != '\0')
		report_problem(report, err->hint, "%s: %s", subject, err->text);
	else
		report_failure(report, subject, err);
}

static void
check_server(struct report *report, struct command *command)
{
	struct rows rows;
	struct pgripple_error err;
	char version[64];

	if (command_query(command,
		"SELECT pg_catalog.current_setting('server_version'), "
		"pg_catalog.current_setting('server_encoding')",
		0, NULL, &rows, &err) != 0) {
		check_refused(report, command, "postgres", &err);
		return;
	}
	report_ok(report, "postgres %s: version %s", command_describe(command),
	    first_word(rows_text(&rows, 0, 0), version, sizeof(version)));
	if (strcmp(rows_text(&rows, 0, 1), "SQL_ASCII") == 0)
		report_problem(report,
		    "Values that are not UTF-8 could not be read: move the "
		    "data to a database with ENCODING 'UTF8'.",
		    "the encoding of the database is SQL_ASCII, which accepts "
		    "any bytes");
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

/* "install" refuses a graph that the database does not fit. */
static const char *
install_hint(const struct catalog *catalog)
{
	return catalog->problems.n_items == 0
		   ? "Run \"pgripple install\"."
		   : "Correct the graph, then run \"pgripple install\".";
}

static void
check_objects(
    struct report *report, const struct catalog *catalog, const char *schema)
{
	if (!catalog->installed)
		report_problem(report, install_hint(catalog),
		    "schema \"%s\" is not installed", schema);
	else if (catalog->version == NULL ||
		 strcmp(catalog->version, PGRIPPLE_VERSION) != 0)
		report_problem(report, install_hint(catalog),
		    "schema \"%s\": version %s, but this is pgripple %s",
		    schema,
		    catalog->version == NULL ? "unknown" : catalog->version,
		    PGRIPPLE_VERSION);
	else
		report_ok(report, "schema \"%s\": version %s", schema,
		    catalog->version);
}

static void
check_table(struct report *report, const struct pgripple_table *table,
    const struct catalog_table *state, const char *hint)
{
	switch (state->watch) {
	case CATALOG_WATCHED:
		report_ok(report, "table %s: watched", table->spelled);
		break;
	case CATALOG_UNWATCHED:
		report_problem(
		    report, hint, "table %s: not watched", table->spelled);
		break;
	case CATALOG_DIFFERENT:
	case CATALOG_BROKEN:
		/* Told once, for all of them. */
		if (state->problem != NULL &&
		    strcmp(state->problem, "capture is disabled") == 0)
			break;
		report_problem(report, hint, "table %s: %s", table->spelled,
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
	/* A table that does not exist is a problem of the graph. */
	for (size_t i = 0; i < graph->n_tables; i++)
		if (catalog->tables[i].quoted != NULL)
			check_table(report, &graph->tables[i],
			    &catalog->tables[i], install_hint(catalog));
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
		check_refused(report, command, "postgres", &err);
		if (strcmp(command_sqlstate(command), "42501") == 0)
			check_rights(report, command, schema);
		return;
	}
	check_objects(report, catalog, schema);
	check_delivery(report, command, catalog, settings);
	check_tables(report, catalog, configuration->graph);
	check_models(report, command, configuration, catalog);
	/* Another role than the daemon's says nothing about it. */
	if (!options_has(options, OPTION_CONNINFO)) {
		check_rights(report, command, schema);
		if (configuration->graph->waits_for_replicas)
			check_replica_rights(report, command);
		check_lookup_rights(
		    report, command, configuration->graph, catalog);
	}
	if (catalog->problems.n_items > 0) {
		report->n_errors += (unsigned)catalog->problems.n_items;
		report_status(report, output_errors(&catalog->problems));
	}
	catalog_free(catalog);
}

void
check_postgres(struct report *report, const struct options *options,
    const struct configuration *configuration)
{
	const struct settings *settings = configuration->settings;
	CLEANUP(login_forget) char *conninfo = NULL;
	struct command *command;
	struct pgripple_error err;

	if (setup_conninfo(options, settings, &conninfo, &err) != 0 ||
	    command_open(conninfo, settings->postgres.connect_timeout_ms,
		settings->postgres.statement_timeout_ms, &command, &err) != 0) {
		report_failure(report, "postgres", &err);
		return;
	}
	check_server(report, command);
	check_session(report, command, conninfo, settings);
	check_database(report, options, configuration, command);
	command_close(command);
}
