/*
 * Writing JSON.
 */
#include "base/json_write.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_read.h"

static void
expect_string(const char *bytes, size_t n, const char *text)
{
	struct buf buf = BUF_INIT;

	json_write_string(&buf, bytes, n);
	cr_assert_str_eq(buf_string(&buf), text);
	buf_done(&buf);
}

Test(json_write, puts_commas_where_they_belong)
{
	struct buf buf = BUF_INIT;

	json_write_open(&buf, '{');
	json_write_member(&buf, "model", "team");
	json_write_member_int(&buf, "rows", -5);
	json_write_key(&buf, "path");
	json_write_open(&buf, '[');
	json_write_string(&buf, "a,", 2);
	json_write_string(&buf, "b[", 2);
	json_write_int(&buf, INT64_MIN);
	json_write_open(&buf, '{');
	json_write_close(&buf, '}');
	json_write_open(&buf, '[');
	json_write_close(&buf, ']');
	json_write_close(&buf, ']');
	json_write_key(&buf, "last");
	json_write_bool(&buf, true);
	json_write_close(&buf, '}');
	cr_assert_str_eq(buf_string(&buf),
	    "{\"model\":\"team\",\"rows\":-5,\"path\":[\"a,\",\"b[\","
	    "-9223372036854775808,{},[]],\"last\":true}");
	buf_done(&buf);
}

Test(json_write, escapes_what_json_wants)
{
	expect_string("say \"hi\"\\", 9, "\"say \\\"hi\\\"\\\\\"");
	expect_string("\n\r\t\0\x1f", 5, "\"\\n\\r\\t\\u0000\\u001f\"");
}

Test(json_write, escapes_what_a_terminal_obeys)
{
	expect_string("\033[2J\x7f", 5, "\"\\u001b[2J\\u007f\"");
	expect_string("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", 8,
	    "\"\\u0080\\u009b\\u009f\xc2\xa0\"");
}

Test(json_write, keeps_utf8_and_replaces_the_rest)
{
	expect_string(
	    "\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
	expect_string("a\xff\xc3", 3, "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
}

Test(json_write, writes_json_in_ascii)
{
	static const char json[] = "[\"\\n\u00e9\u2603\xf0\x9f\x98\x80\"]";
	struct buf buf = BUF_INIT;

	json_write_ascii(&buf, json, strlen(json));
	cr_assert_str_eq(
	    buf_string(&buf), "[\"\\n\\u00e9\\u2603\\ud83d\\ude00\"]");
	buf_done(&buf);
}

Test(json_write, writes_what_json_read_reads)
{
	struct arena *arena = arena_new();
	struct buf buf = BUF_INIT;
	struct json *json;
	char bytes[128];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	json_write_string(&buf, bytes, sizeof(bytes));
	cr_assert_eq(json_read(arena, buf.bytes, buf.n, &json, NULL), 0);
	cr_assert_eq(json->length, sizeof(bytes));
	cr_assert_arr_eq(json->text, bytes, sizeof(bytes));
	buf_done(&buf);
	arena_free(arena);
}
