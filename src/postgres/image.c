/*
 * The SQL of a row's image.
 */
#include "postgres/image.h"

#include "base/buf.h"
#include "postgres/quote.h"

size_t
image_print(struct buf *sql, const struct pgripple_table *table,
    const struct catalog_table *known, const struct pgripple_columns *wanted)
{
	struct buf columns = BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < table->n_columns; i++) {
		if (!pgripple_columns_has(wanted, i))
			continue;
		buf_printf(&columns, "%s%s AS ", n++ > 0 ? ", " : "",
		    known->columns[i].value);
		quote_identifier(&columns, table->columns[i].name);
	}
	if (n > 0)
		buf_printf(sql,
		    "SELECT row_to_json(image.*) FROM %s AS t "
		    "CROSS JOIN LATERAL (SELECT %s) AS image",
		    known->quoted, buf_string(&columns));
	else
		buf_printf(sql, "SELECT '{}' FROM %s AS t", known->quoted);
	sql->failed = sql->failed || columns.failed;
	buf_done(&columns);
	return n;
}
