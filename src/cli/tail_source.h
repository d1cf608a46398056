/*
 * Where "tail" reads the daemon's log: a file that may grow and be rotated,
 * standard input, or the systemd journal.
 */
#ifndef PGRIPPLE_CLI_TAIL_SOURCE_H
#define PGRIPPLE_CLI_TAIL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct tail_source;

struct tail_from {
	/* A file, "-" for standard input, a folder with a journal; NULL: this
	 * machine's journal. */
	const char *path;
	const char *unit; /* of a journal */
	size_t n_back; /* of a journal: how many lines before now; 0: all */
	bool follow;
};

/* *from is borrowed until the source is closed.  PEER error. */
int tail_source_open(const struct tail_from *from,
    struct tail_source **ret_source, struct pgripple_error *err) MUST_CHECK;
void tail_source_close(struct tail_source *source);

/* The next line, without its newline, valid until the next call; waits for one
 * if it is to follow.  1: there is no more. */
int tail_source_next(struct tail_source *source, const char **ret_line,
    size_t *ret_length, struct pgripple_error *err) MUST_CHECK;

#endif
