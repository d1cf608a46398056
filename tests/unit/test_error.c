/*
 * Errors as values.
 */
#include <pgripple/error.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct pgripple_position
at(const char *file, int line, int column)
{
	return (struct pgripple_position){file, line, column};
}

static void
expect_print(const struct pgripple_error *err, const char *expected)
{
	char text[1024];
	int n = pgripple_error_print(err, text, sizeof(text));

	cr_assert_str_eq(text, expected);
	cr_assert_eq((size_t)n, strlen(expected));
}

Test(error, is_set_with_kind_and_text)
{
	struct pgripple_error err;

	memset(&err, 0xff, sizeof(err));
	cr_assert_eq(pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
			 "could not connect to \"%s\"", "db"),
	    -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_PEER);
	cr_assert_str_eq(err.text, "could not connect to \"db\"");
	cr_assert_str_eq(err.hint, "");
	cr_assert_eq(err.at.line, 0);
}

Test(error, may_be_of_no_interest)
{
	cr_assert_eq(pgripple_error_set(NULL, PGRIPPLE_ERROR_BUG, "x"), -1);
	cr_assert_eq(pgripple_error_nomem(NULL), -1);
	pgripple_error_hint(NULL, "Nobody reads this.");
}

Test(error, cuts_a_long_text)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_INPUT, "%600d", 1);
	cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
	pgripple_error_hint(&err, "%600d", 1);
	cr_assert_eq(strlen(err.hint), sizeof(err.hint) - 1);
}

Test(error, is_utf8_wherever_it_was_cut)
{
	struct pgripple_error err;

	(void)pgripple_error_set(
	    &err, PGRIPPLE_ERROR_INPUT, "\"%.4s\" is bad", "\u00e9\u2603");
	cr_assert_str_eq(err.text, "\"\u00e9??\" is bad");
}

Test(error, has_a_name_for_each_kind)
{
	cr_assert_str_eq(
	    pgripple_error_kind_name(PGRIPPLE_ERROR_CONFIG), "config");
	cr_assert_str_eq(pgripple_error_kind_name(PGRIPPLE_ERROR_BUG), "bug");
}

Test(error, prints_place_text_and_hint)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG,
	    "relation \"a.x -> b.y\" names an unknown model \"b\"");
	expect_print(&err,
	    "error: relation \"a.x -> b.y\" names an unknown model \"b\"");
	err.at = at("graph.yaml", 0, 0);
	pgripple_error_hint(&err, "Did you mean \"c\"?");
	expect_print(&err,
	    "graph.yaml: error: relation \"a.x -> b.y\" names an unknown "
	    "model \"b\"\nhint: Did you mean \"c\"?");
	err.at = at("graph.yaml", 14, 9);
	expect_print(&err,
	    "graph.yaml:14:9: error: relation \"a.x -> b.y\" names an unknown "
	    "model \"b\"\nhint: Did you mean \"c\"?");
}

Test(error, prints_into_too_small_a_buffer)
{
	struct pgripple_error err;
	char text[8];

	(void)pgripple_error_nomem(&err);
	cr_assert_eq(pgripple_error_print(&err, text, sizeof(text)),
	    (int)strlen("error: out of memory"));
	cr_assert_str_eq(text, "error: ");
}

Test(errors, are_sorted_by_place_and_stay_in_order)
{
	struct pgripple_errors errors = {0};
	const char *expected[] = {"none", "a", "b", "c", "d", "e", "f"};

	pgripple_errors_add(&errors, at("graph.yaml", 9, 1), "e");
	pgripple_errors_add(&errors, at("graph.yaml", 2, 5), "b");
	pgripple_errors_add(&errors, at("pgripple.yaml", 1, 1), "f");
	pgripple_errors_add(&errors, at("graph.yaml", 2, 5), "c");
	pgripple_errors_add(&errors, at("graph.yaml", 2, 1), "a");
	pgripple_errors_add(&errors, at(NULL, 0, 0), "none");
	pgripple_errors_add(&errors, at("graph.yaml", 2, 6), "d");
	pgripple_errors_sort(&errors);
	cr_assert_eq(errors.n_items, 7);
	for (size_t i = 0; i < errors.n_items; i++) {
		cr_assert_str_eq(errors.items[i].text, expected[i]);
		cr_assert_eq(errors.items[i].kind, PGRIPPLE_ERROR_CONFIG);
	}
	pgripple_errors_done(&errors);
	cr_assert_eq(errors.n_items, 0);
}

Test(errors, take_one_of_their_own)
{
	struct pgripple_errors errors = {0};

	pgripple_errors_add(&errors, at("a", 1, 1), "first");
	for (int i = 0; i < 40; i++)
		pgripple_errors_take(&errors, &errors.items[0]);
	cr_assert_eq(errors.n_items, 41);
	cr_assert_str_eq(errors.items[40].text, "first");
	pgripple_errors_done(&errors);
}

Test(errors, outlive_what_was_read)
{
	struct pgripple_errors errors = {0};
	char *file = strdup("graph.yaml");

	pgripple_errors_add(&errors, at(file, 2, 1), "second");
	pgripple_errors_add(&errors, at(file, 1, 1), "first");
	free(file);
	pgripple_errors_sort(&errors);
	cr_assert_str_eq(errors.items[0].text, "first");
	cr_assert_str_eq(errors.items[0].at.file, "graph.yaml");
	cr_assert_str_eq(errors.items[1].at.file, "graph.yaml");
	cr_assert_eq(errors.n_files, 1);
	pgripple_errors_done(&errors);
}

Test(errors, are_bounded)
{
	struct pgripple_errors errors = {0};
	struct pgripple_error *err;

	for (int i = 0; i < 1005; i++) {
		err = pgripple_errors_add(&errors, at("a", i, 1), "e%d", i);
		cr_assert_not_null(err);
		pgripple_error_hint(err, "A hint is always possible.");
	}
	pgripple_errors_take(&errors, &errors.items[0]);
	cr_assert_eq(errors.n_items, 1000);
	cr_assert_eq(errors.n_dropped, 6);
	cr_assert_str_eq(errors.items[999].text, "e999");
	pgripple_errors_done(&errors);
}
