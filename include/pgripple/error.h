/*
 * Errors as values.
 *
 * A fallible function returns 0 when done, -1 with *err filled, or a positive
 * outcome that its own header lists.  An error lives on the caller's stack,
 * is forwarded unchanged and reported once, by whoever handles it.
 */
#ifndef PGRIPPLE_ERROR_H
#define PGRIPPLE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#define PGRIPPLE_MUST_CHECK __attribute__((warn_unused_result))
#define PGRIPPLE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Six kinds, because there are six reactions. */
enum pgripple_error_kind {
	PGRIPPLE_ERROR_CONFIG, /* the operator's: report all, exit 78 */
	PGRIPPLE_ERROR_INPUT, /* a change's: escalate or reject, go on */
	PGRIPPLE_ERROR_PEER, /* a server's or the network's: retry */
	PGRIPPLE_ERROR_LIMIT, /* a bound of ours: invalidate more coarsely */
	PGRIPPLE_ERROR_NOMEM, /* the machine's: drop the batch, retry */
	PGRIPPLE_ERROR_BUG, /* ours: log and exit 70 */
};

/* Where in a configuration file something stands; line 0 means nowhere. */
struct pgripple_position {
	const char *file; /* borrowed: must outlive every holder */
	int line; /* from 1 */
	int column; /* from 1, in bytes */
};

struct pgripple_error {
	enum pgripple_error_kind kind;
	struct pgripple_position at;
	char text[512]; /* lower case, no full stop */
	char hint[256]; /* a whole sentence, or empty */
};

/* All errors of one run, to be shown in file order.  The list has copies of the
 * file names, so that it outlives whatever was read. */
struct pgripple_errors {
	struct pgripple_error *items;
	size_t n_items;
	size_t capacity;
	char **files; /* those of the positions */
	size_t n_files;
	size_t n_dropped; /* past the bound of 1,000, or for lack of memory */
};

const char *pgripple_error_kind_name(enum pgripple_error_kind kind);

/* Fills *err (err may be NULL) and returns -1, so that a function can end
 * with it.  A longer text is cut. */
int pgripple_error_set(struct pgripple_error *err,
    enum pgripple_error_kind kind, const char *format, ...)
    PGRIPPLE_PRINTF(3, 4);
int pgripple_error_vset(struct pgripple_error *err,
    enum pgripple_error_kind kind, const char *format, va_list args)
    PGRIPPLE_PRINTF(3, 0);
void pgripple_error_hint(struct pgripple_error *err, const char *format, ...)
    PGRIPPLE_PRINTF(2, 3);
/* "out of memory"; returns -1. */
int pgripple_error_nomem(struct pgripple_error *err);

/* Writes "FILE:LINE:COL: error: TEXT" and, after a newline, "hint: HINT" where
 * there is one, without a last newline; always terminated.  Returns the length
 * that the whole text has, like snprintf(). */
int pgripple_error_print(
    const struct pgripple_error *err, char *buffer, size_t size);

/* Adds a CONFIG error at a position and returns it, so that a hint can be
 * given; never NULL (past the bound a scratch error is returned). */
struct pgripple_error *pgripple_errors_add(struct pgripple_errors *errors,
    struct pgripple_position at, const char *format, ...) PGRIPPLE_PRINTF(3, 4);
/* Copies an error that somebody else filled. */
void pgripple_errors_take(
    struct pgripple_errors *errors, const struct pgripple_error *err);
/* By file, line and column; equal positions keep their order. */
void pgripple_errors_sort(struct pgripple_errors *errors);
void pgripple_errors_done(struct pgripple_errors *errors);

#endif
