/*
 * "pgripple rejected": what the daemon could not understand.
 *
 * The daemon puts such a change aside, with the reason, and goes on.  Once the
 * cause is removed the change can be tried again; or it is forgotten.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json_read.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/settings.h"
#include "postgres/command.h"
#include "postgres/quote.h"

struct work {
	struct command *command;
	const struct options *options;
	const char *schema; /* quoted */
	const char *id; /* a number; NULL: all of them */
};

struct deed {
	const char *name;
	bool takes_id;
	enum exit_status (*run)(const struct work *work);
};

static const char *
plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* The schema stands between the two parts; $1 is the id, if there is one. */
static int
query(const struct work *work, const char *before, const char *after,
    struct rows *ret_rows, struct pgripple_error *err)
{
	struct buf sql = BUF_INIT;
	int result;

	buf_printf(&sql, "%s%s%s", before, work->schema, after);
	result = sql.failed
		     ? pgripple_error_nomem(err)
		     : command_query(work->command, sql.bytes,
			   work->id == NULL ? 0 : 1, &work->id, ret_rows, err);
	buf_done(&sql);
	return result;
}

/* ---- list ---- */

enum listed_column {
	LISTED_ID,
	LISTED_AT,
	LISTED_REASON,
	LISTED_CHANGE,
	LISTED_COUNT,
};

/* Anybody's bytes must not steer the terminal. */
static void
add_printable(struct buf *buf, const char *text)
{
	for (; *text != '\0'; text++)
		buf_add_char(buf, (unsigned char)*text < ' ' || *text == '\177'
				      ? ' '
				      : *text);
}

static void
add_member(
    struct buf *buf, const struct json *change, const char *key, int width)
{
	const struct json *member = json_member(change, key);
	struct buf text = BUF_INIT;

	add_printable(&text,
	    member != NULL && member->kind == JSON_STRING ? member->text : "-");
	buf_printf(buf, "  %-*s", width, buf_string(&text));
	buf_done(&text);
}

/* What of the change can be read at all; NULL if nothing. */
static const struct json *
read_change(struct arena *arena, const char *text)
{
	struct json *change;
	struct pgripple_error err;

	if (text == NULL ||
	    json_read(arena, text, strlen(text), &change, &err) != 0)
		return NULL;
	return change->kind == JSON_OBJECT ? change : NULL;
}

static void
print_rejected(const struct rows *rows, size_t row)
{
	static const struct json nothing = {.kind = JSON_NULL};
	struct arena *arena = arena_new();
	struct buf line = BUF_INIT;
	const struct json *change = NULL;

	if (arena != NULL)
		change =
		    read_change(arena, rows_text(rows, row, LISTED_CHANGE));
	if (change == NULL)
		change = &nothing;
	buf_printf(&line, "%10s  %s", rows_text(rows, row, LISTED_ID),
	    rows_text(rows, row, LISTED_AT));
	add_member(&line, change, "op", 8);
	add_member(&line, change, "table", 24);
	buf_add_string(&line, "  ");
	add_printable(&line, rows_text(rows, row, LISTED_REASON));
	(void)printf("%s\n", buf_string(&line));
	buf_done(&line);
	arena_free(arena);
}

/* The first thousand, without a look into a change that is very long. */
static enum exit_status
list(const struct work *work)
{
	struct rows rows;
	struct pgripple_error err;
	int64_t n;

	if (query(work,
		"SELECT id, to_char(rejected_at, 'YYYY-MM-DD HH24:MI:SS'), "
		"reason, CASE WHEN octet_length(change::text) < 100000"
		" THEN change END, count(*) OVER () FROM ",
		".rejected ORDER BY id LIMIT 1000", &rows, &err) != 0)
		return setup_refused(work->command, &err);
	if (rows_count(&rows) == 0) {
		(void)printf("no change was rejected\n");
		return EXIT_STATUS_OK;
	}
	(void)printf("%10s  %-19s  %-8s  %-24s  %s\n", "id",
	    "rejected at (UTC)", "op", "table", "reason");
	for (size_t i = 0; i < rows_count(&rows); i++)
		print_rejected(&rows, i);
	n = rows_int(&rows, 0, LISTED_COUNT) - (int64_t)rows_count(&rows);
	if (n > 0)
		(void)printf("and %" PRId64 " more\n", n);
	return EXIT_STATUS_OK;
}

/* ---- retry and drop ---- */

/* Calls a function of one id, or of none, which returns how many it took. */
static enum exit_status
call(const struct work *work, const char *function, int64_t *ret_n)
{
	struct buf after = BUF_INIT;
	struct rows rows;
	struct pgripple_error err;
	int failed;

	buf_printf(
	    &after, ".%s(%s)", function, work->id == NULL ? "" : "$1::bigint");
	failed = after.failed
		     ? pgripple_error_nomem(&err)
		     : query(work, "SELECT ", after.bytes, &rows, &err);
	buf_done(&after);
	if (failed)
		return setup_refused(work->command, &err);
	*ret_n = rows_int(&rows, 0, 0);
	if (work->id == NULL || *ret_n > 0)
		return EXIT_STATUS_OK;
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_INPUT,
	    "no rejected change has the id \"%s\"", work->id);
	pgripple_error_hint(&err, "\"pgripple rejected list\" shows them.");
	return output_error(&err);
}

static enum exit_status
retry(const struct work *work)
{
	int64_t n;
	enum exit_status status = call(work, "retry_rejected", &n);

	if (status != EXIT_STATUS_OK)
		return status;
	if (n == 0)
		(void)printf("there is nothing to retry\n");
	else
		(void)printf("%" PRId64 " change%s put back into the outbox\n",
		    n, plural(n));
	return EXIT_STATUS_OK;
}

static enum exit_status
drop(const struct work *work)
{
	int64_t n;
	enum exit_status status = EXIT_STATUS_OK;

	if (work->id == NULL) {
		if (!options_has(work->options, OPTION_YES))
			(void)printf("This forgets all rejected changes.\n");
		status = setup_confirm(work->options, "dropped");
	}
	if (status == EXIT_STATUS_OK)
		status = call(work, "drop_rejected", &n);
	if (status == EXIT_STATUS_OK)
		(void)printf("%" PRId64 " change%s dropped\n", n, plural(n));
	return status;
}

/* ---- the command ---- */

static const struct deed deeds[] = {
    {"list", false, list},
    {"retry", true, retry},
    {"drop", true, drop},
};

static bool
is_id(const char *text)
{
	char *end;
	int64_t id;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	id = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && id > 0;
}

/* NULL if the words make no sense. */
static const struct deed *
choose(const struct options *options, struct pgripple_error *err)
{
	const char *name = options->words[0];
	const char *id = options->words[1];
	const struct deed *deed = NULL;

	for (size_t i = 0; name != NULL && i < N_ELEMENTS(deeds); i++)
		if (strcmp(deeds[i].name, name) == 0)
			deed = &deeds[i];
	if (name == NULL)
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "\"rejected\" needs a word more: list, retry or drop");
	else if (deed == NULL)
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "unknown word \"%s\" after \"rejected\"", name);
	else if (id == NULL || (deed->takes_id && is_id(id)))
		return deed;
	else if (deed->takes_id)
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "\"%s\" is not the id of a change", id);
	else
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "unexpected word \"%s\" after \"%s\"", id, name);
	pgripple_error_hint(
	    err, "\"pgripple rejected --help\" says what it understands.");
	return NULL;
}

static enum exit_status
run_deed(const struct deed *deed, struct command *command,
    const struct options *options, const char *schema)
{
	struct buf quoted = BUF_INIT;
	struct work work = {command, options, NULL, options->words[1]};
	enum exit_status status;

	quote_identifier(&quoted, schema);
	work.schema = buf_string(&quoted);
	status = deed->run(&work);
	buf_done(&quoted);
	return status;
}

enum exit_status
rejected_command(const struct cli_call *call)
{
	struct settings *settings;
	struct command *command;
	struct pgripple_error err;
	enum exit_status status;
	const struct deed *deed = choose(call->options, &err);

	if (deed == NULL)
		return output_usage_error(&err);
	status = setup_settings(call->options, &settings);
	if (status != EXIT_STATUS_OK)
		return status;
	status = setup_postgres(call->options, settings, &command);
	if (status == EXIT_STATUS_OK) {
		status = run_deed(
		    deed, command, call->options, settings->postgres.schema);
		command_close(command);
	}
	settings_free(settings);
	return status;
}
