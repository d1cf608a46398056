/*
 * The text of a YAML file: its lines and places, and the checks that need no
 * parser.
 */
#include "config/yaml_source.h"

#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "config/yaml.h"

/* The bytes of the line break at a place, as libyaml sees them: CR LF, LF, CR,
 * NEL, LS and PS.  0 if there is none. */
static size_t
break_length(const char *s, size_t left)
{
	if (left >= 2 && s[0] == '\r' && s[1] == '\n')
		return 2;
	if (left >= 1 && (s[0] == '\n' || s[0] == '\r'))
		return 1;
	if (left >= 2 && memcmp(s, "\xc2\x85", 2) == 0)
		return 2;
	if (left >= 3 && (memcmp(s, "\xe2\x80\xa8", 3) == 0 ||
			     memcmp(s, "\xe2\x80\xa9", 3) == 0))
		return 3;
	return 0;
}

int
yaml_source_init(struct yaml_source *source, struct arena *arena,
    const char *file, const char *text, size_t length)
{
	size_t n = 1, i;

	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	*source =
	    (struct yaml_source){.file = file, .text = text, .length = length};
	if (length > YAML_MAX_BYTES)
		return 0; /* will be refused: its lines do not matter */
	for (i = 0; i < length; i++)
		n += break_length(text + i, length - i) != 0;
	source->lines = arena_array(arena, n + 1, sizeof(*source->lines));
	if (source->lines == NULL)
		return -1;
	source->n_lines = 1;
	for (i = 0; i < length;) {
		size_t step = break_length(text + i, length - i);

		i += step != 0 ? step : 1;
		if (step != 0)
			source->lines[source->n_lines++] = i;
	}
	source->lines[source->n_lines] = length;
	return 0;
}

static int
check_characters(
    const struct yaml_source *source, struct pgripple_errors *errors)
{
	const char *s = source->text;
	struct pgripple_error *e;
	size_t n;

	for (size_t i = 0; i < source->length; i += n) {
		n = utf8_length(s + i, source->length - i);
		unsigned char c = (unsigned char)s[i];

		if (n == 0) {
			e = pgripple_errors_add(errors,
			    yaml_source_place(source, i),
			    "byte 0x%02x is not UTF-8", c);
			pgripple_error_hint(e, "Save the file as UTF-8.");
			return -1;
		}
		if (c == 0 || c == 0x7f ||
		    (c < 0x20 && strchr("\t\n\r", c) == NULL)) {
			pgripple_errors_add(errors,
			    yaml_source_place(source, i),
			    "control character 0x%02x is not allowed", c);
			return -1;
		}
	}
	return 0;
}

/* A tab in the indentation means different things to different tools. */
static int
check_tabs(const struct yaml_source *source, struct pgripple_errors *errors)
{
	for (size_t line = 0; line < source->n_lines; line++) {
		size_t length, blank;
		const char *text = yaml_source_line(source, line, &length);

		for (blank = 0; blank < length && text[blank] == ' '; blank++)
			;
		if (blank == length || text[blank] != '\t')
			continue;
		pgripple_error_hint(
		    pgripple_errors_add(errors,
			yaml_source_place(source, source->lines[line] + blank),
			"a tab cannot be used to indent"),
		    "Indent with spaces.");
		return -1;
	}
	return 0;
}

int
yaml_source_check(
    const struct yaml_source *source, struct pgripple_errors *errors)
{
	if (source->length > YAML_MAX_BYTES) {
		pgripple_errors_add(errors,
		    (struct pgripple_position){source->file, 1, 1},
		    "the file is larger than %zu bytes", YAML_MAX_BYTES);
		return -1;
	}
	if (check_characters(source, errors) != 0)
		return -1;
	return check_tabs(source, errors);
}

size_t
yaml_source_offset(const struct yaml_source *source, const yaml_mark_t *mark)
{
	size_t i, end;

	if (mark->line >= source->n_lines)
		return source->length;
	i = source->lines[mark->line];
	end = source->lines[mark->line + 1];
	for (size_t n = mark->column; n > 0 && i < end; n--)
		do
			i++;
		while (i < end && (source->text[i] & 0xc0) == 0x80);
	return i;
}

struct pgripple_position
yaml_source_position(const struct yaml_source *source, const yaml_mark_t *mark)
{
	return yaml_source_place(source, yaml_source_offset(source, mark));
}

struct pgripple_position
yaml_source_place(const struct yaml_source *source, size_t offset)
{
	size_t low = 0, high = source->n_lines;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (source->lines[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return (struct pgripple_position){
	    source->file, (int)low + 1, (int)(offset - source->lines[low]) + 1};
}

const char *
yaml_source_line(
    const struct yaml_source *source, size_t line, size_t *ret_length)
{
	const char *text;
	size_t n;

	*ret_length = 0;
	if (line >= source->n_lines)
		return "";
	text = source->text + source->lines[line];
	n = source->lines[line + 1] - source->lines[line];
	while (*ret_length < n &&
	       break_length(text + *ret_length, n - *ret_length) == 0)
		++*ret_length;
	return text;
}
