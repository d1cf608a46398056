/*
 * The legend of the SVG picture: a sample and a word for what it has.
 */
#include "core/picture_draw.h"

#include "base/buf.h"
#include "core/picture_paper.h"

#define ITEM_HEIGHT 20
#define SAMPLE_WIDTH 44

static const struct paper_style legend_style = {"table", PAPER_SANS, 110, 200};

struct legend {
	int left;
	int right;
	int x;
	int y;
	struct buf *buf; /* NULL: only measured */
};

static void
add_item(
    struct legend *l, const char *sample, int sample_width, const char *text)
{
	int width = sample_width + paper_width(&legend_style, text);

	if (l->x > l->left && l->x + width > l->right) {
		l->x = l->left;
		l->y += ITEM_HEIGHT;
	}
	if (l->buf != NULL) {
		if (*sample != '\0')
			buf_printf(l->buf,
			    "<g transform=\"translate(%d %d)\">%s</g>\n", l->x,
			    l->y, sample);
		paper_text(l->buf, &legend_style, l->x + sample_width,
		    l->y + 14, text);
	}
	l->x += width + 24;
}

#define LINE(class) "<path class=\"" class "\" d=\"M0 10H27\"/>"
#define HEAD(class) "<path class=\"" class "\" d=\"M36 10L27 6L27 14Z\"/>"

static void
add_edges(struct legend *l, const struct picture *picture)
{
	bool through = false, ends = false, looks_up = false, off = false;

	for (size_t i = 0; i < picture->n_edges; i++) {
		const struct picture_edge *e = &picture->edges[i];

		off |= !e->enabled;
		through |= e->enabled && e->transitive;
		ends |= e->enabled && !e->transitive;
		looks_up |= e->enabled && e->lookup == PICTURE_LOOKUP;
	}
	if (through)
		add_item(l, LINE("line") HEAD("head"), SAMPLE_WIDTH,
		    "changed: also invalidate, and go on");
	if (ends)
		add_item(l, LINE("line") HEAD("head hollow"), SAMPLE_WIDTH,
		    "also invalidate, and end there");
	if (looks_up)
		add_item(l, LINE("line lookup") HEAD("head"), SAMPLE_WIDTH,
		    "needs a lookup in Postgres");
	if (off)
		add_item(l, LINE("line off") HEAD("head off"), SAMPLE_WIDTH,
		    "disabled");
}

static void
add_boxes(struct legend *l, const struct picture *picture)
{
	bool watched = false, links = false;

	for (size_t i = 0; i < picture->n_boxes; i++) {
		watched |= picture->boxes[i].watch == PICTURE_WATCHED;
		links |= picture->boxes[i].n_rules == 0;
	}
	if (links)
		add_item(l,
		    "<rect class=\"head-link\" x=\"0\" y=\"3\" width=\"36\" "
		    "height=\"14\" rx=\"4\"/>"
		    "<rect class=\"frame-link\" x=\"0\" y=\"3\" width=\"36\" "
		    "height=\"14\" rx=\"4\"/>",
		    SAMPLE_WIDTH, "has no cached values, passes on");
	if (watched)
		add_item(l,
		    "<circle class=\"good\" cx=\"4\" cy=\"10\" r=\"4\"/>", 14,
		    "the table is watched");
}

int
draw_legend(
    const struct picture *picture, int x, int y, int width, struct buf *buf)
{
	struct legend l = {x, x + width, x, y, buf};
	const char *caveat = picture_caveat(picture);

	add_edges(&l, picture);
	add_boxes(&l, picture);
	if (caveat != NULL) {
		if (l.x > l.left) {
			l.x = l.left;
			l.y += ITEM_HEIGHT;
		}
		add_item(&l, "", 0, caveat);
	}
	return l.y + ITEM_HEIGHT - y;
}
