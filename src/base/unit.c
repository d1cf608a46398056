/*
 * Numbers with a unit.
 */
#include "base/unit.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* From the largest on. */
static const struct unit durations[] = {
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

static const struct unit sizes[] = {
    {"GB", INT64_C(1) << 30},
    {"MB", INT64_C(1) << 20},
    {"kB", INT64_C(1) << 10},
    {"B", 1},
    {"", 1},
};

static const struct unit counts[] = {{"", 1}};

static bool
parse(const char *text, const struct unit *units, size_t n_units, int64_t *ret)
{
	size_t n_digits = strspn(text, "0123456789");
	int64_t value = 0;

	if (n_digits == 0)
		return false;
	for (size_t i = 0; i < n_digits; i++)
		if (__builtin_mul_overflow(value, INT64_C(10), &value) ||
		    __builtin_add_overflow(
			value, (int64_t)(text[i] - '0'), &value))
			return false;
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(text + n_digits, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return false;
		*ret = value;
		return true;
	}
	return false;
}

bool
unit_parse_duration(const char *text, int64_t *ret_ms)
{
	return parse(text, durations, N_ELEMENTS(durations), ret_ms);
}

bool
unit_parse_size(const char *text, int64_t *ret_bytes)
{
	return parse(text, sizes, N_ELEMENTS(sizes), ret_bytes);
}

bool
unit_parse_count(const char *text, int64_t *ret_count)
{
	return parse(text, counts, N_ELEMENTS(counts), ret_count);
}

static void
print(struct buf *buf, const struct unit *units, int64_t value)
{
	while (value == 0 ? units->factor != 1 : value % units->factor != 0)
		units++;
	buf_printf(buf, "%" PRId64 "%s", value / units->factor, units->name);
}

void
unit_print_duration(struct buf *buf, int64_t ms)
{
	print(buf, durations, ms);
}

void
unit_print_size(struct buf *buf, int64_t bytes)
{
	print(buf, sizes, bytes);
}
