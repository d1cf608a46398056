/*
 * One row of a table as it is now, found by its primary key.
 */
#include "postgres/table_row.h"

#include "base/arena.h"
#include "base/buf.h"
#include "postgres/command.h"
#include "postgres/image.h"
#include "postgres/quote.h"

int
table_columns_read(struct command *command, const struct catalog_table *known,
    struct arena *arena, const struct table_column **ret_columns,
    size_t *ret_n_columns, struct pgripple_error *err)
{
	const char *name = known->quoted;
	struct table_column *columns;
	struct rows rows;
	size_t n;

	if (command_query(command,
		"SELECT a.attname, coalesce(a.attnum = ANY (i.indkey), false) "
		"FROM pg_attribute AS a LEFT JOIN pg_index AS i "
		"ON i.indrelid = a.attrelid AND i.indisprimary "
		"WHERE a.attrelid = $1::regclass AND a.attnum > 0 "
		"AND NOT a.attisdropped ORDER BY a.attnum",
		1, &name, &rows, err) != 0)
		return -1;
	n = rows_count(&rows);
	columns = arena_array(arena, n, sizeof(*columns));
	for (size_t i = 0; columns != NULL && i < n; i++) {
		columns[i].name = arena_strdup(arena, rows_text(&rows, i, 0));
		columns[i].is_key = rows_bool(&rows, i, 1);
		if (columns[i].name == NULL)
			columns = NULL;
	}
	if (columns == NULL)
		return pgripple_error_nomem(err);
	*ret_columns = columns;
	*ret_n_columns = n;
	return 0;
}

static void
print_key(struct buf *sql, const struct table_column *columns, size_t n_columns)
{
	size_t n = 0;

	for (size_t i = 0; i < n_columns; i++) {
		if (!columns[i].is_key)
			continue;
		buf_printf(sql, " %s t.", n == 0 ? "WHERE" : "AND");
		quote_identifier(sql, columns[i].name);
		buf_printf(sql, " = $%zu", ++n);
	}
}

static int
count_keys(const struct table_column *columns, size_t n_columns)
{
	int n = 0;

	for (size_t i = 0; i < n_columns; i++)
		n += columns[i].is_key;
	return n;
}

int
table_row_read(struct command *command, const struct pgripple_table *table,
    const struct catalog_table *known, const struct table_column *columns,
    size_t n_columns, const char *const *keys, struct arena *arena,
    const char **ret_image, struct pgripple_error *err)
{
	struct pgripple_columns all = {0};
	struct buf sql = BUF_INIT;
	const char *image = NULL;
	struct rows rows;
	int failed;

	for (size_t i = 0; i < table->n_columns; i++)
		pgripple_columns_add(&all, i);
	(void)image_print(&sql, table, known, &all);
	print_key(&sql, columns, n_columns);
	failed = sql.failed
		     ? pgripple_error_nomem(err)
		     : command_query(command, sql.bytes,
			   count_keys(columns, n_columns), keys, &rows, err);
	buf_done(&sql);
	if (failed)
		return -1;
	if (rows_count(&rows) > 0) {
		image = arena_strdup(arena, rows_text(&rows, 0, 0));
		if (image == NULL)
			return pgripple_error_nomem(err);
	}
	*ret_image = image;
	return 0;
}
