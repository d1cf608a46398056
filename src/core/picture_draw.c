/*
 * The parts of the SVG picture: boxes with rounded corners, edges with heads,
 * and their words.
 */
#include "core/picture_draw.h"

#include <string.h>

#include "base/buf.h"
#include "core/picture_paper.h"

#define PADDING 12
#define CORNER 8
#define LINE 14 /* of labels and remarks */
#define RULE_LINE 18
#define LOOP_STEP 26

static const struct paper_style name_style = {"name", PAPER_BOLD, 140, 0};
static const struct paper_style table_style = {"table", PAPER_SANS, 110, 0};
static const struct paper_style bad_style = {"bad", PAPER_SANS, 110, 0};
static const struct paper_style key_style = {"key", PAPER_MONO, 115, 0};
static const struct paper_style detail_style = {"detail", PAPER_SANS, 105, 0};
static const struct paper_style match_style = {"match", PAPER_MONO, 110, 0};
static const struct paper_style off_style = {"off", PAPER_MONO, 110, 0};

/* Something that is written line by line, or only measured (buf NULL). */
struct block {
	struct buf *buf;
	int x;
	int y; /* the lower end of what was written */
	int width;
};

static void
add_line(struct block *block, const struct paper_style *style, int height,
    const char *text)
{
	int width;

	if (*text == '\0')
		return;
	width = paper_width(style, text);
	block->y += height;
	if (block->width < width)
		block->width = width;
	if (block->buf != NULL)
		paper_text(block->buf, style, block->x, block->y - 4, text);
}

static bool
is_bad(const struct picture_box *box)
{
	return box->watch != PICTURE_NOT_ASKED && box->watch != PICTURE_WATCHED;
}

static void
write_header(const struct picture_box *box, struct block *block)
{
	block->y += 3;
	add_line(block, &name_style, 20, box->name);
	add_line(block, &table_style, 15, box->table);
	add_line(block, &table_style, LINE, box->ignore);
	if (is_bad(box))
		add_line(
		    block, &bad_style, LINE, picture_watch_name(box->watch));
	block->y += 5;
}

static void
write_rules(const struct picture_box *box, struct block *block)
{
	if (box->n_rules == 0)
		return;
	block->y += 3;
	for (size_t i = 0; i < box->n_rules; i++) {
		add_line(block, box->rules[i].enabled ? &key_style : &off_style,
		    RULE_LINE, box->rules[i].text);
		add_line(block, &detail_style, LINE, box->rules[i].detail);
	}
	block->y += 4;
}

static void
add_text(struct buf *buf, const char *before, const char *text)
{
	buf_add_string(buf, before);
	buf_add_string(buf, text);
}

static void
write_label(const struct picture_edge *edge, struct block *block)
{
	struct buf match = BUF_INIT;

	if (!edge->enabled) {
		add_line(block, &off_style, LINE, edge->name);
		add_line(block, &detail_style, LINE, edge->detail);
		return;
	}
	if (edge->name != NULL)
		add_line(block, &table_style, LINE, edge->name);
	add_text(&match, "", edge->from_columns);
	add_text(&match, " \xe2\x86\x92 ", edge->to_columns);
	if (match.failed && block->buf != NULL)
		block->buf->failed = true;
	add_line(block, &match_style, LINE, buf_string(&match));
	buf_done(&match);
	add_line(block, &detail_style, LINE, edge->detail);
}

/*
 * An edge from a box to itself hangs under it, as a bow with its label at the
 * right; a further one is deeper and left of it.
 */
static size_t
count_loops(const struct picture *picture, size_t box)
{
	size_t n = 0;

	for (size_t i = 0; i < picture->n_edges; i++)
		n += picture->edges[i].from == box &&
		     picture->edges[i].to == box;
	return n;
}

static void
draw_head(const struct picture_edge *edge, int x, int y, int dx, int dy,
    struct buf *buf)
{
	const char *class = !edge->enabled     ? "head off"
			    : edge->transitive ? "head"
					       : "head hollow";

	buf_printf(buf, "<path class=\"%s\" d=\"M%d %dL%d %dL%d %dZ\"/>\n",
	    class, x, y, x - 9 * dx - 4 * dy, y - 9 * dy - 4 * dx,
	    x - 9 * dx + 4 * dy, y - 9 * dy + 4 * dx);
}

static const char *
line_class(const struct picture_edge *edge)
{
	if (!edge->enabled)
		return "line off";
	return edge->lookup == PICTURE_LOOKUP ? "line lookup" : "line";
}

static void
draw_title(const struct picture *picture, const struct picture_edge *edge,
    struct buf *buf)
{
	const char *words = picture_edge_words(edge);

	buf_add_string(buf, "<title>");
	paper_escape(buf, picture->boxes[edge->from].name);
	buf_add_string(buf, " \xe2\x86\x92 ");
	paper_escape(buf, picture->boxes[edge->to].name);
	if (*words != '\0')
		buf_printf(buf, " (%s)", words);
	buf_add_string(buf, "</title>\n");
}

/* Whoever shows the picture can tell the parts: models and relations by their
 * numbers in the graph. */
static void
open_edge(const struct picture *picture, const struct picture_edge *edge,
    struct buf *buf)
{
	buf_printf(buf, "<g data-relation=\"%td\">", edge - picture->edges);
}

static void
draw_loop(const struct picture *picture, const struct picture_edge *edge, int x,
    int top, int bottom, struct buf *buf)
{
	open_edge(picture, edge, buf);
	draw_title(picture, edge, buf);
	buf_printf(buf,
	    "<path class=\"%s\" d=\"M%d %dV%da8 8 0 0 0 16 0V%d\"/>\n",
	    line_class(edge), x, top, bottom - 8, top + 8);
	draw_head(edge, x + 16, top, 0, -1, buf);
	buf_add_string(buf, "</g>\n");
}

/* All loops of a box, from y on; only measured without a buffer.  The labels'
 * heights add up, so that none lies on another's bow. */
static void
write_loops(const struct picture *picture, size_t box, struct block *block)
{
	size_t left = count_loops(picture, box);
	int top = block->y, x = block->x;
	int width = block->width;

	for (size_t i = 0; left > 0 && i < picture->n_edges; i++) {
		const struct picture_edge *edge = &picture->edges[i];
		int begin = x + (int)--left * LOOP_STEP;

		if (edge->from != box || edge->to != box) {
			left++;
			continue;
		}
		block->x = begin + 24;
		block->y += 6;
		block->width = 0;
		write_label(edge, block);
		if (block->width + block->x - x > width)
			width = block->width + block->x - x;
		if (block->buf != NULL)
			draw_loop(picture, edge, begin, top, block->y - 2,
			    block->buf);
	}
	block->x = x;
	block->width = width;
}

void
draw_measure_box(
    const struct picture *picture, size_t box, struct layout_box *place)
{
	struct block block = {.buf = NULL};

	write_header(&picture->boxes[box], &block);
	write_rules(&picture->boxes[box], &block);
	place->port_height = block.y;
	write_loops(picture, box, &block);
	place->height = block.y;
	place->width = block.width + 2 * PADDING;
}

void
draw_measure_label(const struct picture_edge *edge, struct layout_edge *place)
{
	struct block block = {.buf = NULL};

	write_label(edge, &block);
	place->label_width = block.width + 4;
	place->label_height = block.y;
}

/* A rectangle whose upper corners are rounded belongs to the header; the body
 * lies on its lower part. */
static void
draw_frame(
    const struct layout_box *p, int header, const char *class, struct buf *buf)
{
	int bottom = p->y + p->port_height;

	buf_printf(buf,
	    "<rect class=\"head-%s\" x=\"%d\" y=\"%d\" width=\"%d\" "
	    "height=\"%d\" rx=\"%d\"/>\n",
	    class, p->x, p->y, p->width, p->port_height, CORNER);
	if (header < p->port_height)
		buf_printf(buf,
		    "<path class=\"body\" d=\"M%d %dH%dV%da%d %d 0 0 1 -%d %d"
		    "H%da%d %d 0 0 1 -%d -%dZ\"/>\n",
		    p->x, p->y + header, p->x + p->width, bottom - CORNER,
		    CORNER, CORNER, CORNER, CORNER, p->x + CORNER, CORNER,
		    CORNER, CORNER, CORNER);
	buf_printf(buf,
	    "<rect class=\"frame-%s\" x=\"%d\" y=\"%d\" width=\"%d\" "
	    "height=\"%d\" rx=\"%d\"/>\n",
	    class, p->x, p->y, p->width, p->port_height, CORNER);
}

void
draw_box(const struct picture *picture, size_t box,
    const struct layout_box *place, struct buf *buf)
{
	const struct picture_box *b = &picture->boxes[box];
	struct block header = {.buf = NULL};
	struct block block = {
	    .buf = buf, .x = place->x + PADDING, .y = place->y};

	buf_printf(buf, "<g data-model=\"%zu\">", box);
	write_header(b, &header);
	draw_frame(place, b->n_rules == 0 ? place->port_height : header.y,
	    is_bad(b)         ? "bad"
	    : b->n_rules == 0 ? "link"
			      : "model",
	    buf);
	if (b->watch == PICTURE_WATCHED)
		buf_printf(buf,
		    "<circle class=\"good\" cx=\"%d\" cy=\"%d\" r=\"4\"/>\n",
		    place->x + place->width - PADDING, place->y + 16);
	write_header(b, &block);
	write_rules(b, &block);
	block.y = place->y + place->port_height;
	write_loops(picture, box, &block);
	buf_add_string(buf, "</g>\n");
}

void
draw_edge(const struct picture *picture, const struct picture_edge *edge,
    const struct layout_edge *place, struct buf *buf)
{
	const struct layout_point *p = place->points;
	size_t last = place->n_points - 1;
	struct block label = {
	    .buf = buf, .x = place->label_x + 2, .y = place->label_y};
	int dx = p[last].x > p[last - 1].x ? 1 : -1;

	open_edge(picture, edge, buf);
	draw_title(picture, edge, buf);
	buf_printf(buf, "<path class=\"%s\" d=\"M%d %d", line_class(edge),
	    p[0].x, p[0].y);
	for (size_t i = 1; i <= last; i++) {
		int x = i == last ? p[i].x - dx * 8 : p[i].x;
		int half = (p[i - 1].x + x) / 2;

		if (p[i].y == p[i - 1].y)
			buf_printf(buf, "H%d", x);
		else
			buf_printf(buf, "C%d %d %d %d %d %d", half, p[i - 1].y,
			    half, p[i].y, x, p[i].y);
	}
	buf_add_string(buf, "\"/>\n");
	draw_head(edge, p[last].x, p[last].y, dx, 0, buf);
	write_label(edge, &label);
	buf_add_string(buf, "</g>\n");
}
