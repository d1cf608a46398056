/*
 * Standard error, without ever waiting for its reader.
 */
#ifndef PGRIPPLE_OBSERVE_LOG_SINK_H
#define PGRIPPLE_OBSERVE_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at what standard error is: at start, and whenever it may have been
 * replaced. */
void log_sink_open(void);
/* Writes a line, newline included, by one call where the system lets it; false
 * if the line is lost. */
bool log_sink_write(const char *line, size_t n);

#endif
