/*
 * A template in the first line, and the values of a row in those that follow:
 * the key must match its own pattern, as Redis matches.
 */
#include <pgripple/change.h>

#include "base/arena.h"
#include "core/template.h"
#include "fuzz.h"

#define N_COLUMNS 4

/* As Redis's stringmatchlen(), of the characters that patterns here have. */
static bool
matches(const char *p, size_t n_p, const char *s, size_t n_s)
{
	while (n_p > 0) {
		if (*p == '*') {
			for (size_t i = 0; i <= n_s; i++)
				if (matches(p + 1, n_p - 1, s + i, n_s - i))
					return true;
			return false;
		}
		if (*p == '\\' && n_p > 1) {
			p++;
			n_p--;
		}
		if (n_s == 0 || *p != *s)
			return false;
		p++, s++;
		n_p--, n_s--;
	}
	return n_s == 0;
}

/* "-" is NULL, "?" is not known, all else is text. */
static struct pgripple_value
read_value(const char *text)
{
	struct pgripple_value value = {
	    .kind = PGRIPPLE_VALUE_TEXT,
	    .text = text,
	    .length = (uint32_t)strlen(text),
	};

	if (strcmp(text, "-") == 0)
		value.kind = PGRIPPLE_VALUE_NULL;
	else if (strcmp(text, "?") == 0)
		value.kind = PGRIPPLE_VALUE_UNKNOWN;
	return value;
}

static void
fill(struct template *t, const struct pgripple_value *values)
{
	struct buf key = BUF_INIT, pattern = BUF_INIT, any = BUF_INIT;
	enum template_outcome outcome;

	for (size_t i = 0; i < t->n_parts; i++)
		t->parts[i].column = i % N_COLUMNS;
	outcome = template_fill(t, values, &key);
	EXPECT(outcome == TEMPLATE_DONE || key.n == 0);
	template_pattern(t, values, &pattern);
	template_pattern(t, NULL, &any);
	EXPECT(!key.failed && !pattern.failed && !any.failed);
	/* Where all is known the pattern has no "*", so matching is quick; any
	 * row's has one for each column. */
	if (outcome == TEMPLATE_DONE) {
		EXPECT(matches(
		    buf_string(&pattern), pattern.n, buf_string(&key), key.n));
		if (t->n_parts < 6)
			EXPECT(matches(
			    buf_string(&any), any.n, buf_string(&key), key.n));
	}
	buf_done(&key);
	buf_done(&pattern);
	buf_done(&any);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	char *text = fuzz_text(data, size);
	char *rest = text, *source = strsep(&rest, "\n");
	struct pgripple_value values[N_COLUMNS];
	struct template *t;
	struct pgripple_error err;

	for (size_t i = 0; i < N_COLUMNS; i++)
		values[i] = read_value(rest == NULL ? "" : strsep(&rest, "\n"));
	if (template_parse(arena, source, &t, &err) == 0)
		fill(t, values);
	else
		EXPECT(err.kind == PGRIPPLE_ERROR_CONFIG &&
		       err.at.column >= 0 &&
		       (size_t)err.at.column <= strlen(source));
	free(text);
	arena_free(arena);
	return 0;
}
