/*
 * The picture as text for a terminal: a paragraph for each model.
 *
 *	team
 *	    table       public.app_team, watched
 *	    invalidate  team:{id}
 *	    leads to    tournament_id -> tournament.id
 *	    touched by  team_member.team_id -> id (ends there)
 */
#include "base/buf.h"
#include "core/picture.h"

/* A line of a paragraph; the first of its kind has the word in front. */
static void
begin_line(struct buf *buf, const char *word, size_t n_before)
{
	buf_printf(buf, "    %-10s  ", n_before == 0 ? word : "");
}

/* " (a, b)", of what is not empty. */
static void
add_remarks(struct buf *buf, const char *a, const char *b)
{
	if (*a == '\0' && *b == '\0')
		return;
	buf_printf(
	    buf, " (%s%s%s)", a, *a == '\0' || *b == '\0' ? "" : ", ", b);
}

static void
print_edge(const struct picture *picture, const struct picture_edge *edge,
    bool is_out, struct buf *buf)
{
	const char *from = picture->boxes[edge->from].name;
	const char *to = picture->boxes[edge->to].name;

	if (!edge->enabled) {
		buf_printf(buf, "%s", edge->name);
	} else {
		if (edge->name != NULL)
			buf_printf(buf, "%s: ", edge->name);
		buf_printf(buf, "%s%s%s -> %s%s%s", is_out ? "" : from,
		    is_out ? "" : ".", edge->from_columns, is_out ? to : "",
		    is_out ? "." : "", edge->to_columns);
	}
	add_remarks(buf, edge->detail, picture_edge_words(edge));
	buf_add_char(buf, '\n');
}

static void
print_edges(const struct picture *picture, size_t box, bool is_out,
    const char *word, struct buf *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < picture->n_edges; i++) {
		const struct picture_edge *edge = &picture->edges[i];

		if ((is_out ? edge->from : edge->to) != box)
			continue;
		begin_line(buf, word, n++);
		print_edge(picture, edge, is_out, buf);
	}
}

static void
print_box(const struct picture *picture, size_t index, struct buf *buf)
{
	const struct picture_box *box = &picture->boxes[index];

	buf_printf(buf, "%s%s\n", index == 0 ? "" : "\n", box->name);
	begin_line(buf, "table", 0);
	buf_printf(buf, "%s%s%s", box->table,
	    box->watch == PICTURE_NOT_ASKED ? "" : ", ",
	    picture_watch_name(box->watch));
	add_remarks(buf, box->ignore, "");
	buf_add_char(buf, '\n');
	for (size_t i = 0; i < box->n_rules; i++) {
		begin_line(buf, "invalidate", i);
		buf_add_string(buf, box->rules[i].text);
		add_remarks(buf, box->rules[i].detail, "");
		buf_add_char(buf, '\n');
	}
	print_edges(picture, index, true, "leads to", buf);
	print_edges(picture, index, false, "touched by", buf);
}

void
picture_print_text(const struct picture *picture, struct buf *buf)
{
	const char *caveat = picture_caveat(picture);

	for (size_t i = 0; i < picture->n_boxes; i++)
		print_box(picture, i, buf);
	if (caveat != NULL)
		buf_printf(buf, "\n%s\n", caveat);
}
