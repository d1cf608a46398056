/*
 * Reading the systemd journal: what a unit has said, line by line.
 */
#ifndef PGRIPPLE_OBSERVE_JOURNAL_H
#define PGRIPPLE_OBSERVE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct journal;

/* The messages of a unit ("pgripple" stands for "pgripple.service"), in this
 * machine's journal, or in that of a folder.  Begins with the last n_back of
 * them, or with the first there is if n_back is 0.  PEER error. */
int journal_open(const char *folder, const char *unit, size_t n_back,
    struct journal **ret_journal, struct pgripple_error *err) MUST_CHECK;
void journal_close(struct journal *journal);

/* The next message, valid until the next call; 1: there is none now. */
int journal_next(struct journal *journal, const char **ret_text,
    size_t *ret_length, struct pgripple_error *err) MUST_CHECK;
/* Returns when there may be more, at the latest after timeout_ms. */
void journal_wait(struct journal *journal, int timeout_ms);

#endif
