/*
 * A line of the daemon's log, for people: whether it is asked for, and how it
 * is printed.
 */
#ifndef PGRIPPLE_CLI_TAIL_LINE_H
#define PGRIPPLE_CLI_TAIL_LINE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/json_read.h"

struct option_list;

/* What is asked for: NULL and an empty list ask for everything. */
struct tail_filter {
	const char *model;
	const struct option_list *tables; /* glob patterns */
	const char *key;
};

enum tail_match {
	TAIL_NO,
	TAIL_YES,
	TAIL_MAYBE, /* the line does not tell all that it stands for */
};

enum tail_match tail_line_match(
    const struct json *line, const struct tail_filter *filter);

/* Appends the line, coloured if standard output may be, with its newline.
 * is_certain is false for TAIL_MAYBE. */
void tail_line_print(struct buf *buf, const struct json *line, bool is_certain);
/* The same for a line that is none of the daemon's: its text, in which nothing
 * is left that gives a terminal orders. */
void tail_line_print_foreign(struct buf *buf, const char *text, size_t length);

/* The local day of a line, "2026-01-31"; "" if it has no time. */
#define TAIL_DAY 16
void tail_line_day(const struct json *line, char ret_day[TAIL_DAY]);

#endif
