/*
 * The picture as SVG, drawn without any other program.  It brings its own
 * background, and takes dark colours where the reader's system does.
 */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/picture.h"
#include "core/picture_draw.h"
#include "core/picture_layout.h"

#define MARGIN 24
#define MIN_WIDTH 420

static const char style_sheet[] =
    "<style>\n"
    ".pgripple{font-family:sans-serif}\n"
    ".pgripple text{white-space:pre}\n"
    ".card{fill:#ffffff}\n"
    ".head-model{fill:#dfeafa}.frame-model{fill:none;stroke:#7f9fc6}\n"
    ".head-link{fill:#edf0f3}.frame-link{fill:none;stroke:#a3afbc}\n"
    ".head-bad{fill:#fce4e4}.frame-bad{fill:none;stroke:#c62828}\n"
    ".body{fill:#ffffff}.good{fill:#2e9e5b}\n"
    ".name{font-size:14px;font-weight:bold;fill:#12263f}\n"
    ".table{font-size:11px;fill:#566679}\n"
    ".bad{font-size:11px;fill:#b71c1c}\n"
    ".key{font:11.5px monospace;fill:#1d4468}\n"
    ".match{font:11px monospace;fill:#2c3e50}\n"
    ".detail{font-size:10.5px;font-style:italic;fill:#85590a}\n"
    "text.off{font:11px monospace;fill:#8d98a4}\n"
    ".line{fill:none;stroke:#5d7186;stroke-width:1.4}\n"
    ".lookup{stroke-dasharray:6 4}\n"
    ".head{fill:#5d7186;stroke:#5d7186;stroke-width:1.2}\n"
    ".hollow{fill:#ffffff}\n"
    ".line.off,.head.off{stroke:#c2cad2}.head.off{fill:#c2cad2}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".card{fill:#10171f}.body{fill:#131d28}\n"
    ".head-model{fill:#1d3350}.frame-model{stroke:#4a6d96}\n"
    ".head-link{fill:#232c36}.frame-link{stroke:#5b6876}\n"
    ".head-bad{fill:#451c1f}.frame-bad{stroke:#e57373}\n"
    ".name{fill:#eaf1f9}.table{fill:#9fb0c2}.bad{fill:#ff9d9d}\n"
    ".key{fill:#bcd7f2}.match{fill:#cdd9e5}.detail{fill:#dcb765}\n"
    "text.off{fill:#6d7986}\n"
    ".line{stroke:#8fa3b8}.head{fill:#8fa3b8;stroke:#8fa3b8}\n"
    ".hollow{fill:#10171f}\n"
    ".line.off,.head.off{stroke:#46525f}.head.off{fill:#46525f}\n"
    "}\n"
    "</style>\n";

/* Edges of the layout and of the picture, which has loops as well. */
struct drawing {
	const struct picture *picture;
	struct layout layout;
	size_t *edges; /* the picture's number of each of the layout's */
};

static int
measure(struct drawing *d, struct arena *arena)
{
	const struct picture *p = d->picture;
	struct layout *l = &d->layout;

	l->boxes = arena_array(arena, p->n_boxes, sizeof(*l->boxes));
	l->edges = arena_array(arena, p->n_edges, sizeof(*l->edges));
	d->edges = arena_array(arena, p->n_edges, sizeof(*d->edges));
	if (l->boxes == NULL || l->edges == NULL || d->edges == NULL)
		return -1;
	for (size_t i = 0; i < p->n_boxes; i++)
		draw_measure_box(p, i, &l->boxes[l->n_boxes++]);
	for (size_t i = 0; i < p->n_edges; i++) {
		struct layout_edge *edge = &l->edges[l->n_edges];

		if (p->edges[i].from == p->edges[i].to)
			continue;
		edge->from = p->edges[i].from;
		edge->to = p->edges[i].to;
		draw_measure_label(&p->edges[i], edge);
		d->edges[l->n_edges++] = i;
	}
	return 0;
}

static void
print(const struct drawing *d, struct buf *buf)
{
	const struct layout *l = &d->layout;
	int inner = l->width < MIN_WIDTH ? MIN_WIDTH : l->width;
	int legend_y = MARGIN + l->height + 22;
	int height = legend_y +
		     draw_legend(d->picture, MARGIN, legend_y, inner, NULL) +
		     MARGIN / 2;

	buf_printf(buf,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pgripple\" "
	    "role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
	    "<title>%zu models, %zu relations</title>\n%s"
	    "<rect class=\"card\" width=\"%d\" height=\"%d\" rx=\"10\"/>\n"
	    "<g transform=\"translate(%d %d)\">\n",
	    inner + 2 * MARGIN, height, inner + 2 * MARGIN, height,
	    d->picture->n_boxes, d->picture->n_edges, style_sheet,
	    inner + 2 * MARGIN, height, MARGIN + (inner - l->width) / 2,
	    MARGIN);
	for (size_t i = 0; i < l->n_edges; i++)
		draw_edge(d->picture, &d->picture->edges[d->edges[i]],
		    &l->edges[i], buf);
	for (size_t i = 0; i < l->n_boxes; i++)
		draw_box(d->picture, i, &l->boxes[i], buf);
	buf_add_string(buf, "</g>\n");
	(void)draw_legend(d->picture, MARGIN, legend_y, inner, buf);
	buf_add_string(buf, "</svg>\n");
}

int
picture_print_svg(
    const struct picture *picture, struct buf *buf, struct pgripple_error *err)
{
	struct drawing d = {.picture = picture};
	struct arena *arena = arena_new();
	int result;

	if (arena == NULL)
		return pgripple_error_nomem(err);
	if (measure(&d, arena) != 0)
		result = pgripple_error_nomem(err);
	else
		result = layout_make(arena, &d.layout, err);
	if (result == 0)
		print(&d, buf);
	arena_free(arena);
	if (result == 0 && buf->failed)
		return pgripple_error_nomem(err);
	return result;
}
