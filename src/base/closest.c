/*
 * "Did you mean": optimal string alignment distance, over short words.
 */
#include "base/closest.h"

#include <ctype.h>
#include <string.h>

#define MAX_WORD 64 /* longer words are not compared */

static size_t
min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int
lower(char c)
{
	return tolower((unsigned char)c);
}

/* Edits from one word to the other, both at most MAX_WORD long. */
static size_t
distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][MAX_WORD + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *spare = before;

		before = last;
		last = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			int x = lower(a[i - 1]), y = lower(b[j - 1]);

			row[j] = min(last[j - 1] + (x != y),
			    min(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == lower(b[j - 2]) &&
			    y == lower(a[i - 2]))
				row[j] = min(row[j], before[j - 2] + 1);
		}
	}
	return row[m];
}

const char *
closest(const char *word, const char *const *words, size_t n_words)
{
	size_t n = strlen(word);
	size_t bound = n < 3 ? 1 : n / 3;
	const char *best = NULL;

	if (n > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n_words; i++) {
		size_t m = strlen(words[i]);
		size_t edits;

		if (m > MAX_WORD)
			continue;
		edits = distance(word, n, words[i], m);
		/* A word that would be replaced altogether is not near. */
		if (edits > bound || edits >= n)
			continue;
		best = words[i];
		if (edits == 0)
			break;
		bound = edits - 1;
	}
	return best;
}
