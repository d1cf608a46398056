/*
 * Text values in rows and columns.
 */
#include "postgres/rows.h"

#include <libpq-fe.h>
#include <stdlib.h>

size_t
rows_count(const struct rows *rows)
{
	return rows->result == NULL ? 0 : (size_t)PQntuples(rows->result);
}

const char *
rows_text(const struct rows *rows, size_t row, int column)
{
	if (PQgetisnull(rows->result, (int)row, column))
		return NULL;
	return PQgetvalue(rows->result, (int)row, column);
}

size_t
rows_length(const struct rows *rows, size_t row, int column)
{
	return (size_t)PQgetlength(rows->result, (int)row, column);
}

int64_t
rows_int(const struct rows *rows, size_t row, int column)
{
	const char *text = rows_text(rows, row, column);

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool
rows_bool(const struct rows *rows, size_t row, int column)
{
	const char *text = rows_text(rows, row, column);

	return text != NULL && text[0] == 't';
}
