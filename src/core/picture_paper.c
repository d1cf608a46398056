/*
 * Writing SVG: text whose width is known without the font, escaped.
 */
#include "core/picture_paper.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

/* Bytes of the character at the text's beginning, at least 1. */
static size_t
step(const char *text)
{
	size_t n = utf8_length(text, strnlen(text, 4));

	return n == 0 ? 1 : n;
}

/* In 1/1000 of the size, generously: DejaVu Sans, the widest of the usual. */
static int
sans_width(char c)
{
	if ((unsigned char)c >= 0x80)
		return 800;
	if (strchr("ijlI.,:;'|!", c) != NULL)
		return 340;
	if (strchr("frt()[]{} -/\\\"", c) != NULL)
		return 400;
	if (strchr("mwMW@%&", c) != NULL)
		return 980;
	if (c >= 'A' && c <= 'Z')
		return 720;
	return 636;
}

/* Most monospaced fonts have 602; the characters of East Asia take two. */
static int
mono_width(const char *text, size_t n)
{
	return n >= 3 && (unsigned char)*text >= 0xe3 ? 1204 : 602;
}

static int
limit(const struct paper_style *style)
{
	return style->max_characters > 0 ? style->max_characters
					 : PAPER_MAX_CHARACTERS;
}

int
paper_width(const struct paper_style *style, const char *text)
{
	long width = 0;
	int n_characters = 0;

	for (size_t n; *text != '\0'; text += n) {
		n = step(text);
		if (++n_characters > limit(style))
			break;
		width += style->font == PAPER_MONO ? mono_width(text, n)
			 : n >= 3 && (unsigned char)*text >= 0xe3
			     ? 1050
			     : sans_width(*text);
	}
	if (style->font == PAPER_BOLD)
		width += width / 9;
	return (int)((width * style->size + 9999) / 10000);
}

/* Whether XML 1.0 can hold the character (its section 2.2). */
static bool
is_xml(const char *bytes, size_t n)
{
	if ((unsigned char)*bytes < 0x20)
		return *bytes == '\t';
	return utf8_length(bytes, n) == n &&
	       (n != 3 || (memcmp(bytes, "\xef\xbf\xbe", 3) != 0 &&
			      memcmp(bytes, "\xef\xbf\xbf", 3) != 0));
}

static void
escape_bytes(struct buf *buf, const char *bytes, size_t n)
{
	switch (*bytes) {
	case '&':
		buf_add_string(buf, "&amp;");
		break;
	case '<':
		buf_add_string(buf, "&lt;");
		break;
	case '>':
		buf_add_string(buf, "&gt;");
		break;
	case '"':
		buf_add_string(buf, "&quot;");
		break;
	default:
		if (!is_xml(bytes, n))
			buf_add_string(buf, "\xef\xbf\xbd");
		else
			buf_add(buf, bytes, n);
	}
}

void
paper_escape(struct buf *buf, const char *text)
{
	for (size_t n; *text != '\0'; text += n) {
		n = step(text);
		escape_bytes(buf, text, n);
	}
}

void
paper_text(struct buf *buf, const struct paper_style *style, int x, int y,
    const char *text)
{
	const char *at = text;
	int n_characters = 0;

	buf_printf(
	    buf, "<text class=\"%s\" x=\"%d\" y=\"%d\">", style->class, x, y);
	while (*at != '\0' && n_characters < limit(style) - 1) {
		size_t n = step(at);

		n_characters++;
		escape_bytes(buf, at, n);
		at += n;
	}
	/* The last one is written, unless more follow. */
	if (*at != '\0' && at[step(at)] == '\0') {
		escape_bytes(buf, at, step(at));
	} else if (*at != '\0') {
		buf_add_string(buf, "\xe2\x80\xa6<title>");
		paper_escape(buf, text);
		buf_add_string(buf, "</title>");
	}
	buf_add_string(buf, "</text>\n");
}
