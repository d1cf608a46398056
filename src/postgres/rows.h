/*
 * What a statement answered: text values in rows and columns, lent by whoever
 * ran it.  This is how rows leave this folder; libpq's results do not.
 */
#ifndef PGRIPPLE_POSTGRES_ROWS_H
#define PGRIPPLE_POSTGRES_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_result;

struct rows {
	const struct pg_result *result; /* NULL: no rows */
};

size_t rows_count(const struct rows *rows);
/* The value's text, terminated; NULL if it is null. */
const char *rows_text(const struct rows *rows, size_t row, int column);
size_t rows_length(const struct rows *rows, size_t row, int column);
/* 0 if it is null or no number. */
int64_t rows_int(const struct rows *rows, size_t row, int column);
bool rows_bool(const struct rows *rows, size_t row, int column);

#endif
