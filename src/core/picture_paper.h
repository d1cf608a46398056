/*
 * Writing SVG: text whose width is known without the font, escaped.  Private to
 * picture_svg.c and picture_draw.c.
 */
#ifndef PGRIPPLE_CORE_PICTURE_PAPER_H
#define PGRIPPLE_CORE_PICTURE_PAPER_H

#include <stddef.h>

struct buf;

enum paper_font {
	PAPER_SANS,
	PAPER_BOLD,
	PAPER_MONO,
};

/* A way in which text is written; class is that of the style sheet. */
struct paper_style {
	const char *class;
	enum paper_font font;
	int size; /* in 1/10 */
	int max_characters; /* 0: PAPER_MAX_CHARACTERS */
};

/* Longer text is cut, and whole in a tooltip. */
#define PAPER_MAX_CHARACTERS 48

/* No common font of the family needs more. */
int paper_width(const struct paper_style *style, const char *text);

/* As the text of an element or of an attribute; what XML 1.0 cannot hold
 * becomes U+FFFD. */
void paper_escape(struct buf *buf, const char *text);
/* A <text>, x and y being the left end of its base line. */
void paper_text(struct buf *buf, const struct paper_style *style, int x, int y,
    const char *text);

#endif
