/*
 * Spellings of values as django-cacheops has them.
 *
 * They were measured: tests/unit/cacheops holds what cacheops really wrote for
 * values of each type.  Where a value has no spelling that one can be sure of
 * (infinity, a date before Christ) its cell says that it is not known.
 */
#include "core/cacheops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Stripped decimals; one with more zeros at its end is hardly given so. */
#define MAX_SPELLINGS 40

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

/* Decimals. */

static void
add_zeros(struct buf *buf, long n)
{
	for (long i = 0; i < n; i++)
		buf_add_char(buf, '0');
}

struct decimal {
	bool is_negative;
	char *digits; /* without zeros in front, but at least one */
	size_t n;
	long exponent;
};

/* As Python's str(Decimal) has it: with an exponent where there is one above
 * zero, or more than five zeros follow the point. */
static void
print_decimal(struct buf *buf, const struct decimal *d)
{
	long left = (long)d->n + d->exponent; /* digits before the point */
	long point = d->exponent <= 0 && left > -6 ? left : 1;

	if (d->is_negative)
		buf_add_char(buf, '-');
	if (point <= 0) {
		buf_add_string(buf, "0.");
		add_zeros(buf, -point);
		buf_add(buf, d->digits, d->n);
	} else {
		buf_add(buf, d->digits, (size_t)point);
		if ((size_t)point < d->n) {
			buf_add_char(buf, '.');
			buf_add(buf, d->digits + point, d->n - (size_t)point);
		}
	}
	if (left != point)
		buf_printf(buf, "E%+ld", left - point);
}

/* From -123.4500; false for NaN and infinity. */
static bool
read_decimal(
    const struct pgripple_value *value, char *digits, struct decimal *ret)
{
	struct decimal d = {.digits = digits};
	bool has_point = false;

	for (size_t i = 0; i < value->length; i++) {
		char c = value->text[i];

		if (i == 0 && c == '-') {
			d.is_negative = true;
		} else if (c == '.' && !has_point) {
			has_point = true;
		} else if (c >= '0' && c <= '9') {
			d.exponent -= has_point;
			if (d.n == 1 && digits[0] == '0')
				d.n = 0;
			digits[d.n++] = c;
		} else {
			return false;
		}
	}
	*ret = d;
	return d.n > 0;
}

static bool
is_zero(const struct decimal *d)
{
	return d->n == 1 && d->digits[0] == '0';
}

/* One zero fewer at the end; false if there is none. */
static bool
strip_zero(struct decimal *d)
{
	if (is_zero(d) || d->digits[d->n - 1] != '0')
		return false;
	d->n--;
	d->exponent++;
	return true;
}

/* A filter may give 5, 5.0 or 5E+2 for what the column holds as 5.00. */
static void
print_decimals(struct buf *buf, const struct pgripple_value *value)
{
	char digits[1 << 10];
	struct decimal d;

	if (value->length >= sizeof(digits) - 1 ||
	    !read_decimal(value, digits, &d)) {
		buf_add_string(
		    buf, strcmp(value->text, "NaN") == 0 ? "=NaN" : "?");
		return;
	}
	buf_add_char(buf, 'd');
	if (d.exponent == 0 && d.n < sizeof(digits)) {
		struct decimal with_zero = d;

		if (!is_zero(&d))
			digits[with_zero.n++] = '0';
		with_zero.exponent = -1;
		print_decimal(buf, &with_zero);
		buf_add_char(buf, ' ');
	}
	print_decimal(buf, &d);
	for (int i = 0; i < MAX_SPELLINGS && d.exponent < 0; i++) {
		if (is_zero(&d))
			d.exponent++;
		else if (!strip_zero(&d))
			return;
		buf_add_char(buf, ' ');
		print_decimal(buf, &d);
	}
	if (d.exponent == 0 && strip_zero(&d)) {
		while (strip_zero(&d))
			;
		buf_add_char(buf, ' ');
		print_decimal(buf, &d);
	}
}

/* Floats. */

/* The fewest digits that read back the same. */
static size_t
shortest_digits(double number, char *ret_digits, long *ret_exponent)
{
	char text[40];
	size_t n = 0;
	int precision = 0;

	do
		(void)snprintf(text, sizeof(text), "%.*e", precision, number);
	while (strtod(text, NULL) != number && ++precision < 17);
	for (const char *c = text; *c != 'e'; c++)
		if (*c >= '0' && *c <= '9')
			ret_digits[n++] = *c;
	*ret_exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
	return n;
}

/* As Python's repr() has it: with an exponent below 1e-4 and from 1e16 on, and
 * never looking like an integer. */
static void
print_float(struct buf *buf, double number)
{
	char digits[20];
	long exponent;
	size_t n = shortest_digits(number, digits, &exponent);
	size_t n_whole = exponent < 0 ? 0 : (size_t)exponent + 1;

	if (number < 0)
		buf_add_char(buf, '-');
	if (exponent < -4 || exponent >= 16) {
		buf_add(buf, digits, 1);
		buf_add(buf, ".", n > 1);
		buf_add(buf, digits + 1, n - 1);
		buf_printf(buf, "e%+03ld", exponent);
	} else if (n_whole == 0) {
		buf_add_string(buf, "0.");
		add_zeros(buf, -exponent - 1);
		buf_add(buf, digits, n);
	} else if (n > n_whole) {
		buf_add(buf, digits, n_whole);
		buf_add_char(buf, '.');
		buf_add(buf, digits + n_whole, n - n_whole);
	} else {
		buf_add(buf, digits, n);
		add_zeros(buf, (long)(n_whole - n));
		buf_add_string(buf, ".0");
	}
}

static void
print_floats(struct buf *buf, const struct pgripple_value *value)
{
	char *end;
	double number = strtod(value->text, &end);

	if (value->length == 0 || value->length > 400 || *end != '\0' ||
	    strspn(value->text, "-+.0123456789e") != value->length) {
		buf_add_char(buf, '?'); /* NaN, Infinity */
		return;
	}
	buf_printf(buf, "f%s ", value->text);
	if (number < 0 || number > 0)
		print_float(buf, number);
	else
		buf_add_string(buf, "0.0 -0.0");
}

/* Times. */

/* Digits at a place of the text. */
static bool
read_digits(const char **at, int n, int64_t *ret)
{
	int64_t number = 0;

	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		number = number * 10 + (**at - '0');
	}
	*ret = number;
	return true;
}

static bool
read_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* ".12" as six digits; none for nothing. */
static bool
read_fraction(const char **at, char *ret)
{
	size_t n;

	ret[0] = '\0';
	if (!read_char(at, '.'))
		return true;
	n = strspn(*at, "0123456789");
	if (n == 0 || n > 6)
		return false;
	memcpy(ret, "000000", 7);
	memcpy(ret, *at, n);
	*at += n;
	if (strcmp(ret, "000000") == 0)
		ret[0] = '\0';
	return true;
}

static bool
read_clock(const char **at, int64_t *ret_seconds, char *ret_fraction)
{
	int64_t hours, minutes, seconds;

	if (!read_digits(at, 2, &hours) || !read_char(at, ':') ||
	    !read_digits(at, 2, &minutes) || !read_char(at, ':') ||
	    !read_digits(at, 2, &seconds))
		return false;
	*ret_seconds = hours * 3600 + minutes * 60 + seconds;
	return read_fraction(at, ret_fraction);
}

/* +02, +05:30, -00:44:30 */
static bool
read_offset(const char **at, int64_t *ret_seconds)
{
	int64_t sign = **at == '-' ? -1 : 1;
	int64_t unit = 3600, sum = 0, number;

	if (!read_char(at, '+') && !read_char(at, '-'))
		return false;
	do {
		if (unit == 0 || !read_digits(at, 2, &number))
			return false;
		sum += number * unit;
		unit /= 60;
	} while (read_char(at, ':'));
	*ret_seconds = sign * sum;
	return true;
}

/* http://howardhinnant.github.io/date_algorithms.html, days_from_civil() */
static int64_t
days_from_civil(int64_t year, int64_t month, int64_t day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = year / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
	       year_of_era / 100 + day_of_year - 719468;
}

static bool
read_date(const char **at, int64_t *ret_days)
{
	int64_t year, month, day;

	if (!read_digits(at, 4, &year) || !read_char(at, '-') ||
	    !read_digits(at, 2, &month) || !read_char(at, '-') ||
	    !read_digits(at, 2, &day))
		return false;
	*ret_days = days_from_civil(year, month, day);
	return true;
}

static void
print_date(struct buf *buf, const struct pgripple_value *value)
{
	const char *at = value->text;
	int64_t days;

	if (read_date(&at, &days) && *at == '\0')
		buf_printf(buf, "=%s", value->text);
	else
		buf_add_char(buf, '?');
}

static void
print_time(struct buf *buf, const struct pgripple_value *value)
{
	const char *at = value->text;
	char fraction[8];
	int64_t seconds;

	if (!read_clock(&at, &seconds, fraction) || *at != '\0')
		buf_add_char(buf, '?');
	else
		buf_printf(buf, "=%.8s%s%s", value->text,
		    fraction[0] != '\0' ? "." : "", fraction);
}

static void
print_timestamp(struct buf *buf, const struct pgripple_value *value)
{
	const char *at = value->text;
	char fraction[8];
	int64_t days, seconds, offset;

	if (!read_date(&at, &days) ||
	    (!read_char(&at, 'T') && !read_char(&at, ' ')) ||
	    !read_clock(&at, &seconds, fraction) ||
	    !read_offset(&at, &offset) || *at != '\0')
		buf_add_char(buf, '?');
	else
		buf_printf(buf, "t%" PRId64 "%s%s",
		    days * 86400 + seconds - offset,
		    fraction[0] != '\0' ? "." : "", fraction);
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
		print_decimals(buf, value);
		break;
	case CACHEOPS_FLOAT:
		print_floats(buf, value);
		break;
	case CACHEOPS_CHAR:
		print_text(buf, 'c', value);
		break;
	case CACHEOPS_DATE:
		print_date(buf, value);
		break;
	case CACHEOPS_TIME:
		print_time(buf, value);
		break;
	case CACHEOPS_TIMESTAMP:
		print_timestamp(buf, value);
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
