/*
 * Reading JSON.
 */
#include "base/json_read.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"

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

TestSuite(json_read, .init = setup, .fini = teardown);

/* From memory of exactly the text's size: nothing past it may be read. */
static int
read_bytes(const char *text, size_t length, struct json **ret_root,
    struct pgripple_error *err)
{
	char *exact = malloc(length + (length == 0));
	int result;

	memcpy(exact, text, length);
	result = json_read(arena, exact, length, ret_root, err);
	memset(exact, 'x', length);
	free(exact);
	return result;
}

static struct json *
read_text(const char *text)
{
	struct pgripple_error err = {0};
	struct json *root = NULL;

	cr_assert_eq(read_bytes(text, strlen(text), &root, &err), 0, "%s: %s",
	    text, err.text);
	return root;
}

static void
refuse_bytes(const char *text, size_t length, const char *message)
{
	struct json *root = (struct json *)&root;
	struct pgripple_error err = {0};

	cr_assert_eq(read_bytes(text, length, &root, &err), -1, "%s", text);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
	cr_assert_str_eq(err.text, message);
	cr_assert_eq(root, (struct json *)&root);
}

static void
refuse(const char *text, const char *message)
{
	refuse_bytes(text, strlen(text), message);
}

Test(json_read, keeps_every_digit_of_a_number)
{
	const char *numbers[] = {"0", "-0", "5.00", "123456789012345678",
	    "99999999999999999999999999999999999999.000000000000000000001",
	    "-1.5e-400", "1E+3"};

	for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
		struct json *number = read_text(numbers[i]);

		cr_assert_eq(number->kind, JSON_NUMBER);
		cr_assert_str_eq(number->text, numbers[i]);
		cr_assert_eq(number->length, strlen(numbers[i]));
	}
}

Test(json_read, reads_scalars_as_documents)
{
	cr_assert_eq(read_text("null")->kind, JSON_NULL);
	cr_assert_eq(read_text(" true ")->kind, JSON_TRUE);
	cr_assert_eq(read_text("\nfalse")->kind, JSON_FALSE);
	cr_assert_str_eq(read_text("\"\"")->text, "");
}

Test(json_read, builds_a_tree)
{
	struct json *root = read_text(
	    "{\"op\": \"U\", \"rows\": [[1, null], [], {\"a\": {}}], \"\": 5}");
	const struct json *rows = json_member(root, "rows");

	cr_assert_eq(root->kind, JSON_OBJECT);
	cr_assert_eq(root->n_children, 3);
	cr_assert_str_eq(root->first->key, "op");
	cr_assert_eq(root->first->key_length, 2);
	cr_assert(json_is(json_member(root, "op"), "U"));
	cr_assert_eq(rows->kind, JSON_ARRAY);
	cr_assert_eq(rows->n_children, 3);
	cr_assert_str_eq(rows->first->first->text, "1");
	cr_assert_eq(rows->first->first->next->kind, JSON_NULL);
	cr_assert_null(rows->first->first->next->next);
	cr_assert_null(rows->first->first->key);
	cr_assert_eq(rows->first->next->n_children, 0);
	cr_assert_null(rows->first->next->first);
	cr_assert_eq(
	    json_member(rows->first->next->next, "a")->kind, JSON_OBJECT);
	cr_assert_str_eq(json_member(root, "")->text, "5");
}

Test(json_read, finds_members_by_their_whole_name)
{
	struct json *root = read_text("{\"ab\": 1, \"a\\u0000b\": 2}");

	cr_assert_null(json_member(root, "a"));
	cr_assert_null(json_member(root, "abc"));
	cr_assert_null(json_member(root->first, "ab"));
	cr_assert_not(json_is(root->first, "1"));
}

Test(json_read, decodes_escapes)
{
	struct json *string =
	    read_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"");

	cr_assert_str_eq(
	    string->text, "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
}

Test(json_read, keeps_a_nul_inside)
{
	struct json *string = read_text("\"a\\u0000b\"");

	cr_assert_eq(string->length, 3);
	cr_assert_arr_eq(string->text, "a\0b", 4);
}

Test(json_read, takes_a_backslash_before_u_for_text)
{
	cr_assert_str_eq(read_text("\"\\\\ud800\"")->text, "\\ud800");
}

Test(json_read, refuses_half_a_surrogate_pair)
{
	refuse(
	    "\"\\ud800\"", "the JSON text has half a surrogate pair at byte 1");
	refuse("\"a\\udc00\"",
	    "the JSON text has half a surrogate pair at byte 2");
	refuse("\"\\uD83Dx\\uDE00\"",
	    "the JSON text has half a surrogate pair at byte 1");
	refuse("\"\\ud800\\ud800\"",
	    "the JSON text has half a surrogate pair at byte 1");
	refuse("\"\\ud83d\\ude00\\ude00\"",
	    "the JSON text has half a surrogate pair at byte 13");
}

Test(json_read, refuses_bytes_that_are_not_utf8)
{
	refuse("\"\xff\"", "the JSON text is not valid UTF-8");
	refuse("\"\xc0\x80\"", "the JSON text is not valid UTF-8");
	refuse("\"\xc3", "the JSON text is not valid UTF-8");
}

Test(json_read, refuses_what_is_no_json)
{
	const char *texts[] = {"[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", ".5",
	    "-", "+1", "NaN", "'a'", "[1 2]", "{\"a\" 1}", "tru", "\"a\nb\"",
	    "\"\\x\"", "\"\\u12\"", "// x\n1", "/* x */ 1", "]",
	    "\357\273\2771"};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct pgripple_error err = {0};
		struct json *root;

		cr_assert_eq(
		    read_bytes(texts[i], strlen(texts[i]), &root, &err), -1,
		    "accepted %s", texts[i]);
		cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
		cr_assert_null(strchr(err.text, '\n'));
	}
}

Test(json_read, says_what_is_wrong_and_where)
{
	refuse("[1,]",
	    "the text is not valid JSON: unallowed token at this point in "
	    "JSON text at byte 4");
}

Test(json_read, refuses_a_document_that_is_not_whole)
{
	const char *whole = "{\"a\": [1, \"b\", {\"c\": null}]}";

	for (size_t n = 0; n < strlen(whole); n++) {
		struct json *root;

		cr_assert_eq(read_bytes(whole, n, &root, NULL), -1);
	}
	refuse("", "the text is not valid JSON: premature EOF at byte 0");
}

Test(json_read, refuses_what_follows_the_document)
{
	refuse("1 2", "the text is not valid JSON: trailing garbage at byte 3");
	refuse(
	    "{} x", "the text is not valid JSON: trailing garbage at byte 4");
	refuse_bytes("{}\0", 3,
	    "the text is not valid JSON: trailing garbage at byte 3");
}

Test(json_read, goes_sixteen_levels_deep_and_no_deeper)
{
	const struct json *root =
	    read_text("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");

	for (int i = 0; i < 16; i++)
		root = root->first;
	cr_assert_str_eq(root->text, "1");
	refuse("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
	    "the JSON text has more than 16 levels");
}

Test(json_read, refuses_endless_depth_at_once)
{
	static char brackets[4 * 1024 * 1024];

	memset(brackets, '[', sizeof(brackets));
	refuse_bytes(brackets, sizeof(brackets),
	    "the JSON text has more than 16 levels");
}

Test(json_read, has_a_name_for_each_kind)
{
	cr_assert_str_eq(json_kind_name(JSON_NULL), "null");
	cr_assert_str_eq(json_kind_name(JSON_OBJECT), "object");
}
