/*
 * Key templates: what they say, what they refuse and where, what they make.
 */
#include <criterion/criterion.h>
#include <string.h>

#include <pgripple/change.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/util.h"
#include "core/template.h"

static struct arena *arena;

static void
set_up(void)
{
	arena = arena_new();
	cr_assert_not_null(arena);
}

static void
tear_down(void)
{
	arena_free(arena);
}

TestSuite(template, .init = set_up, .fini = tear_down);

static struct template *
parse(const char *source)
{
	struct template *t = NULL;
	struct pgripple_error err;

	cr_assert_eq(template_parse(arena, source, &t, &err), 0, "%s: %s",
	    source, err.text);
	cr_assert_str_eq(t->source, source);
	return t;
}

/* Columns count from 0 in the order of their placeholders. */
static struct template *
parse_numbered(const char *source)
{
	struct template *t = parse(source);
	size_t n = 0;

	for (size_t i = 0; i < t->n_parts; i++)
		if (t->parts[i].is_column)
			t->parts[i].column = n++;
	return t;
}

static struct pgripple_value
text(const char *bytes)
{
	return (struct pgripple_value){
	    PGRIPPLE_VALUE_TEXT, (uint32_t)strlen(bytes), bytes};
}

static const struct pgripple_value null = {.kind = PGRIPPLE_VALUE_NULL};
static const struct pgripple_value unknown = {.kind = PGRIPPLE_VALUE_UNKNOWN};

static void
expect_key(
    const char *source, const struct pgripple_value *values, const char *key)
{
	CLEANUP(buf_done) struct buf got = BUF_INIT;

	cr_assert_eq(
	    template_fill(parse_numbered(source), values, &got), TEMPLATE_DONE);
	cr_assert_not(got.failed);
	cr_assert_str_eq(buf_string(&got), key);
}

static void
expect_pattern(const char *source, const struct pgripple_value *values,
    const char *pattern)
{
	CLEANUP(buf_done) struct buf got = BUF_INIT;

	template_pattern(parse_numbered(source), values, &got);
	cr_assert_not(got.failed);
	cr_assert_str_eq(buf_string(&got), pattern);
}

static void
expect_part(const struct template *t, size_t i, bool is_column,
    const char *part_text, size_t offset)
{
	const struct template_part *part = &t->parts[i];

	cr_assert_lt(i, t->n_parts);
	cr_assert_eq(part->is_column, is_column);
	cr_assert_eq(part->length, strlen(part_text));
	cr_assert_str_eq(part->text, part_text);
	cr_assert_eq(
	    part->offset, offset, "part %zu: offset %zu", i, part->offset);
}

Test(template, tells_literals_from_columns_and_where_they_stand)
{
	const struct template *t = parse("team:{id}:{slug|lower}!");

	cr_assert_eq(t->n_parts, 5);
	expect_part(t, 0, false, "team:", 0);
	expect_part(t, 1, true, "id", 6);
	expect_part(t, 2, false, ":", 9);
	expect_part(t, 3, true, "slug", 11);
	expect_part(t, 4, false, "!", 22);
	cr_assert_eq(t->parts[1].n_filters, 0);
	cr_assert_eq(t->parts[3].n_filters, 1);
	cr_assert_eq(t->parts[3].filters[0].kind, FILTER_LOWER);
}

Test(template, takes_doubled_braces_as_literal_ones)
{
	struct pgripple_value values[] = {text("7")};

	expect_key("{{team}}:{id}", values, "{team}:7");
	expect_key("{{{id}}}", values, "{7}");
	expect_key("a{{", values, "a{");
	expect_key("}}{{", values, "}{");
	cr_assert_eq(parse("{{id}}")->n_parts, 1);
}

Test(template, takes_quoted_names_with_any_character)
{
	const struct template *t =
	    parse("{\"mixedCase\"}{\"a|b}{\"}{\"say \"\"hi\"\"\"|upper}");

	cr_assert_eq(t->n_parts, 3);
	expect_part(t, 0, true, "mixedCase", 1);
	expect_part(t, 1, true, "a|b}{", 14);
	expect_part(t, 2, true, "say \"hi\"", 23);
	cr_assert_eq(t->parts[2].filters[0].kind, FILTER_UPPER);
}

Test(template, is_constant_without_columns)
{
	cr_assert(template_is_constant(parse("tournament_list")));
	cr_assert(template_is_constant(parse("{{id}}")));
	cr_assert_not(template_is_constant(parse("{id}")));
}

static const struct {
	const char *source;
	int offset;
	const char *text;
} faults[] = {
    {"", 0, "is empty"},
    {"team:{}", 6, "placeholder without name"},
    {"team:{|lower}", 6, "placeholder without name"},
    {"team:{\"\"}", 6, "placeholder without name"},
    {"team:{", 6, "placeholder without name"},
    {"team:{id", 5, "brace without end"},
    {"team:{id|lower", 5, "brace without end"},
    {"team:{id{{x}", 5, "brace without end"},
    {"team:{\"id\"x}", 5, "brace without end"},
    {"team:{\"id}", 6, "quoted name without end"},
    {"team:{\"id\"\"}", 6, "quoted name without end"},
    {"team:id}", 7, "closing brace without opening"},
    {"}", 0, "closing brace without opening"},
    {"{{id}", 4, "closing brace without opening"},
    {"{id}}", 4, "closing brace without opening"},
    {"team:{id|}", 9, "unknown filter"},
    {"team:{id|Lower}", 9, "unknown filter"},
    {"team:{id|low}", 9, "unknown filter"},
    {"team:{id|lowercase}", 9, "unknown filter"},
    {"team:{id|none}", 9, "unknown filter"},
    {"team:{id | lower}", 8, "needs double quotes"},
    {"team:{ id}", 6, "needs double quotes"},
    {"team:{user.id}", 10, "needs double quotes"},
    {"team:{id!r}", 8, "needs double quotes"},
    {"{größe}", 3, "needs double quotes"},
};

Test(template, tells_each_fault_and_its_place)
{
	for (size_t i = 0; i < N_ELEMENTS(faults); i++) {
		const char *source = faults[i].source;
		struct template *t = NULL;
		struct pgripple_error err;

		cr_assert_eq(template_parse(arena, source, &t, &err), -1,
		    "\"%s\" was taken", source);
		cr_expect_null(t);
		cr_expect_eq(err.kind, PGRIPPLE_ERROR_CONFIG);
		cr_expect_eq(err.at.column, faults[i].offset, "\"%s\": at %d",
		    source, err.at.column);
		cr_expect_not_null(strstr(err.text, faults[i].text),
		    "\"%s\": %s", source, err.text);
		cr_expect_neq(err.hint[0], '\0', "\"%s\": no hint", source);
	}
}

Test(template, fills_values_in_as_they_are)
{
	struct pgripple_value values[] = {text("5.00"), text("{x}*|%s")};

	expect_key("a:{p}:{q}", values, "a:5.00:{x}*|%s");
}

Test(template, keeps_empty_values_and_zero_bytes)
{
	struct pgripple_value values[] = {
	    text(""), {PGRIPPLE_VALUE_TEXT, 3, "a\0b"}};
	CLEANUP(buf_done) struct buf key = BUF_INIT;

	cr_assert_eq(
	    template_fill(parse_numbered("k:{p}:{q|upper}"), values, &key),
	    TEMPLATE_DONE);
	cr_assert_eq(key.n, 6);
	cr_assert_eq(memcmp(key.bytes, "k::A\0B", 6), 0);
}

Test(template, filters_ascii_letters_only)
{
	struct pgripple_value values[] = {text("ÄaZ[`{@"), text("ÄaZ[`{@")};

	expect_key("{p|lower} {q|upper}", values, "Äaz[`{@ ÄAZ[`{@");
}

Test(template, makes_no_key_of_a_null_whatever_else_is_unknown)
{
	struct pgripple_value values[] = {unknown, null};
	CLEANUP(buf_done) struct buf key = BUF_INIT;

	buf_add_string(&key, "before");
	cr_assert_eq(template_fill(parse_numbered("a:{p}:{q}"), values, &key),
	    TEMPLATE_NULL);
	cr_assert_eq(template_fill(parse_numbered("a:{p}"), values, &key),
	    TEMPLATE_UNKNOWN);
	cr_assert_str_eq(buf_string(&key), "before");
}

Test(template, makes_the_narrowest_pattern_of_what_is_known)
{
	struct pgripple_value values[] = {text("A*?[b]\\"), unknown};

	expect_pattern(
	    "[x]{p|lower}:{q}!", values, "\\[x\\]a\\*\\?\\[b\\]\\\\:*!");
}

Test(template, makes_a_pattern_for_any_row)
{
	expect_pattern("team:{id}:{slug|lower}", NULL, "team:*:*");
	expect_pattern("{{*}}:{id}", NULL, "{\\*}:*");
}

static const struct filtered {
	const char *source;
	const char *value; /* NULL: SQL's NULL */
	const char *key;
} filtereds[] = {
    {"k:{a|url}", "a b/\xc3\xa4~-._Z9%", "k:a%20b%2F%C3%A4~-._Z9%25"},
    {"k:{a|md5}", "abc", "k:900150983cd24fb0d6963f7d28e17f72"},
    {"k:{a|sha1}", "abc", "k:a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"k:{a|lower|md5}", "ABC", "k:900150983cd24fb0d6963f7d28e17f72"},
    {"k:{a|lower|url|upper}", "A b", "k:A%20B"},
    {"k:{a|default('none')}", NULL, "k:none"},
    {"k:{a|default('none')}", "", "k:"},
    {"k:{a|default('none')}", "x", "k:x"},
    {"k:{a|lower|default('No')|upper}", NULL, "k:NO"},
    {"k:{a|default('')}", NULL, "k:"},
    {"k:{a|default('it''s|}{')|url}", NULL, "k:it%27s%7C%7D%7B"},
    {"k:{a}", "a\nb{}*\xc3\xa4", "k:a\nb{}*\xc3\xa4"},
};

Test(template, filters_values)
{
	for (size_t i = 0; i < N_ELEMENTS(filtereds); i++) {
		const struct filtered *f = &filtereds[i];
		struct pgripple_value value =
		    f->value != NULL ? text(f->value) : null;

		expect_key(f->source, &value, f->key);
	}
}

/* What a filter makes of a value that is not known is not known. */
Test(template, has_one_star_for_whatever_a_filter_may_make)
{
	expect_pattern("k:{a|md5}", &unknown, "k:*");
	expect_pattern("k:{a|url|lower}", NULL, "k:*");
	expect_pattern("k:{a|default('x')}", &unknown, "k:*");
	expect_pattern("k:{a|default('*')}", &null, "k:\\*");
}

Test(template, is_a_pattern_of_its_own)
{
	struct pgripple_value values[] = {text("a*"), unknown};
	CLEANUP(buf_done) struct buf got = BUF_INIT;

	template_fill_glob(parse_numbered("k[0-9]:{a}:{b}:*"), values, &got);
	cr_assert_str_eq(buf_string(&got), "k[0-9]:a\\*:*:*");
}

static const struct {
	const char *source;
	int place;
	const char *text;
} bad_filters[] = {
    {"k:{a|default}", 12, "a filter without its text"},
    {"k:{a|default()}", 12, "a filter without its text"},
    {"k:{a|default('x}", 12, "a quoted text without end"},
    {"k:{a|default('x'}", 12, "a parenthesis without end"},
    {"k:{a|lower('x')}", 10, "a text to a filter that takes none"},
    {"k:{a|lower|}", 11, "an unknown filter"},
    {"k:{a|lower x}", 5, "an unknown filter"},
    {"k:{a|default('x') }", 2, "a brace without end"},
};

Test(template, refuses_filters_that_are_none)
{
	for (size_t i = 0; i < N_ELEMENTS(bad_filters); i++) {
		struct pgripple_error err;
		struct template *t;

		cr_assert_eq(
		    template_parse(arena, bad_filters[i].source, &t, &err), -1);
		cr_expect_eq(err.at.column, bad_filters[i].place, "%s: %d",
		    bad_filters[i].source, err.at.column);
		cr_expect(strstr(err.text, bad_filters[i].text) != NULL,
		    "%s: %s", bad_filters[i].source, err.text);
	}
}
