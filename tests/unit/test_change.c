/*
 * Decoding changes: what is understood, what is escalated, what is rejected.
 */
#include <pgripple/change.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/util.h"
#include "build_graph.h"

static const char yaml[] = "models:\n"
			   "  team:\n"
			   "    table: app_team\n"
			   "    invalidate: [\"team:{id}:{slug}:{rate}\"]\n"
			   "  order:\n"
			   "    table: '\"My \"\"Schema\"\"\".\"Or.der\"'\n"
			   "    invalidate: ['order:{\"Id\"}']\n"
			   "  link:\n"
			   "    table: app_link\n";

static struct arena *arena;
static struct pgripple_graph *graph;
static struct pgripple_change change;
static struct pgripple_error err;

static void
set_up(void)
{
	arena = arena_new();
	graph = build_graph(yaml);
	memset(&change, 0xff, sizeof(change));
}

static void
tear_down(void)
{
	arena_free(arena);
	pgripple_graph_free(graph);
}

TestSuite(change, .init = set_up, .fini = tear_down);

static int
decode(const char *json)
{
	memset(&err, 0, sizeof(err));
	return pgripple_change_decode(
	    arena, graph, json, strlen(json), &change, &err);
}

static const struct pgripple_value *
value(const struct pgripple_row *row, const char *column)
{
	return &row->values[column_index(change.table, column)];
}

static void
expect_text(
    const struct pgripple_row *row, const char *column, const char *text)
{
	const struct pgripple_value *found = value(row, column);

	cr_assert_eq(found->kind, PGRIPPLE_VALUE_TEXT, "%s is no text", column);
	cr_assert_eq(found->length, strlen(text));
	cr_assert_str_eq(found->text, text);
}

static void
expect_kind(const struct pgripple_row *row, const char *column,
    enum pgripple_value_kind kind)
{
	cr_assert_eq(value(row, column)->kind, kind, "%s", column);
}

static bool
has_changed(const char *column)
{
	return pgripple_columns_has(
	    &change.changed, column_index(change.table, column));
}

Test(change, tells_old_and_new_images_of_an_update)
{
	cr_assert_eq(decode("{\"table\":\"public.app_team\",\"op\":\"update\","
			    "\"old\":[{\"id\":1,\"slug\":\"a\",\"rate\":null}],"
			    "\"new\":[{\"id\":1,\"slug\":\"b\",\"rate\":true}],"
			    "\"changed\":[\"slug\",\"rate\"]}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert_eq(change.op, PGRIPPLE_OP_UPDATE);
	cr_assert_str_eq(change.table->name, "app_team");
	cr_assert_not(change.whole);
	cr_assert_not(change.drift);
	cr_assert_eq(change.n_old, 1);
	cr_assert_eq(change.n_new, 1);
	expect_text(&change.old_rows[0], "id", "1");
	expect_text(&change.old_rows[0], "slug", "a");
	expect_kind(&change.old_rows[0], "rate", PGRIPPLE_VALUE_NULL);
	expect_text(&change.new_rows[0], "slug", "b");
	expect_text(&change.new_rows[0], "rate", "true");
	cr_assert(change.has_changed);
	cr_assert(has_changed("slug"));
	cr_assert(has_changed("rate"));
	cr_assert_not(has_changed("id"));
	cr_assert_eq(change.id, 0);
	cr_assert_eq(change.xid, 0);
	cr_assert_eq(change.wall_us, 0);
}

Test(change, keeps_every_digit_of_a_number)
{
	cr_assert_eq(
	    decode("{\"table\":\"app_team\",\"op\":\"insert\",\"new\":["
		   "{\"id\":123456789012345678901234567890,\"slug\":5.00,"
		   "\"rate\":-1e400}]}"),
	    PGRIPPLE_DECODE_DONE);
	expect_text(
	    &change.new_rows[0], "id", "123456789012345678901234567890");
	expect_text(&change.new_rows[0], "slug", "5.00");
	expect_text(&change.new_rows[0], "rate", "-1e400");
}

Test(change, keeps_escaped_characters_and_zero_bytes)
{
	const struct pgripple_value *found;

	cr_assert_eq(
	    decode("{\"table\":\"app_team\",\"op\":\"delete\",\"old\":["
		   "{\"id\":1,\"slug\":\"a\\u0000\\\"\\n\\ud83d\\ude00\","
		   "\"rate\":\"\"}]}"),
	    PGRIPPLE_DECODE_DONE);
	found = value(&change.old_rows[0], "slug");
	cr_assert_eq(found->length, 8);
	cr_assert_eq(memcmp(found->text, "a\0\"\n\xf0\x9f\x98\x80", 8), 0);
	expect_text(&change.old_rows[0], "rate", "");
}

Test(change, takes_objects_and_arrays_and_what_is_missing_for_unknown)
{
	cr_assert_eq(
	    decode("{\"table\":\"app_team\",\"op\":\"insert\",\"new\":["
		   "{\"id\":{\"unknown\":\"too large\"},\"slug\":[1]}]}"),
	    PGRIPPLE_DECODE_DONE);
	expect_kind(&change.new_rows[0], "id", PGRIPPLE_VALUE_UNKNOWN);
	expect_kind(&change.new_rows[0], "slug", PGRIPPLE_VALUE_UNKNOWN);
	expect_kind(&change.new_rows[0], "rate", PGRIPPLE_VALUE_UNKNOWN);
}

Test(change, counts_columns_that_an_image_does_not_tell_as_changed)
{
	cr_assert_eq(decode("{\"table\":\"app_team\",\"op\":\"update\","
			    "\"old\":[{\"id\":1,\"slug\":\"a\",\"rate\":1}],"
			    "\"new\":[{\"id\":1,\"slug\":\"b\"}],"
			    "\"changed\":[\"slug\"]}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert(has_changed("slug"));
	cr_assert(has_changed("rate"));
	cr_assert_not(has_changed("id"));
}

Test(change, does_not_know_what_changed_unless_it_is_told)
{
	cr_assert_eq(decode("{\"table\":\"app_team\",\"op\":\"update\","
			    "\"old\":[{\"id\":1}],\"new\":[{\"id\":1}]}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert_not(change.has_changed);
}

Test(change, skips_members_and_columns_that_it_does_not_know)
{
	cr_assert_eq(
	    decode("{\"later\":{\"x\":[1]},\"table\":\"app_team\","
		   "\"op\":\"update\",\"drift\":true,"
		   "\"old\":[{\"zzz\":1,\"slug\":\"s\",\"id\":7,\"i\":2,"
		   "\"idx\":3,\"\":4}],\"new\":[],"
		   "\"changed\":[\"zzz\",\"rate\",\"\"]}"),
	    PGRIPPLE_DECODE_DONE);
	expect_text(&change.old_rows[0], "id", "7");
	expect_text(&change.old_rows[0], "slug", "s");
	cr_assert_eq(change.n_new, 0);
	cr_assert(change.drift);
	cr_assert_not(has_changed("slug"));
}

/* A name with a zero byte inside must not be compared past its end. */
Test(change, skips_columns_whose_names_go_on_after_a_zero_byte)
{
	cr_assert_eq(
	    decode("{\"table\":\"app_team\",\"op\":\"update\","
		   "\"new\":[{\"id\":1,\"id\\u0000aaaaaaaaaaaaaaaa\":2,"
		   "\"slug\":3,\"rate\":4}],"
		   "\"changed\":[\"id\\u0000aaaaaaaaaaaaaaaaaaaaaaaaaa\"]}"),
	    PGRIPPLE_DECODE_DONE);
	expect_text(&change.new_rows[0], "id", "1");
	cr_assert_not(has_changed("id"));
}

Test(change, finds_tables_with_quoted_names)
{
	cr_assert_eq(decode("{\"table\":\"\\\"My \\\"\\\"Schema\\\"\\\"\\\"."
			    "\\\"Or.der\\\"\",\"op\":\"insert\","
			    "\"new\":[{\"Id\":\"A\",\"id\":\"b\"}]}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert_str_eq(change.table->schema, "My \"Schema\"");
	cr_assert_str_eq(change.table->name, "Or.der");
	expect_text(&change.new_rows[0], "Id", "A");
}

Test(change, takes_images_of_a_table_without_captured_columns)
{
	cr_assert_eq(decode("{\"table\":\"app_link\",\"op\":\"update\","
			    "\"old\":[{},{\"id\":1}],\"new\":[{},{}],"
			    "\"changed\":[\"id\"]}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert_eq(change.table->n_columns, 0);
	cr_assert_eq(change.n_old, 2);
}

Test(change, of_another_table_touches_nothing)
{
	cr_assert_eq(decode("{\"table\":\"public.app_other\",\"op\":\"bad\"}"),
	    PGRIPPLE_DECODE_UNWATCHED);
	cr_assert_eq(decode("{\"table\":\"other.app_team\"}"),
	    PGRIPPLE_DECODE_UNWATCHED);
	cr_assert_eq(decode("{\"table\":\"\\\"App_team\\\"\"}"),
	    PGRIPPLE_DECODE_UNWATCHED);
}

Test(change, may_be_of_the_whole_table)
{
	cr_assert_eq(decode("{\"table\":\"app_team\",\"op\":\"update\","
			    "\"whole\":\"bulk\",\"rows\":200000}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert(change.whole);
	cr_assert_eq(change.op, PGRIPPLE_OP_UPDATE);
	cr_assert_str_eq(change.whole_reason, "bulk");
	cr_assert_eq(decode("{\"table\":\"app_team\",\"op\":\"delete\","
			    "\"whole\":true}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert(change.whole);
	cr_assert_str_eq(change.whole_reason, "delete");
}

Test(change, is_of_the_whole_table_when_it_truncates)
{
	cr_assert_eq(decode("{\"table\":\"app_team\",\"op\":\"truncate\","
			    "\"old\":7}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert(change.whole);
	cr_assert_eq(change.op, PGRIPPLE_OP_TRUNCATE);
	cr_assert_str_eq(change.whole_reason, "truncate");
}

Test(change, may_be_a_ping)
{
	cr_assert_eq(decode("{\"op\":\"ping\",\"key\":\"pgripple:ping:1\"}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert_eq(change.op, PGRIPPLE_OP_PING);
	cr_assert_null(change.table);
	cr_assert_str_eq(change.ping_key, "pgripple:ping:1");
}

/* What stands behind a known table's name. */
static const char *const not_understood[] = {
    "",
    ",\"op\":null",
    ",\"op\":7",
    ",\"op\":\"upsert\"",
    ",\"op\":\"UPDATE\"",
    ",\"op\":\"update\"",
    ",\"op\":\"update\",\"old\":[],\"new\":[]",
    ",\"op\":\"update\",\"old\":{}",
    ",\"op\":\"update\",\"old\":null,\"new\":[{\"id\":1}]",
    ",\"op\":\"insert\",\"new\":[1]",
    ",\"op\":\"insert\",\"new\":[{\"id\":1},null]",
    ",\"op\":\"insert\",\"new\":\"[]\"",
    ",\"op\":\"update\",\"new\":[{\"id\":1}],\"changed\":\"id\"",
    ",\"op\":\"update\",\"new\":[{\"id\":1}],\"changed\":{\"id\":1}",
    ",\"op\":\"update\",\"new\":[{\"id\":1}],\"changed\":null",
    ",\"op\":\"update\",\"new\":[{\"id\":1}],\"changed\":[\"id\",1]",
    ",\"op\":\"update\",\"new\":[{\"id\":1}],\"changed\":[null]",
};

Test(change, is_the_whole_table_when_only_that_is_understood)
{
	for (size_t i = 0; i < N_ELEMENTS(not_understood); i++) {
		char json[256];

		(void)snprintf(json, sizeof(json), "{\"table\":\"app_team\"%s}",
		    not_understood[i]);
		cr_assert_eq(
		    decode(json), PGRIPPLE_DECODE_ESCALATED, "%s", json);
		cr_assert(change.whole, "%s", json);
		cr_assert_str_eq(change.table->name, "app_team");
		cr_assert_str_eq(change.whole_reason, "not understood");
		cr_assert_eq(change.n_old + change.n_new, 0);
		cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
		cr_assert_neq(err.text[0], '\0');
	}
}

Test(change, is_of_the_model_that_was_asked_for_by_hand)
{
	cr_assert_eq(decode("{\"op\":\"invalidate\",\"model\":\"team\","
			    "\"new\":[{\"id\":7}]}"),
	    PGRIPPLE_DECODE_DONE);
	cr_assert_eq(change.op, PGRIPPLE_OP_INVALIDATE);
	cr_assert_str_eq(change.model->name, "team");
	cr_assert_eq(change.table, change.model->table);
	cr_assert_eq(change.n_new, 1);
	expect_text(&change.new_rows[0], "id", "7");
	expect_kind(&change.new_rows[0], "slug", PGRIPPLE_VALUE_UNKNOWN);
}

Test(change, asked_for_by_hand_and_not_understood_is_its_model)
{
	cr_assert_eq(decode("{\"op\":\"invalidate\",\"model\":\"team\","
			    "\"new\":[7]}"),
	    PGRIPPLE_DECODE_ESCALATED);
	cr_assert_str_eq(change.model->name, "team");
	cr_assert(change.whole);
}

static const char *const rejected[] = {
    "",
    "null",
    "[]",
    "\"app_team\"",
    "{",
    "{}",
    "{\"op\":\"update\"}",
    "{\"table\":null,\"op\":\"update\"}",
    "{\"table\":7,\"op\":\"update\"}",
    "{\"table\":\"\",\"op\":\"update\"}",
    "{\"table\":\"a.b.app_team\",\"op\":\"update\"}",
    "{\"table\":\"app team\",\"op\":\"update\"}",
    "{\"table\":\"\\\"app_team\",\"op\":\"update\"}",
    "{\"table\":\"app_team\\u0000\",\"op\":\"update\"}",
    "{\"table\":\"app_team\",\"op\":\"truncate\"",
    "{\"table\":\"app_team\",\"op\":\"truncate\"}}",
    "{\"table\":\"app_team\",\"op\":\"truncate\"} {}",
    "{\"table\":\"app_team\",\"op\":\"\xff\"}",
    "{\"table\":\"app_team\",\"op\":\"\\ud800\"}",
    "{\"op\":\"ping\"}",
    "{\"op\":\"ping\",\"key\":\"\"}",
    "{\"op\":\"ping\",\"key\":7}",
    "{\"op\":\"invalidate\",\"new\":[{}]}",
    "{\"op\":\"invalidate\",\"model\":7,\"new\":[{}]}",
    "{\"op\":\"invalidate\",\"model\":\"nobody\",\"new\":[{}]}",
    "{\"op\":\"invalidate\",\"table\":\"app_team\",\"new\":[{}]}",
};

Test(change, is_rejected_when_not_even_its_table_is_understood)
{
	for (size_t i = 0; i < N_ELEMENTS(rejected); i++) {
		cr_assert_eq(decode(rejected[i]), -1, "%s", rejected[i]);
		cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
		cr_assert_neq(err.text[0], '\0');
	}
}

Test(change, is_rejected_when_nested_without_end)
{
	char json[512] = "{\"table\":\"app_team\",\"op\":\"update\",\"old\":";

	memset(json + strlen(json), '[', 400);
	cr_assert_eq(decode(json), -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
}

Test(change, row_of_a_lookup_has_the_same_form)
{
	const struct pgripple_table *table = pgripple_graph_table(
	    graph, "public", strlen("public"), "app_team", strlen("app_team"));
	static const char json[] = "{\"slug\":\"x\",\"id\":5.0,\"more\":1}";
	struct pgripple_row row;

	change.table = table;
	cr_assert_eq(
	    pgripple_row_decode(arena, table, json, strlen(json), &row, &err),
	    0);
	expect_text(&row, "id", "5.0");
	expect_text(&row, "slug", "x");
	expect_kind(&row, "rate", PGRIPPLE_VALUE_UNKNOWN);
	cr_assert_eq(
	    pgripple_row_decode(arena, table, "[]", 2, &row, &err), -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
	cr_assert_eq(pgripple_row_decode(arena, table, "{", 1, &row, &err), -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_INPUT);
}
