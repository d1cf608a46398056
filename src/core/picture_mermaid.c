/*
 * The picture as a Mermaid flowchart
 * (https://mermaid.js.org/syntax/flowchart.html), which GitHub and GitLab draw
 * in Markdown.
 */
#include <ctype.h>

#include "base/buf.h"
#include "core/picture.h"

/* Inside of a quoted text: what might mean something to Mermaid, Markdown or
 * HTML is written as its code point, "#35;". */
static void
add_escaped(struct buf *buf, const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;

		if (c >= 0x80 || isalnum(c))
			buf_add_char(buf, (char)c);
		else if (c < 0x20)
			buf_add_char(buf, ' ');
		else if (c == ' ' || c == ',' || c == '.' || c == ':' ||
			 c == '(' || c == ')' || c == '{' || c == '}' ||
			 c == '_' || c == '=' || c == '-')
			buf_add_char(buf, (char)c);
		else
			buf_printf(buf, "#%d;", c);
	}
}

/* A further line, unless it is empty. */
static void
add_line(struct buf *buf, const char *text, const char *more)
{
	if (*text == '\0')
		return;
	buf_add_string(buf, "<br/>");
	add_escaped(buf, text);
	if (*more != '\0') {
		buf_add_string(buf, " (");
		add_escaped(buf, more);
		buf_add_char(buf, ')');
	}
}

static void
print_box(const struct picture_box *box, size_t index, struct buf *buf)
{
	buf_printf(buf, "    m%zu[\"<b>", index);
	add_escaped(buf, box->name);
	buf_add_string(buf, "</b>");
	add_line(buf, box->table, picture_watch_name(box->watch));
	add_line(buf, box->ignore, "");
	for (size_t i = 0; i < box->n_rules; i++)
		add_line(buf, box->rules[i].text, box->rules[i].detail);
	buf_add_string(buf, "\"]\n");
	if (box->watch != PICTURE_NOT_ASKED && box->watch != PICTURE_WATCHED)
		buf_printf(buf, "    class m%zu unwatched\n", index);
	else if (box->n_rules == 0)
		buf_printf(buf, "    class m%zu link\n", index);
}

static void
print_edge(const struct picture_edge *edge, struct buf *buf)
{
	static const char *const arrows[2][2] = {
	    {"--x", "-->"}, {"-.-x", "-.->"}};

	buf_printf(buf, "    m%zu %s|\"", edge->from,
	    arrows[edge->lookup == PICTURE_LOOKUP][edge->transitive]);
	if (edge->name != NULL)
		add_escaped(buf, edge->name);
	if (edge->enabled) {
		buf_add_string(buf, edge->name == NULL ? "" : "<br/>");
		add_escaped(buf, edge->from_columns);
		buf_add_string(buf, " → ");
		add_escaped(buf, edge->to_columns);
	}
	add_line(buf, edge->detail, "");
	buf_printf(buf, "\"| m%zu\n", edge->to);
}

void
picture_print_mermaid(const struct picture *picture, struct buf *buf)
{
	const char *caveat = picture_caveat(picture);

	buf_add_string(buf,
	    "%% dotted: needs a lookup; a cross: ends there; grey: disabled\n");
	if (caveat != NULL)
		buf_printf(buf, "%%%% %s\n", caveat);
	buf_add_string(buf,
	    "flowchart LR\n"
	    "    classDef link fill:#eef1f4,stroke:#94a3b3,color:#12263f\n"
	    "    classDef unwatched stroke:#c62828,stroke-width:2px\n");
	for (size_t i = 0; i < picture->n_boxes; i++)
		print_box(&picture->boxes[i], i, buf);
	for (size_t i = 0; i < picture->n_edges; i++)
		print_edge(&picture->edges[i], buf);
	for (size_t i = 0; i < picture->n_edges; i++)
		if (!picture->edges[i].enabled)
			buf_printf(buf,
			    "    linkStyle %zu stroke:#b0b8c1,color:#8a949e\n",
			    i);
}
