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
    "{\"do\":\"cacheops\",\"key\":\"conj:t:\",\"values\":[\"t\",\"row\","
    "\"auto\",\"id\",\"#1\"]}",
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
