/*
 * Decimals and floats as django-cacheops has them: as Python prints them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cacheops_private.h"

/* Stripped decimals; one with more zeros at its end is hardly given so. */
#define MAX_SPELLINGS 40

static void
add_zeros(struct buf *buf, long n)
{
	for (long i = 0; i < n; i++)
		buf_add_char(buf, '0');
}

/* Decimals. */

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
void
cacheops_print_decimals(struct buf *buf, const struct pgripple_value *value)
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

void
cacheops_print_floats(struct buf *buf, const struct pgripple_value *value)
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
