/*
 * Operations as JSON.
 */
#include "core/operation.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

/* Each is what it prints, too. */
static const char *const good[] = {
    "{\"do\":\"scan\",\"pattern\":\"team:*\"}",
    "{\"do\":\"scan\",\"pattern\":\"v:*\",\"each\":\"version\"}",
    "{\"do\":\"scan\",\"pattern\":\"t:*\",\"each\":\"drain\"}",
    "{\"do\":\"drain\",\"key\":\"pgripple:drain:t\"}",
    "{\"do\":\"unlink\",\"key\":\"a\\u0000\\n\"}",
    "{\"do\":\"hdel\",\"key\":\"h\",\"values\":[\"f\"]}",
    "{\"do\":\"fence\",\"key\":\"fence:k\",\"number\":2000}",
    "{\"do\":\"version\",\"key\":\"v\"}",
    "{\"do\":\"tag\",\"key\":\"t\"}",
    ("{\"do\":\"cacheops\",\"key\":\"conj:t:\",\"values\":[\"t\",\"row\","
     "\"auto\",\"id\",\"#1\"]}"),
    "{\"do\":\"scan\",\"pattern\":\"conj:t:*\",\"each\":\"conj\"}",
    "{\"do\":\"conj\",\"key\":\"conj:t:id=1\"}",
    "{\"do\":\"publish\",\"key\":\"c\",\"values\":[\"\"]}",
    "{\"do\":\"stream\",\"key\":\"s\",\"values\":[\"a\",\"b\"],\"number\":0}",
};

static const char *const bad[] = {
    "1",
    "{}",
    "{\"do\":\"flush\",\"key\":\"k\"}",
    "{\"do\":\"unlink\"}",
    "{\"do\":\"unlink\",\"key\":\"\"}",
    "{\"do\":\"unlink\",\"key\":7}",
    "{\"do\":\"unlink\",\"pattern\":\"k\"}",
    "{\"do\":\"unlink\",\"key\":\"k\",\"values\":[\"a\"]}",
    "{\"do\":\"hdel\",\"key\":\"h\"}",
    "{\"do\":\"hdel\",\"key\":\"h\",\"values\":\"f\"}",
    "{\"do\":\"hdel\",\"key\":\"h\",\"values\":[1]}",
    "{\"do\":\"cacheops\",\"key\":\"conj:t:\",\"values\":[\"t\",\"row\"]}",
    "{\"do\":\"fence\",\"key\":\"k\"}",
    "{\"do\":\"stream\",\"key\":\"s\",\"values\":[\"a\"]}",
    "{\"do\":\"scan\",\"pattern\":\"k*\",\"each\":\"publish\"}",
    "{\"do\":\"scan\",\"pattern\":\"k*\",\"each\":\"x\"}",
};

static struct pgripple_operation
read_good(struct arena *arena, const char *json)
{
	struct pgripple_operation operation;
	struct pgripple_error err;
	const char *target;

	cr_assert_eq(operation_read(
			 arena, json, strlen(json), &operation, &target, &err),
	    0, "%s: %s", json, err.text);
	return operation;
}

Test(operation, comes_back_as_it_was_printed)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		struct pgripple_operation operation = read_good(arena, good[i]);
		CLEANUP(buf_done) struct buf text = BUF_INIT;

		operation_print(&text, &operation, "default");
		cr_expect_str_eq(buf_string(&text), good[i]);
	}
	arena_free(arena);
}

Test(operation, keeps_the_name_of_its_target)
{
	static const char json[] =
	    "{\"do\":\"unlink\",\"key\":\"k\",\"target\":\"s\"}";
	struct arena *arena = arena_new();
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct pgripple_operation operation;
	struct pgripple_error err;
	const char *target;

	cr_assert_eq(operation_read(
			 arena, json, strlen(json), &operation, &target, &err),
	    0);
	cr_expect_str_eq(target, "s");
	operation_print(&text, &operation, target);
	cr_expect_str_eq(buf_string(&text), json);
	cr_assert_eq(operation_read(arena, good[0], strlen(good[0]), &operation,
			 &target, &err),
	    0);
	cr_expect_str_eq(target, "default");
	arena_free(arena);
}

Test(operation, of_another_target_is_another)
{
	struct arena *arena = arena_new();
	struct pgripple_operation a = read_good(arena, good[0]);
	struct pgripple_operation b = a;

	b.target = 1;
	cr_expect_not(operation_equals(&a, &b));
	arena_free(arena);
}

Test(operation, equals_itself_alone)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		for (size_t j = 0; j < N_ELEMENTS(good); j++) {
			struct pgripple_operation a = read_good(arena, good[i]);
			struct pgripple_operation b = read_good(arena, good[j]);

			cr_expect_eq(operation_equals(&a, &b), i == j);
		}
	arena_free(arena);
}

Test(operation, is_refused_if_nobody_knows_what_it_means)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		struct pgripple_operation operation;
		struct pgripple_error err;
		const char *target;

		cr_expect_eq(operation_read(arena, bad[i], strlen(bad[i]),
				 &operation, &target, &err),
		    -1, "%s", bad[i]);
		cr_expect_eq(err.kind, PGRIPPLE_ERROR_INPUT, "%s", bad[i]);
	}
	arena_free(arena);
}

static const char *const good_lists[] = {
    "{\"do\":\"scan\",\"pattern\":\"team:*\"}",
    "{\"repeat\":2000,\"do\":\"scan\",\"pattern\":\"team:*\"}",
    "{\"all\":[{\"do\":\"unlink\",\"key\":\"a\"}],\"repeat\":\"replicas\"}",
    "{\"all\":[{\"do\":\"unlink\",\"key\":\"a\"},"
    "{\"do\":\"publish\",\"key\":\"c\",\"values\":[\"m\"]}],"
    "\"repeat\":2000,\"slot\":7,\"target\":\"s\"}",
};

static const char *const bad_lists[] = {
    "{\"all\":[]}",
    "{\"all\":{}}",
    "{\"all\":[7]}",
    "{\"all\":[{\"do\":\"scan\",\"pattern\":\"team:*\"}]}",
    ("{\"all\":[{\"do\":\"publish\",\"key\":\"c\",\"values\":[\"m\"]},"
     "{\"do\":\"unlink\",\"key\":\"a\"}]}"),
    "[]",
};

Test(operation, may_be_one_of_a_list_of_quick_ones_in_their_order)
{
	struct arena *arena = arena_new();
	struct pgripple_operation *operations;
	struct pgripple_error err;
	const char *target;
	size_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(good_lists); i++)
		cr_expect_eq(
		    operation_read_all(arena, good_lists[i],
			strlen(good_lists[i]), &operations, &n, &target, &err),
		    0, "%s: %s", good_lists[i], err.text);
	cr_assert_eq(n, 2);
	cr_expect_str_eq(target, "s");
	cr_expect_str_eq(operations[0].key, "a");
	cr_expect_str_eq(operations[1].values[0].bytes, "m");
	for (size_t i = 0; i < N_ELEMENTS(bad_lists); i++)
		cr_expect_eq(
		    operation_read_all(arena, bad_lists[i],
			strlen(bad_lists[i]), &operations, &n, &target, &err),
		    -1, "%s", bad_lists[i]);
	arena_free(arena);
}

Test(operation, says_when_it_is_a_repeat)
{
	struct arena *arena = arena_new();
	struct pgripple_operation scan = read_good(arena, good[0]);
	struct pgripple_operation drain = read_good(arena, good[3]);
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	operation_print_repeat(
	    &text, &scan, &(struct operation_repeat){2000, 0, "default"});
	cr_expect_str_eq(buf_string(&text), good_lists[1]);
	buf_reset(&text);
	operation_open_list(&text);
	operation_add_to_list(&text, &drain);
	operation_add_to_list(&text, &drain);
	operation_close_list(&text,
	    &(struct operation_repeat){PGRIPPLE_REPEAT_REPLICAS, 5, "s"});
	cr_expect_str_eq(buf_string(&text),
	    "{\"all\":[{\"do\":\"drain\",\"key\":\"pgripple:drain:t\"},"
	    "{\"do\":\"drain\",\"key\":\"pgripple:drain:t\"}],"
	    "\"repeat\":\"replicas\",\"slot\":5,\"target\":\"s\"}");
	arena_free(arena);
}
