/*
 * The last lines of the log.
 */
#include "observe/recent.h"

#include <inttypes.h>

#include "base/buf.h"

struct recent {
	uint64_t number; /* 0: none yet */
	struct buf json;
};

static struct {
	bool is_on;
	uint64_t number;
	size_t next[RECENT_KINDS]; /* the oldest place */
	struct recent lines[RECENT_KINDS][RECENT_LINES];
} state;

void
recent_turn_on(void)
{
	state.is_on = true;
}

bool
recent_is_on(void)
{
	return state.is_on;
}

void
recent_keep(enum recent_kind kind, const char *json, size_t n)
{
	struct recent *line = &state.lines[kind][state.next[kind]];

	if (!state.is_on || n > RECENT_MAX_LINE)
		return;
	buf_reset(&line->json);
	buf_add(&line->json, json, n);
	if (line->json.failed) {
		buf_done(&line->json);
		line->number = 0;
		return;
	}
	line->number = ++state.number;
	state.next[kind] = (state.next[kind] + 1) % RECENT_LINES;
}

uint64_t
recent_number(void)
{
	return state.number;
}

static void
print_line(const struct recent *line, enum recent_kind kind, struct buf *buf)
{
	buf_printf(buf, "event: %s\nid: %" PRIu64 "\ndata: ",
	    kind == RECENT_CHANGE ? "change" : "note", line->number);
	buf_add(buf, line->json.bytes, line->json.n);
	buf_add_string(buf, "\n\n");
}

/* The next above that number; NULL if there is none. */
static const struct recent *
find_next(uint64_t above, enum recent_kind *ret_kind)
{
	const struct recent *found = NULL;

	for (size_t kind = 0; kind < RECENT_KINDS; kind++)
		for (size_t i = 0; i < RECENT_LINES; i++) {
			const struct recent *line = &state.lines[kind][i];

			if (line->number > above &&
			    (found == NULL || line->number < found->number)) {
				found = line;
				*ret_kind = (enum recent_kind)kind;
			}
		}
	return found;
}

/* The ids rise, by which a page tells what it has already. */
void
recent_print(uint64_t above, struct buf *buf)
{
	const struct recent *line;
	enum recent_kind kind = RECENT_NOTE;

	while ((line = find_next(above, &kind)) != NULL) {
		print_line(line, kind, buf);
		above = line->number;
	}
}

void
recent_done(void)
{
	for (size_t kind = 0; kind < RECENT_KINDS; kind++)
		for (size_t i = 0; i < RECENT_LINES; i++) {
			buf_done(&state.lines[kind][i].json);
			state.lines[kind][i].number = 0;
		}
	state.is_on = false;
}
