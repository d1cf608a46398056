/*
 * Templates: "team:{id}:{slug|lower|md5}".  "{{" and "}}" are literal braces.
 * Values are bytes; what comes from a row is never looked at again.
 */
#ifndef PGRIPPLE_CORE_TEMPLATE_H
#define PGRIPPLE_CORE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/util.h"
#include "core/filter.h"

struct arena;
struct pgripple_value;

struct template_part {
	const char *text; /* a literal, or the column's name */
	size_t length;
	bool is_column;
	struct filter *filters; /* of a column, in their order */
	size_t n_filters;
	size_t column; /* index in the table, set by the owner */
	size_t offset; /* in the source, in bytes: for messages */
};

struct template
{
	const char *source;
	struct template_part *parts;
	size_t n_parts;
};

/* Parses a template into the arena.  A fault is a CONFIG error whose
 * at.column is the byte offset in the source, from 0. */
int template_parse(struct arena *arena, const char *source,
    struct template **ret_template, struct pgripple_error *err) MUST_CHECK;

enum template_outcome {
	TEMPLATE_DONE = 0,
	TEMPLATE_NULL = 1, /* a column is NULL: there is no key */
	TEMPLATE_UNKNOWN = 2, /* a column's value is not known */
};

/* Appends the key for a row; on another outcome the buffer is as before. */
enum template_outcome template_fill(const struct template *t,
    const struct pgripple_value *values, struct buf *key);

/* Appends the glob pattern that matches every key of the template for such a
 * row: values that are not known become "*", what is known is escaped.  Without
 * values (NULL), for any row. */
void template_pattern(const struct template *t,
    const struct pgripple_value *values, struct buf *pattern);

/* Appends what stands for all rows that differ in unknown values: "*" in the
 * place of each, and of every value without values (NULL).  Not escaped. */
void template_fill_wide(const struct template *t,
    const struct pgripple_value *values, struct buf *text);

/* Appends the glob pattern that the template itself is: its own text stands as
 * written, values are escaped, and "*" where they are not known. */
void template_fill_glob(const struct template *t,
    const struct pgripple_value *values, struct buf *pattern);

/* Whether the values make a text, without making it. */
enum template_outcome template_judge(
    const struct template *t, const struct pgripple_value *values);

/* True if it names no column, so that it makes one key for all rows. */
bool template_is_constant(const struct template *t);

#endif
