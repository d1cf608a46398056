/*
 * "pgripple invalidate --dry-run": what would be done.
 *
 * The functions have written what was asked for into the outbox, in a
 * transaction that is still open: so every row is checked and spelled as it
 * would be.  The changes are read back, the transaction is rolled back, and
 * the changes are explained.
 */
#include "cli/invalidate_show.h"

#include <stdio.h>

#include "cli/explain_online.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "postgres/command.h"

struct changes {
	struct arena *arena;
	const char **texts;
	size_t n;
};

static int
keep(const struct rows *rows, struct changes *changes)
{
	size_t n = rows_count(rows);

	changes->texts =
	    arena_array(changes->arena, n, sizeof(*changes->texts));
	for (size_t i = 0; changes->texts != NULL && i < n; i++) {
		changes->texts[i] =
		    arena_strdup(changes->arena, rows_text(rows, i, 0));
		if (changes->texts[i] == NULL)
			return -1;
	}
	changes->n = n;
	return changes->texts == NULL ? -1 : 0;
}

static enum exit_status
read_changes(struct command *command, const char *schema, const char *xid,
    struct changes *changes)
{
	CLEANUP(buf_done) struct buf sql = BUF_INIT;
	struct pgripple_error err;
	struct rows rows;

	buf_printf(&sql,
	    "SELECT change FROM %s.outbox WHERE xid = $1::xid8 ORDER BY id",
	    schema);
	if (sql.failed) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	if (command_query(command, sql.bytes, 1, &xid, &rows, &err) != 0)
		return setup_refused(command, &err);
	if (keep(&rows, changes) != 0) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	if (command_query(command, "ROLLBACK", 0, NULL, NULL, &err) != 0)
		return setup_refused(command, &err);
	return EXIT_STATUS_OK;
}

static enum exit_status
print(struct command *command, const struct configuration *configuration,
    const struct changes *changes, const struct explain_online *online)
{
	struct pgripple_limits limits = explain_limits(configuration->settings);
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct explanation *explanation;
	struct pgripple_error err;

	if (explain_new_of_changes(configuration->graph, &limits,
		changes->texts, changes->n, explain_online_database(online),
		&explanation, &err) != 0)
		return err.kind == PGRIPPLE_ERROR_PEER
			   ? setup_refused(command, &err)
			   : output_error(&err);
	explain_print_text(explanation, &text);
	explain_free(explanation);
	if (text.failed) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	(void)fwrite(text.bytes, 1, text.n, stdout);
	(void)printf("\nnothing was asked for (--dry-run)\n");
	return EXIT_STATUS_OK;
}

static enum exit_status
read_and_print(struct command *command,
    const struct configuration *configuration, const char *schema,
    const char *xid, struct changes *changes)
{
	struct explain_online *online;
	enum exit_status status = read_changes(command, schema, xid, changes);

	if (status != EXIT_STATUS_OK)
		return status;
	status = explain_online_new(command, configuration, NULL, &online);
	if (status != EXIT_STATUS_OK)
		return status;
	status = print(command, configuration, changes, online);
	explain_online_free(online);
	return status;
}

enum exit_status
invalidate_show(struct command *command,
    const struct configuration *configuration, const char *schema,
    const char *xid)
{
	struct changes changes = {.arena = arena_new()};
	struct pgripple_error err;
	enum exit_status status;

	if (changes.arena == NULL) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	status = read_and_print(command, configuration, schema, xid, &changes);
	arena_free(changes.arena);
	return status;
}
