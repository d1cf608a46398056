/*
 * The picture for Graphviz (https://graphviz.org/doc/info/lang.html).
 */
#include <string.h>

#include "base/buf.h"
#include "core/picture.h"

/* Inside of a quoted string: quotes and backslashes are escaped; the newline
 * of a label is "\n", or "\l" after a line that stands left. */
static void
add_escaped(struct buf *buf, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			buf_add_char(buf, '\\');
		buf_add_char(buf, (unsigned char)*c < 0x20 ? ' ' : *c);
	}
}

/* A line of a label, unless it is empty. */
static void
add_line(struct buf *buf, const char *text, const char *more)
{
	if (*text == '\0')
		return;
	add_escaped(buf, text);
	if (*more != '\0') {
		buf_add_string(buf, " (");
		add_escaped(buf, more);
		buf_add_char(buf, ')');
	}
	buf_add_string(buf, "\\l");
}

static const char *
box_style(const struct picture_box *box)
{
	switch (box->watch) {
	case PICTURE_UNWATCHED:
	case PICTURE_WRONG:
	case PICTURE_NO_TABLE:
		return ", color=\"#c62828\"";
	case PICTURE_NOT_ASKED:
	case PICTURE_WATCHED:
		break;
	}
	return box->n_rules == 0 ? ", fillcolor=\"#eef1f4\"" : "";
}

static void
print_box(const struct picture_box *box, struct buf *buf)
{
	buf_add_string(buf, "    \"");
	add_escaped(buf, box->name);
	buf_add_string(buf, "\" [label=\"");
	add_line(buf, box->name, "");
	add_line(buf, box->table, picture_watch_name(box->watch));
	add_line(buf, box->ignore, "");
	for (size_t i = 0; i < box->n_rules; i++)
		add_line(buf, box->rules[i].text, box->rules[i].detail);
	buf_printf(buf, "\"%s];\n", box_style(box));
}

static void
print_edge(const struct picture *picture, const struct picture_edge *edge,
    struct buf *buf)
{
	buf_add_string(buf, "    \"");
	add_escaped(buf, picture->boxes[edge->from].name);
	buf_add_string(buf, "\" -> \"");
	add_escaped(buf, picture->boxes[edge->to].name);
	buf_add_string(buf, "\" [label=\"");
	add_line(buf, edge->name == NULL ? "" : edge->name, "");
	if (edge->enabled) {
		add_escaped(buf, edge->from_columns);
		buf_add_string(buf, " -> ");
		add_escaped(buf, edge->to_columns);
		buf_add_string(buf, "\\l");
	}
	add_line(buf, edge->detail, "");
	buf_add_char(buf, '"');
	if (edge->lookup == PICTURE_LOOKUP)
		buf_add_string(buf, ", style=dashed");
	if (!edge->transitive)
		buf_add_string(buf, ", arrowhead=empty");
	if (!edge->enabled)
		buf_add_string(
		    buf, ", color=\"#b0b8c1\", fontcolor=\"#b0b8c1\"");
	buf_add_string(buf, "];\n");
}

void
picture_print_dot(const struct picture *picture, struct buf *buf)
{
	const char *caveat = picture_caveat(picture);

	buf_printf(buf,
	    "digraph pgripple {\n"
	    "    rankdir=LR;\n"
	    "    label=\"dashed: needs a lookup; hollow: ends there; "
	    "grey: disabled%s%s\";\n"
	    "    node [shape=box, style=\"rounded,filled\", "
	    "fillcolor=\"#e8f0fb\", fontname=\"sans-serif\"];\n"
	    "    edge [fontname=\"monospace\", fontsize=10];\n",
	    caveat == NULL ? "" : "\\n", caveat == NULL ? "" : caveat);
	for (size_t i = 0; i < picture->n_boxes; i++)
		print_box(&picture->boxes[i], buf);
	for (size_t i = 0; i < picture->n_edges; i++)
		print_edge(picture, &picture->edges[i], buf);
	buf_add_string(buf, "}\n");
}
