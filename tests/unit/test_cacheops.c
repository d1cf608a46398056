/*
 * Cells: what of a value can stand in the name of a key of django-cacheops.
 * That it is what cacheops writes is shown in test_redis_cacheops.c.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core/cacheops.h"

static void
expect_cell(enum cacheops_kind kind, const char *text, const char *cell)
{
	struct pgripple_value value = {
	    PGRIPPLE_VALUE_TEXT, (uint32_t)strlen(text), text};
	struct buf buf = BUF_INIT;

	cacheops_print_cell(&buf, kind, &value);
	cr_expect_str_eq(buf_string(&buf), cell, "%s \"%s\": \"%s\"",
	    cacheops_kind_name(kind), text, buf_string(&buf));
	buf_done(&buf);
}

Test(cacheops, takes_decimals_in_every_way_that_they_may_be_given)
{
	expect_cell(CACHEOPS_DECIMAL, "5.00", "d5.00 5.0 5");
	expect_cell(CACHEOPS_DECIMAL, "5", "d5.0 5");
	expect_cell(CACHEOPS_DECIMAL, "-0.50", "d-0.50 -0.5");
	expect_cell(CACHEOPS_DECIMAL, "500.00", "d500.00 500.0 500 5E+2");
	expect_cell(CACHEOPS_DECIMAL, "0.00", "d0.00 0.0 0");
	expect_cell(
	    CACHEOPS_DECIMAL, "0.0000002500", "d2.500E-7 2.50E-7 2.5E-7");
	expect_cell(CACHEOPS_DECIMAL, "NaN", "=NaN");
	expect_cell(CACHEOPS_DECIMAL, "Infinity", "?");
	expect_cell(CACHEOPS_DECIMAL, "", "?");
}

Test(cacheops, writes_floats_as_python_does)
{
	expect_cell(CACHEOPS_FLOAT, "1", "f1 1.0");
	expect_cell(CACHEOPS_FLOAT, "0", "f0 0.0 -0.0");
	expect_cell(CACHEOPS_FLOAT, "-12.5", "f-12.5 -12.5");
	expect_cell(CACHEOPS_FLOAT, "0.0001", "f0.0001 0.0001");
	expect_cell(CACHEOPS_FLOAT, "0.00001", "f0.00001 1e-05");
	expect_cell(CACHEOPS_FLOAT, "99999999999999990000000",
	    "f99999999999999990000000 1e+23");
	expect_cell(CACHEOPS_FLOAT, "1200", "f1200 1200.0");
	expect_cell(CACHEOPS_FLOAT, "NaN", "?");
	expect_cell(CACHEOPS_FLOAT, "-Infinity", "?");
}

Test(cacheops, brings_moments_to_seconds)
{
	expect_cell(CACHEOPS_TIMESTAMP, "1970-01-01T00:00:00+00:00", "t0");
	expect_cell(CACHEOPS_TIMESTAMP, "2024-01-02T03:04:05.12+00:00",
	    "t1704164645.120000");
	expect_cell(
	    CACHEOPS_TIMESTAMP, "2024-01-02T08:49:05+05:45", "t1704164645");
	expect_cell(
	    CACHEOPS_TIMESTAMP, "1969-12-31T23:59:59.5+00:00", "t-1.500000");
	expect_cell(CACHEOPS_TIMESTAMP, "infinity", "?");
	expect_cell(CACHEOPS_TIMESTAMP, "0044-03-15T00:00:00+00:00 BC", "?");
	expect_cell(CACHEOPS_TIMESTAMP, "2024-01-02T03:04:05", "?");
}

Test(cacheops, writes_dates_and_times_as_django_does)
{
	expect_cell(CACHEOPS_DATE, "2024-02-29", "=2024-02-29");
	expect_cell(CACHEOPS_DATE, "infinity", "?");
	expect_cell(CACHEOPS_DATE, "0044-03-15 BC", "?");
	expect_cell(CACHEOPS_TIME, "01:02:03.5", "=01:02:03.500000");
	expect_cell(CACHEOPS_TIME, "01:02:03", "=01:02:03");
	expect_cell(CACHEOPS_TIME, "noon", "?");
}

Test(cacheops, takes_other_values_as_they_are)
{
	struct pgripple_value null = {PGRIPPLE_VALUE_NULL, 0, NULL};
	struct pgripple_value unknown = {PGRIPPLE_VALUE_UNKNOWN, 0, NULL};
	struct buf buf = BUF_INIT;

	expect_cell(CACHEOPS_TEXT, "it's, a&b=c", "=it's, a&b=c");
	expect_cell(CACHEOPS_TEXT, "", "=");
	expect_cell(CACHEOPS_CHAR, "ab  ", "cab  ");
	expect_cell(CACHEOPS_INTEGER, "-42", "#-42");
	expect_cell(CACHEOPS_INTEGER, "4x", "=4x");
	expect_cell(CACHEOPS_INTEGER, "-", "=-");
	expect_cell(CACHEOPS_BOOLEAN, "true", "bt");
	expect_cell(CACHEOPS_BOOLEAN, "false", "bf");
	expect_cell(CACHEOPS_OPAQUE, "x", "?");
	cacheops_print_cell(&buf, CACHEOPS_TEXT, &null);
	cacheops_print_cell(&buf, CACHEOPS_TEXT, &unknown);
	cr_expect_str_eq(buf_string(&buf), "0?");
	buf_done(&buf);
}

Test(cacheops, cannot_tell_how_values_are_asked_for_that_have_several_texts)
{
	static const struct {
		const char *type;
		bool text_equality;
		enum cacheops_kind kind;
	} types[] = {
	    {NULL, false, CACHEOPS_OPAQUE},
	    {"character varying", true, CACHEOPS_TEXT},
	    {"character varying", false, CACHEOPS_OPAQUE},
	    {"public.citext", false, CACHEOPS_OPAQUE},
	    {"public.mood", true, CACHEOPS_TEXT},
	    {"jsonb", false, CACHEOPS_OPAQUE},
	    {"interval", false, CACHEOPS_OPAQUE},
	    {"timestamp without time zone", true, CACHEOPS_OPAQUE},
	};

	for (size_t i = 0; i < N_ELEMENTS(types); i++) {
		struct pgripple_column column = {.type = types[i].type,
		    .text_equality = types[i].text_equality};

		cr_expect_eq(cacheops_kind_of_type(&column), types[i].kind,
		    "%s", types[i].type);
	}
}
