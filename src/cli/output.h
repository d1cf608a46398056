/*
 * What the commands say, on standard output and standard error.
 */
#ifndef PGRIPPLE_CLI_OUTPUT_H
#define PGRIPPLE_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/exit_status.h"
#include "base/util.h"

enum output_style {
	OUTPUT_PLAIN,
	OUTPUT_GOOD,
	OUTPUT_WARNING,
	OUTPUT_BAD,
	OUTPUT_FAINT,
};

/* Escape sequences around words in that style; "" unless the stream is a
 * terminal that may be coloured (NO_COLOR is not set, TERM is not "dumb"). */
const char *output_begin(FILE *stream, enum output_style style);
const char *output_end(FILE *stream, enum output_style style);

/* Says an error on standard error, after what was said so far; returns the
 * exit status of its kind. */
enum exit_status output_error(const struct pgripple_error *err);
/* Says them all in file order and frees them. */
enum exit_status output_errors(struct pgripple_errors *errors);
/* The same as output_error(), for a mistake in the command line. */
enum exit_status output_usage_error(const struct pgripple_error *err);

/* Writes to a file, or to standard output if path is NULL.  A file that is
 * there already is written over only by force; one that could not be written
 * whole is removed.  PROBLEM, after having said why, if that failed. */
enum exit_status output_write(
    const char *path, bool force, const char *bytes, size_t n) MUST_CHECK;

/* The end of a command: what could not be written makes status a problem. */
enum exit_status output_finish(enum exit_status status);

#endif
