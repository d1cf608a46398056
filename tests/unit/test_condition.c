/*
 * Conditions of rules and relations, one touched row at a time.
 */
#include "core/condition.h"

#include <criterion/criterion.h>

#include <pgripple/change.h>

#define ALL_OPS UINT32_MAX

/* A row of two columns. */
static struct pgripple_value values[2];
static struct pgripple_change change;
static struct pgripple_touch touch;
static struct pgripple_condition condition;

static void
set_up(void)
{
	values[0] = (struct pgripple_value){PGRIPPLE_VALUE_TEXT, 4, "live"};
	values[1] = (struct pgripple_value){.kind = PGRIPPLE_VALUE_NULL};
	change = (struct pgripple_change){.op = PGRIPPLE_OP_UPDATE};
	touch = (struct pgripple_touch){.values = values, .own = &change};
	condition = (struct pgripple_condition){.ops = ALL_OPS};
}

TestSuite(condition, .init = set_up);

static bool
holds(void)
{
	size_t column;

	return condition_judge(&condition, &touch, &column) ==
	       PGRIPPLE_VERDICT_APPLIES;
}

static void
watch(size_t column)
{
	condition.has_changed = true;
	pgripple_columns_add(&condition.changed, column);
}

static void
tell_changed(size_t column)
{
	change.has_changed = true;
	pgripple_columns_add(&change.changed, column);
}

static bool
where_holds(size_t column, const char **wanted, size_t n)
{
	struct pgripple_where where = {column, wanted, n};

	condition.where = &where;
	condition.n_where = 1;
	return holds();
}

Test(condition, holds_when_nothing_is_asked)
{
	cr_assert(holds());
	touch.own = NULL;
	cr_assert(holds());
}

Test(condition, filters_changed_rows_by_operation)
{
	condition.ops = 1u << PGRIPPLE_OP_INSERT | 1u << PGRIPPLE_OP_DELETE;
	cr_assert_not(holds());
	change.op = PGRIPPLE_OP_DELETE;
	cr_assert(holds());
}

Test(condition, lets_dependent_rows_pass_operation_and_columns)
{
	condition.ops = 1u << PGRIPPLE_OP_INSERT;
	watch(0);
	touch.own = NULL;
	cr_assert(holds());
}

Test(condition, filters_updates_by_what_they_changed)
{
	watch(0);
	tell_changed(1);
	cr_assert_not(holds());
	tell_changed(0);
	cr_assert(holds());
}

Test(condition, knows_columns_beyond_the_first_word)
{
	watch(255);
	tell_changed(254);
	cr_assert_not(holds());
	tell_changed(255);
	cr_assert(holds());
}

Test(condition, lets_updates_pass_of_which_nobody_knows_what_they_changed)
{
	watch(0);
	cr_assert(holds());
}

Test(condition, lets_inserts_and_deletes_pass_whatever_changed)
{
	watch(0);
	tell_changed(1);
	change.op = PGRIPPLE_OP_INSERT;
	cr_assert(holds());
	change.op = PGRIPPLE_OP_DELETE;
	cr_assert(holds());
}

Test(condition, compares_where_with_the_whole_text)
{
	const char *same[] = {"dead", "live"};
	const char *other[] = {"liv", "lively", "LIVE", "", NULL};

	cr_assert(where_holds(0, same, 2));
	cr_assert_not(where_holds(0, other, 5));
	cr_assert_not(where_holds(0, NULL, 0));
}

Test(condition, tells_null_from_the_empty_text_and_the_word)
{
	const char *texts[] = {"", "null"};
	const char *null[] = {"x", NULL};

	cr_assert_not(where_holds(1, texts, 2));
	cr_assert(where_holds(1, null, 2));
	values[1] = (struct pgripple_value){PGRIPPLE_VALUE_TEXT, 0, ""};
	cr_assert(where_holds(1, texts, 2));
	cr_assert_not(where_holds(1, null, 2));
}

Test(condition, compares_text_with_a_zero_byte_to_its_end)
{
	const char *wanted[] = {"live"};

	values[0] = (struct pgripple_value){PGRIPPLE_VALUE_TEXT, 6, "live\0x"};
	cr_assert_not(where_holds(0, wanted, 1));
}

Test(condition, asks_every_where)
{
	const char *live[] = {"live"}, *null[] = {NULL}, *x[] = {"x"};
	struct pgripple_where both[] = {{0, live, 1}, {1, null, 1}};

	condition.where = both;
	condition.n_where = 2;
	cr_assert(holds());
	both[1].values = x;
	cr_assert_not(holds());
}

Test(condition, lets_unknown_values_pass_where)
{
	const char *wanted[] = {"x"};

	values[0].kind = PGRIPPLE_VALUE_UNKNOWN;
	cr_assert(where_holds(0, wanted, 1));
}

Test(condition, lets_the_whole_model_pass_everything)
{
	const char *wanted[] = {"x"};

	condition.ops = 0;
	watch(0);
	tell_changed(1);
	touch.whole = true;
	touch.values = NULL;
	cr_assert(where_holds(0, wanted, 1));
}
