/*
 * Arenas.
 */
#include "base/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new();
	cr_assert_not_null(arena);
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(arena, .init = setup, .fini = teardown);

Test(arena, frees_nothing_without_complaint)
{
	arena_free(NULL);
}

Test(arena, gives_zeroed_and_aligned_pieces)
{
	for (size_t size = 0; size < 2000; size++) {
		unsigned char *piece = arena_alloc(arena, size);

		cr_assert_not_null(piece);
		cr_assert_eq((uintptr_t)piece % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(piece[i], 0);
		memset(piece, 0xff, size);
	}
}

Test(arena, gives_pieces_that_do_not_overlap)
{
	char *pieces[500];

	for (size_t i = 0; i < 500; i++) {
		pieces[i] = arena_alloc(arena, i + 1);
		memset(pieces[i], (int)(i % 251), i + 1);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j <= i; j++)
			cr_assert_eq((unsigned char)pieces[i][j], i % 251);
}

Test(arena, takes_more_than_its_largest_block)
{
	size_t size = 10 * 1024 * 1024;
	char *piece = arena_alloc(arena, size);

	cr_assert_not_null(piece);
	piece[size - 1] = 'x';
	cr_assert_geq(arena_size(arena), size);
}

Test(arena, goes_on_filling_its_block_after_a_large_piece)
{
	char *before = arena_alloc(arena, 16);
	char *after;

	cr_assert_not_null(arena_alloc(arena, 100000));
	after = arena_alloc(arena, 16);
	cr_assert_lt(after - before, 64);
}

Test(arena, wastes_little)
{
	for (int i = 0; i < 100000; i++)
		cr_assert_not_null(arena_alloc(arena, 32));
	cr_assert_lt(arena_size(arena), 2 * 100000 * 32);
}

Test(arena, starts_small)
{
	cr_assert_not_null(arena_alloc(arena, 100));
	cr_assert_lt(arena_size(arena), 4200);
}

Test(arena, refuses_sizes_that_overflow)
{
	cr_assert_null(arena_alloc(arena, SIZE_MAX));
	cr_assert_null(arena_array(arena, SIZE_MAX / 2, 3));
	cr_assert_null(arena_copy(arena, "", SIZE_MAX));
}

Test(arena, gives_arrays)
{
	int *numbers = arena_array(arena, 10, sizeof(*numbers));

	numbers[9] = 9;
	cr_assert_eq(numbers[0], 0);
	cr_assert_not_null(arena_array(arena, 0, sizeof(*numbers)));
	cr_assert_not_null(arena_array(arena, 10, 0));
}

Test(arena, copies_with_a_terminator)
{
	cr_assert_arr_eq(arena_copy(arena, "a\0bc", 3), "a\0b", 4);
	cr_assert_str_eq(arena_copy(arena, NULL, 0), "");
	cr_assert_str_eq(arena_strdup(arena, "text"), "text");
}

Test(arena, prints)
{
	char *text = arena_printf(arena, "%d %s", 7, "keys");

	cr_assert_str_eq(text, "7 keys");
	cr_assert_eq(strlen(arena_printf(arena, "%5000d", 1)), 5000);
}
