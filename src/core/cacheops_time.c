/*
 * Dates and times as django-cacheops has them; a timestamp travels as seconds
 * since 1970, for the zone that it is spelled in is the application's.
 */
#include <inttypes.h>
#include <string.h>

#include "core/cacheops_private.h"

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

void
cacheops_print_date(struct buf *buf, const struct pgripple_value *value)
{
	const char *at = value->text;
	int64_t days;

	if (read_date(&at, &days) && *at == '\0')
		buf_printf(buf, "=%s", value->text);
	else
		buf_add_char(buf, '?');
}

void
cacheops_print_time(struct buf *buf, const struct pgripple_value *value)
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

void
cacheops_print_timestamp(struct buf *buf, const struct pgripple_value *value)
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
