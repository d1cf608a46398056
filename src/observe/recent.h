/*
 * The last lines of the log, for the status page: so many of single changes,
 * and so many of everything else but debug.  They are as the log has them, so
 * what it does not show is not here either.
 */
#ifndef PGRIPPLE_OBSERVE_RECENT_H
#define PGRIPPLE_OBSERVE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum recent_kind {
	RECENT_CHANGE,
	RECENT_NOTE,
};
#define RECENT_KINDS (RECENT_NOTE + 1)

/* Of each kind. */
#define RECENT_LINES 50
/* A longer line is not kept. */
#define RECENT_MAX_LINE ((size_t)16 * 1024)

/* Nothing is kept until it is on. */
void recent_turn_on(void);
bool recent_is_on(void);

/* A line of JSON, copied. */
void recent_keep(enum recent_kind kind, const char *json, size_t n);

/* The number of the newest line; 0 if there is none. */
uint64_t recent_number(void);
/* Appends the lines above that number as server-sent events, the oldest first:
 * "change" or "note", with their number as id.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html */
void recent_print(uint64_t above, struct buf *buf);

void recent_done(void);

#endif
