/*
 * Spellings of values as django-cacheops has them.
 *
 * They were measured: tests/unit/cacheops holds what cacheops really wrote for
 * values of each type.  Where a value has no spelling that one can be sure of
 * (infinity, a date before Christ) its cell says that it is not known.
 */
#include <string.h>

#include "core/cacheops_private.h"

const char *
cacheops_kind_name(enum cacheops_kind kind)
{
	switch (kind) {
	case CACHEOPS_OPAQUE:
		return "opaque";
	case CACHEOPS_TEXT:
		return "text";
	case CACHEOPS_BOOLEAN:
		return "boolean";
	case CACHEOPS_INTEGER:
		return "integer";
	case CACHEOPS_DECIMAL:
		return "decimal";
	case CACHEOPS_FLOAT:
		return "float";
	case CACHEOPS_CHAR:
		return "char";
	case CACHEOPS_DATE:
		return "date";
	case CACHEOPS_TIME:
		return "time";
	case CACHEOPS_TIMESTAMP:
		return "timestamp";
	}
	return "unknown";
}

const char *
cacheops_layout_name(enum cacheops_layout layout)
{
	switch (layout) {
	case CACHEOPS_AUTO:
		return "auto";
	case CACHEOPS_CLASSIC:
		return "classic";
	case CACHEOPS_INSIDEOUT:
		return "insideout";
	}
	return "unknown";
}

/* Columns. */

enum cacheops_kind
cacheops_kind_of_type(const struct pgripple_column *column)
{
	static const struct {
		const char *type;
		enum cacheops_kind kind;
	} kinds[] = {
	    {"smallint", CACHEOPS_INTEGER},
	    {"integer", CACHEOPS_INTEGER},
	    {"bigint", CACHEOPS_INTEGER},
	    {"oid", CACHEOPS_INTEGER},
	    {"boolean", CACHEOPS_BOOLEAN},
	    {"numeric", CACHEOPS_DECIMAL},
	    {"real", CACHEOPS_FLOAT},
	    {"double precision", CACHEOPS_FLOAT},
	    {"character", CACHEOPS_CHAR},
	    {"bpchar", CACHEOPS_CHAR},
	    {"date", CACHEOPS_DATE},
	    {"time without time zone", CACHEOPS_TIME},
	    {"timestamp with time zone", CACHEOPS_TIMESTAMP},
	    {"inet", CACHEOPS_TEXT},
	    {"cidr", CACHEOPS_TEXT},
	    {"macaddr", CACHEOPS_TEXT},
	    {"name", CACHEOPS_TEXT},
	};

	if (column->type == NULL)
		return CACHEOPS_OPAQUE;
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
		if (strcmp(kinds[i].type, column->type) == 0)
			return kinds[i].kind;
	/* varchar, uuid and enums; but not where equal texts may differ, for
	 * then a queryset may have asked for another one. */
	return column->text_equality &&
		       strcmp(column->type, "timestamp without time zone") != 0
		   ? CACHEOPS_TEXT
		   : CACHEOPS_OPAQUE;
}

static const struct cacheops_column *
find_column(const struct cacheops *cacheops, size_t column)
{
	for (size_t i = 0; i < cacheops->n_columns; i++)
		if (cacheops->columns[i].column == column)
			return &cacheops->columns[i];
	return NULL;
}

enum cacheops_kind
cacheops_kind_of(const struct cacheops *cacheops,
    const struct pgripple_table *table, size_t column)
{
	const struct cacheops_column *said = find_column(cacheops, column);

	if (said != NULL && said->has_kind)
		return said->kind;
	return cacheops_kind_of_type(&table->columns[column]);
}

bool
cacheops_has_field(const struct cacheops *cacheops,
    const struct pgripple_table *table, size_t column)
{
	return cacheops_kind_of(cacheops, table, column) != CACHEOPS_OPAQUE;
}

bool
cacheops_knows_field(const struct cacheops *cacheops,
    const struct pgripple_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_columns; i++) {
		const struct cacheops_column *said = find_column(cacheops, i);

		if (cacheops_has_field(cacheops, table, i) &&
		    (strcmp(table->columns[i].name, name) == 0 ||
			(said != NULL && said->attname != NULL &&
			    strcmp(said->attname, name) == 0)))
			return true;
	}
	return false;
}

/* A comma cannot stand in the name of a field: no scheme would have it. */
void
cacheops_print_field(struct buf *buf, const struct cacheops *cacheops,
    const struct pgripple_table *table, size_t column)
{
	const struct pgripple_column *named = &table->columns[column];
	const struct cacheops_column *said = find_column(cacheops, column);

	if (said != NULL && said->attname != NULL)
		buf_printf(buf, "%s=", said->attname);
	if (strpbrk(named->name, ",!=") == NULL)
		buf_add_string(buf, named->name);
	buf_add_string(buf, named->not_null ? "!" : "");
}

void
cacheops_print_fields(struct buf *buf, const struct cacheops *cacheops,
    const struct pgripple_table *table)
{
	const char *comma = "";

	for (size_t i = 0; i < table->n_columns; i++) {
		if (!cacheops_has_field(cacheops, table, i))
			continue;
		buf_add_string(buf, comma);
		cacheops_print_field(buf, cacheops, table, i);
		comma = ",";
	}
}

/* Cells. */

static void
print_text(struct buf *buf, char tag, const struct pgripple_value *value)
{
	buf_add_char(buf, tag);
	buf_add(buf, value->text, value->length);
}

/* Also where "kinds" said so of a text. */
static bool
is_integer(const struct pgripple_value *value)
{
	size_t sign = value->length > 0 && value->text[0] == '-';

	return value->length > sign &&
	       sign + strspn(value->text + sign, "0123456789") == value->length;
}

static void
print_known(struct buf *buf, enum cacheops_kind kind,
    const struct pgripple_value *value)
{
	switch (kind) {
	case CACHEOPS_OPAQUE:
		buf_add_char(buf, '?');
		break;
	case CACHEOPS_TEXT:
		print_text(buf, '=', value);
		break;
	case CACHEOPS_BOOLEAN:
		buf_printf(buf, "b%c", value->text[0] == 't' ? 't' : 'f');
		break;
	case CACHEOPS_INTEGER:
		print_text(buf, is_integer(value) ? '#' : '=', value);
		break;
	case CACHEOPS_DECIMAL:
		cacheops_print_decimals(buf, value);
		break;
	case CACHEOPS_FLOAT:
		cacheops_print_floats(buf, value);
		break;
	case CACHEOPS_CHAR:
		print_text(buf, 'c', value);
		break;
	case CACHEOPS_DATE:
		cacheops_print_date(buf, value);
		break;
	case CACHEOPS_TIME:
		cacheops_print_time(buf, value);
		break;
	case CACHEOPS_TIMESTAMP:
		cacheops_print_timestamp(buf, value);
		break;
	}
}

void
cacheops_print_cell(struct buf *buf, enum cacheops_kind kind,
    const struct pgripple_value *value)
{
	switch (value->kind) {
	case PGRIPPLE_VALUE_UNKNOWN:
		buf_add_char(buf, '?');
		break;
	case PGRIPPLE_VALUE_NULL:
		buf_add_char(buf, '0');
		break;
	case PGRIPPLE_VALUE_TEXT:
		print_known(buf, kind, value);
		break;
	}
}
