/*
 * The database that is asked for an explanation.  The session cannot write.
 */
#include "cli/explain_online.h"

#include <stdlib.h>

#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/catalog.h"
#include "postgres/command.h"
#include "postgres/lookup.h"

struct explain_online {
	struct explain_database database;
	struct command *command; /* borrowed, as is the configuration */
	const struct configuration *configuration;
	const struct pgripple_table *table; /* of the only change, or NULL */
	struct catalog *catalog;
	struct arena *arena;
};

/* ---- what is asked ---- */

static const struct catalog_table *
known(const struct explain_online *online)
{
	const struct pgripple_graph *graph = online->configuration->graph;

	return &online->catalog->tables[online->table - graph->tables];
}

static int
read_row(void *context, const char *const *keys, struct arena *arena,
    const char **ret_image, struct pgripple_error *err)
{
	const struct explain_online *online = context;

	return table_row_read(online->command, online->table, known(online),
	    online->database.columns, online->database.n_columns, keys, arena,
	    ret_image, err);
}

static int
keep_images(const struct rows *rows, struct arena *arena,
    struct explain_answer *answer, struct pgripple_error *err)
{
	size_t n = rows_count(rows);

	answer->images = arena_array(arena, n, sizeof(*answer->images));
	for (size_t i = 0; answer->images != NULL && i < n; i++) {
		answer->images[i] = arena_strdup(arena, rows_text(rows, i, 0));
		if (answer->images[i] == NULL)
			answer->images = NULL;
	}
	if (answer->images == NULL)
		return pgripple_error_nomem(err);
	answer->n_images = n;
	return 0;
}

/* What the server refuses is escalated, as the daemon does it. */
static int
look_up(void *context, const struct pgripple_lookup *lookup,
    struct arena *arena, struct explain_answer *ret_answer,
    struct pgripple_error *err)
{
	const struct explain_online *online = context;
	const struct configuration *configuration = online->configuration;
	size_t max_rows =
	    (size_t)settings_max_lookup_rows(configuration->settings);
	CLEANUP(buf_done) struct buf sql = BUF_INIT;
	struct explain_answer answer = {0};
	struct rows rows;
	int failed = lookup_run(online->command, configuration->graph,
	    online->catalog, lookup, max_rows, &sql, &rows, err);

	if (failed && err->kind == PGRIPPLE_ERROR_NOMEM)
		return -1;
	if (failed && err->kind == PGRIPPLE_ERROR_PEER &&
	    command_sqlstate(online->command)[0] == '\0')
		return -1;
	if (sql.n > 0) {
		answer.sql = arena_strdup(arena, sql.bytes);
		if (answer.sql == NULL)
			return pgripple_error_nomem(err);
	}
	if (!failed && keep_images(&rows, arena, &answer, err) != 0)
		return -1;
	*ret_answer = answer;
	return failed ? EXPLAIN_UNANSWERED : EXPLAIN_ANSWERED;
}

/* ---- life ---- */

/* The installed functions say how values are captured. */
static enum exit_status
check_installed(const struct settings *settings, const struct catalog *catalog)
{
	struct pgripple_error err;

	if (catalog->installed &&
	    catalog->schema_version == CATALOG_SCHEMA_VERSION)
		return EXIT_STATUS_OK;
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_INPUT,
	    catalog->installed
		? "schema \"%s\" is of another version than this program"
		: "schema \"%s\" is not installed in this database",
	    settings->postgres.schema);
	pgripple_error_hint(
	    &err, "Run \"pgripple install\", or give --offline.");
	return output_error(&err);
}

static enum exit_status
read_columns(struct explain_online *online)
{
	struct explain_database *database = &online->database;
	struct pgripple_error err;

	if (online->table == NULL ||
	    table_columns_read(online->command, known(online), online->arena,
		&database->columns, &database->n_columns, &err) == 0)
		return EXIT_STATUS_OK;
	return setup_refused(online->command, &err);
}

static enum exit_status
prepare(struct explain_online *online)
{
	const struct configuration *configuration = online->configuration;
	struct pgripple_error err;
	enum exit_status status;

	if (command_query(online->command,
		"SET default_transaction_read_only = on", 0, NULL, NULL,
		&err) != 0)
		return setup_refused(online->command, &err);
	status =
	    setup_catalog(online->command, configuration, &online->catalog);
	if (status == EXIT_STATUS_OK)
		status =
		    check_installed(configuration->settings, online->catalog);
	return status == EXIT_STATUS_OK ? read_columns(online) : status;
}

enum exit_status
explain_online_new(struct command *command,
    const struct configuration *configuration,
    const struct pgripple_table *table, struct explain_online **ret)
{
	struct explain_online *online = calloc(1, sizeof(*online));
	struct arena *arena = arena_new();
	struct pgripple_error err;
	enum exit_status status;

	if (online == NULL || arena == NULL) {
		free(online);
		arena_free(arena);
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	*online = (struct explain_online){
	    .database = {online, .read_row = read_row, .look_up = look_up},
	    .command = command,
	    .configuration = configuration,
	    .table = table,
	    .arena = arena,
	};
	status = prepare(online);
	if (status == EXIT_STATUS_OK)
		*ret = online;
	else
		explain_online_free(online);
	return status;
}

void
explain_online_free(struct explain_online *online)
{
	if (online == NULL)
		return;
	if (online->catalog != NULL)
		catalog_free(online->catalog);
	arena_free(online->arena);
	free(online);
}

const struct explain_database *
explain_online_database(const struct explain_online *online)
{
	return &online->database;
}

struct pgripple_limits
explain_limits(const struct settings *settings)
{
	return (struct pgripple_limits){
	    .touched_rows = (size_t)settings->limits.touched_rows,
	    .lookup_rows = (size_t)settings_max_lookup_rows(settings),
	    .lookup_keys = (size_t)settings_max_lookup_rows(settings),
	};
}
