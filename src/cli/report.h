/*
 * The report of "check": a line for each checked thing, for people, on
 * standard output.
 *
 *	ok       schema "pgripple": version 0.1.0
 *	error    table public.app_team: trigger "pgripple_update" is disabled
 *	         hint: Run "pgripple install": it repairs the triggers.
 */
#ifndef PGRIPPLE_CLI_REPORT_H
#define PGRIPPLE_CLI_REPORT_H

#include "base/exit_status.h"
#include "base/util.h"

enum report_level {
	REPORT_OK,
	REPORT_WARNING,
	REPORT_ERROR,
};

struct report {
	unsigned n_warnings;
	unsigned n_errors;
	enum exit_status status; /* so far */
};

void report_ok(struct report *report, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* hint may be NULL. */
void report_warning(struct report *report, const char *hint, const char *format,
    ...) PRINTF_LIKE(3, 4);
/* A problem: the status becomes PROBLEM unless it is worse. */
void report_problem(struct report *report, const char *hint, const char *format,
    ...) PRINTF_LIKE(3, 4);
/* "SUBJECT: text of the error", with its hint, and the status of its kind. */
void report_failure(struct report *report, const char *subject,
    const struct pgripple_error *err);
/* What was said elsewhere counts too. */
void report_status(struct report *report, enum exit_status status);

/* The last line; returns the status. */
enum exit_status report_end(const struct report *report);

#endif
