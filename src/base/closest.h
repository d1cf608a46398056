/*
 * "Did you mean": the known word that is nearest to a mistyped one.
 */
#ifndef PGRIPPLE_BASE_CLOSEST_H
#define PGRIPPLE_BASE_CLOSEST_H

#include <stddef.h>

/* The nearest of the words by edits (insert, delete, replace, swap of
 * neighbours; case does not count), or NULL if none is near: more than a third
 * of the word's letters, at least one, would have to change. */
const char *closest(const char *word, const char *const *words, size_t n_words);

#endif
