/*
 * "pgripple tail": the daemon's log, for people; and which change it was that
 * removed a key.
 */
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/tail_line.h"
#include "cli/tail_source.h"

#define LINES_BACK 10 /* of a journal, when all lines are asked for */

struct tail {
	struct tail_filter filter;
	bool is_filtering;
	bool said_foreign; /* that lines were left out for what they are */
	char day[TAIL_DAY]; /* of the line before */
	struct buf out;
};

/* Each day begins with a line of its own, so that the others need no date. */
static void
begin_day(struct tail *tail, const struct json *line)
{
	char day[TAIL_DAY];

	tail_line_day(line, day);
	if (day[0] == '\0' || strcmp(day, tail->day) == 0)
		return;
	(void)snprintf(tail->day, sizeof(tail->day), "%s", day);
	buf_printf(&tail->out, "%s-- %s%s\n",
	    output_begin(stdout, OUTPUT_FAINT), day,
	    output_end(stdout, OUTPUT_FAINT));
}

/* A line of "log.format: text", or of another program. */
static void
show_foreign(struct tail *tail, const char *text, size_t length)
{
	if (!tail->is_filtering) {
		tail_line_print_foreign(&tail->out, text, length);
	} else if (!tail->said_foreign && length > 0) {
		tail->said_foreign = true;
		(void)fputs("pgripple: lines that are no JSON are left out: "
			    "set \"log.format: json\" to search them\n",
		    stderr);
	}
}

static void
show(struct tail *tail, struct arena *arena, const char *text, size_t length)
{
	struct pgripple_error ignored; /* what is no JSON is shown as it is */
	enum tail_match match;
	struct json *line;

	if (json_read(arena, text, length, &line, &ignored) != 0 ||
	    line->kind != JSON_OBJECT || json_member(line, "event") == NULL) {
		show_foreign(tail, text, length);
		return;
	}
	match = tail_line_match(line, &tail->filter);
	if (match == TAIL_NO)
		return;
	begin_day(tail, line);
	tail_line_print(&tail->out, line, match == TAIL_YES);
}

/* 1: the reader of standard output is gone ("| head"). */
static int
flush(struct tail *tail, struct pgripple_error *err)
{
	(void)fwrite(tail->out.bytes, 1, tail->out.n, stdout);
	buf_reset(&tail->out);
	if (fflush(stdout) == 0)
		return 0;
	clearerr(stdout);
	if (errno == EPIPE)
		return 1;
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "could not write to standard output: %s", strerror(errno));
}

static int
follow(
    struct tail *tail, struct tail_source *source, struct pgripple_error *err)
{
	const char *text;
	size_t length;
	int result;

	while ((result = tail_source_next(source, &text, &length, err)) == 0) {
		struct arena *arena = arena_new();

		if (arena == NULL)
			return pgripple_error_nomem(err);
		show(tail, arena, text, length);
		arena_free(arena);
		if (tail->out.failed)
			return pgripple_error_nomem(err);
		if (tail->out.n > 0 && (result = flush(tail, err)) != 0)
			break;
	}
	return result == 1 ? 0 : -1;
}

enum exit_status
tail_command(const struct cli_call *call)
{
	const struct options *options = call->options;
	struct tail tail = {
	    .filter = {.model = options->model,
		.tables = &options->tables,
		.key = options->key},
	};
	struct tail_from from = {
	    .path = options->n_words > 0 ? options->words[0] : NULL,
	    .unit = options->unit != NULL ? options->unit : "pgripple",
	    .follow = !options_has(options, OPTION_NO_FOLLOW),
	};
	struct tail_source *source = NULL;
	struct pgripple_error err;
	enum exit_status status = EXIT_STATUS_OK;

	tail.is_filtering = tail.filter.model != NULL ||
			    tail.filter.tables->n > 0 ||
			    tail.filter.key != NULL;
	from.n_back = tail.is_filtering ? 0 : LINES_BACK;
	if (tail_source_open(&from, &source, &err) != 0 ||
	    follow(&tail, source, &err) != 0) {
		(void)output_error(&err);
		status = EXIT_STATUS_PROBLEM;
	}
	tail_source_close(source);
	buf_done(&tail.out);
	return status;
}
