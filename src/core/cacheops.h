/*
 * django-cacheops: how a column's value is spelled in the names of the keys on
 * which its cache entries depend ("conj:app_team:tournament_id=1").
 *
 * A value has a spelling for each storage layout, and often several, for what
 * a queryset filters by is not brought into the column's form.  They travel to
 * the script that looks for the keys as a cell, a text of which the first
 * letter says what the rest is:
 *
 *	?               not known: any value
 *	0               NULL
 *	=TEXT           itself
 *	bt, bf          true, false
 *	#DIGITS         an integer
 *	d5.00 5.0 5     a decimal, in all the ways that it may be given
 *	f0.5 0.5        a float: digits, then as Python prints it
 *	cTEXT           char(n): with its padding, or without
 *	t1704164645.120000
 *	                a moment, in seconds since 1970, with microseconds
 *unless there are none
 *
 * What only Redis knows how to spell (numbers and NULL, which its Lua prints),
 * or is long (a moment in all time zones), the script makes of the cell.
 */
#ifndef PGRIPPLE_CORE_CACHEOPS_H
#define PGRIPPLE_CORE_CACHEOPS_H

#include <pgripple/change.h>
#include <pgripple/graph.h>

#include "base/buf.h"
#include "base/util.h"

enum cacheops_kind {
	CACHEOPS_OPAQUE, /* cannot be told from the value */
	CACHEOPS_TEXT,
	CACHEOPS_BOOLEAN,
	CACHEOPS_INTEGER,
	CACHEOPS_DECIMAL,
	CACHEOPS_FLOAT,
	CACHEOPS_CHAR,
	CACHEOPS_DATE,
	CACHEOPS_TIME,
	CACHEOPS_TIMESTAMP,
};

#define CACHEOPS_KINDS (CACHEOPS_TIMESTAMP + 1)

const char *cacheops_kind_name(enum cacheops_kind kind);

enum cacheops_layout {
	CACHEOPS_AUTO, /* both */
	CACHEOPS_CLASSIC,
	CACHEOPS_INSIDEOUT,
};

#define CACHEOPS_LAYOUTS (CACHEOPS_INSIDEOUT + 1)

const char *cacheops_layout_name(enum cacheops_layout layout);

/* What the rule says of a column. */
struct cacheops_column {
	size_t column;
	const char *attname; /* NULL: the column's name */
	bool has_kind;
	enum cacheops_kind kind; /* instead of that of its type */
};

/* What a rule has beside its templates: the first is of its own keys, the
 * parts are of those under further prefixes, and then of the tables that go as
 * a whole, for each prefix. */
struct cacheops {
	const char *table; /* as Django spells it */
	enum cacheops_layout layout;
	size_t n_prefixes;
	struct cacheops_column *columns;
	size_t n_columns;
	/* By which it is joined, if it was said: see docs/graph.md. */
	bool has_joins;
	struct pgripple_columns joins;
};

/* By its type; OPAQUE as long as the catalog was not asked. */
enum cacheops_kind cacheops_kind_of(const struct cacheops *cacheops,
    const struct pgripple_table *table, size_t column);
/* The same without a rule. */
enum cacheops_kind cacheops_kind_of_type(const struct pgripple_column *column);

/* Appends "id!,owner_id=own,name": the fields of the cells, each with its other
 * name if it has one, and a mark where it cannot be NULL. */
void cacheops_print_fields(struct buf *buf, const struct cacheops *cacheops,
    const struct pgripple_table *table);
/* Appends one of them, also if it has no cell. */
void cacheops_print_field(struct buf *buf, const struct cacheops *cacheops,
    const struct pgripple_table *table, size_t column);
/* Whether it has a cell. */
bool cacheops_has_field(const struct cacheops *cacheops,
    const struct pgripple_table *table, size_t column);
/* Whether one of the cells is of a field of this name. */
bool cacheops_knows_field(const struct cacheops *cacheops,
    const struct pgripple_table *table, const char *name);
/* Appends the cell of a value. */
void cacheops_print_cell(struct buf *buf, enum cacheops_kind kind,
    const struct pgripple_value *value);

#endif
