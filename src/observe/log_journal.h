/*
 * The systemd journal as the place where the log goes, in its native protocol:
 * an entry has fields to search by, and not only a text.
 */
#ifndef PGRIPPLE_OBSERVE_LOG_JOURNAL_H
#define PGRIPPLE_OBSERVE_LOG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

#define LOG_JOURNAL_FULL 1 /* it does not take an entry now */
#define LOG_JOURNAL_TOO_LARGE 2 /* it never takes this one */
#define LOG_JOURNAL_GONE 3 /* nobody is there to take it */

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Looks whether standard error is the journal, which listens at path (kept): at
 * start, and whenever it may have been replaced. */
void log_journal_open(const char *path);
bool log_journal_is_open(void);
/* Sends an entry, fields as log_line_print_journal() makes them, without ever
 * waiting. */
int log_journal_send(const char *entry, size_t n) MUST_CHECK;

#endif
