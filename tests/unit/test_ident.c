/*
 * SQL identifiers.
 */
#include "base/ident.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new();
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(ident, .init = setup, .fini = teardown);

static void
expect(const char *text, const char *schema, const char *name)
{
	const char *got_schema = "untouched", *got_name = NULL;
	struct pgripple_error err = {0};

	cr_assert_eq(ident_parse(arena, text, strlen(text), &got_schema,
			 &got_name, &err),
	    0, "%s: %s", text, err.text);
	if (schema == NULL)
		cr_assert_null(got_schema);
	else
		cr_assert_str_eq(got_schema, schema);
	cr_assert_str_eq(got_name, name);
}

static void
expect_refusal(const char *text, size_t length, const char *message)
{
	const char *schema = "untouched", *name = "untouched";
	struct pgripple_error err = {0};

	cr_assert_eq(
	    ident_parse(arena, text, length, &schema, &name, &err), -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
	cr_assert_str_eq(err.text, message);
	cr_assert_str_eq(schema, "untouched");
	cr_assert_str_eq(name, "untouched");
}

static void
refuse(const char *text, const char *message)
{
	expect_refusal(text, strlen(text), message);
}

Test(ident, reads_plain_names)
{
	expect("app_team", NULL, "app_team");
	expect("public.app_team", "public", "app_team");
	expect("_a$1", NULL, "_a$1");
}

Test(ident, folds_plain_names_to_lower_case)
{
	expect("App.TEAM", "app", "team");
	expect("\xc3\x84pfel", NULL, "\xc3\x84pfel");
}

Test(ident, keeps_the_letters_of_quoted_names)
{
	expect("\"My Schema\".\"Order\"", "My Schema", "Order");
	expect("App.\"Order\"", "app", "Order");
	expect("\"a.b\"", NULL, "a.b");
	expect("\"say \"\"hi\"\"\"", NULL, "say \"hi\"");
}

Test(ident, refuses_what_is_no_name)
{
	refuse("", "\"\" is no SQL name: a name is missing");
	refuse("a.", "\"a.\" is no SQL name: a name is missing");
	refuse(".a", "\".a\" is no SQL name: a name is missing");
	refuse("a.b.c",
	    "\"a.b.c\" is no SQL name: it has more parts than schema and name");
	refuse("\"a", "\"\"a\" is no SQL name: the closing quote is missing");
	refuse("\"\"", "\"\"\"\" is no SQL name: a name is empty");
	refuse("1a",
	    "\"1a\" is no SQL name: a name that does not start with a letter "
	    "or underscore needs double quotes");
	refuse("my table",
	    "\"my table\" is no SQL name: a name with other characters than "
	    "letters, digits, underscore and dollar needs double quotes");
	refuse("\"a\"b",
	    "\"\"a\"b\" is no SQL name: a name with other characters than "
	    "letters, digits, underscore and dollar needs double quotes");
}

Test(ident, refuses_a_nul)
{
	expect_refusal("a\0b", 3, "\"a\" is no SQL name: it holds a NUL byte");
}

Test(ident, refuses_what_postgres_would_cut)
{
	char name[65] = {0};
	const char *schema, *got;
	struct pgripple_error err;

	memset(name, 'a', 63);
	expect(name, NULL, name);
	name[63] = 'a';
	cr_assert_eq(ident_parse(arena, name, 64, &schema, &got, &err), -1);
	cr_assert_not_null(strstr(err.text, "longer than 63 bytes"));
}

static void
expect_print(const char *name, const char *text)
{
	struct buf buf = BUF_INIT;

	ident_print(&buf, name);
	cr_assert_str_eq(buf_string(&buf), text);
	buf_done(&buf);
}

Test(ident, prints_quotes_where_they_are_needed)
{
	expect_print("app_team2", "app_team2");
	expect_print("_a", "_a");
	expect_print("Order", "\"Order\"");
	expect_print("2a", "\"2a\"");
	expect_print("a b", "\"a b\"");
	expect_print("say \"hi\"", "\"say \"\"hi\"\"\"");
	expect_print("", "\"\"");
}
