/*
 * Hash maps.
 */
#include "base/map.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

static void
put(struct map *map, const char *key, void *value)
{
	void **place = map_put(map, key, strlen(key));

	cr_assert_not_null(place);
	*place = value;
}

Test(map, finds_nothing_while_empty)
{
	struct map map = MAP_INIT;

	cr_assert_null(map_get(&map, "key", 3));
	map_done(&map);
}

Test(map, finds_what_was_put)
{
	struct map map = MAP_INIT;
	int one, two;

	put(&map, "one", &one);
	put(&map, "two", &two);
	cr_assert_eq(map_get(&map, "one", 3), &one);
	cr_assert_eq(map_get(&map, "two", 3), &two);
	cr_assert_null(map_get(&map, "tw", 2));
	cr_assert_null(map_get(&map, "twos", 4));
	map_done(&map);
}

Test(map, makes_a_place_only_once)
{
	struct map map = MAP_INIT;
	int value;

	cr_assert_null(*map_put(&map, "key", 3));
	put(&map, "key", &value);
	cr_assert_eq(*map_put(&map, "key", 3), &value);
	cr_assert_eq(map.n_entries, 1);
	map_done(&map);
}

Test(map, copies_a_key_that_will_not_stay)
{
	struct map map = MAP_INIT;
	struct arena *arena = arena_new();
	char key[] = "key";
	const char *copy, *again;
	int value;

	*map_put_copy(&map, arena, key, 3, &copy) = &value;
	cr_assert_neq((const void *)copy, (const void *)key);
	cr_assert_eq(*map_put_copy(&map, arena, key, 3, &again), &value);
	cr_assert_eq(again, copy);
	key[0] = 'x';
	cr_assert_eq(map_get(&map, "key", 3), &value);
	cr_assert_eq(*map_put_copy(&map, arena, key, 3, NULL), NULL);
	cr_assert_eq(map.n_entries, 2);
	map_done(&map);
	arena_free(arena);
}

Test(map, compares_bytes_and_lengths)
{
	struct map map = MAP_INIT;
	int values[3];

	*map_put(&map, "a\0b", 3) = &values[0];
	*map_put(&map, "a\0c", 3) = &values[1];
	*map_put(&map, NULL, 0) = &values[2];
	cr_assert_eq(map_get(&map, "a\0b", 3), &values[0]);
	cr_assert_eq(map_get(&map, "a\0c", 3), &values[1]);
	cr_assert_eq(map_get(&map, "", 0), &values[2]);
	cr_assert_null(map_get(&map, "a", 1));
	map_done(&map);
}

Test(map, grows_and_keeps_everything)
{
	enum { N = 20000 };
	static char keys[N][12];
	struct map map = MAP_INIT;

	for (int i = 0; i < N; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "key:%d", i);
		put(&map, keys[i], keys[i]);
	}
	cr_assert_eq(map.n_entries, N);
	cr_assert_leq(map.n_entries, map.n_slots / 4 * 3);
	for (int i = 0; i < N; i++)
		cr_assert_eq(map_get(&map, keys[i], strlen(keys[i])), keys[i]);
	map_done(&map);
}

Test(map, hashes_differ_by_content_and_length)
{
	const char zeros[32] = {0};

	for (size_t i = 0; i < 32; i++)
		for (size_t j = 0; j < i; j++)
			cr_assert_neq(map_hash(zeros, i), map_hash(zeros, j));
	cr_assert_eq(map_hash("key", 3), map_hash("key", 3));
	cr_assert_neq(map_hash("key", 3), map_hash("kez", 3));
}

Test(map, spreads_its_hashes)
{
	int counts[64] = {0};

	for (uint64_t i = 0; i < 64000; i++)
		counts[map_hash(&i, sizeof(i)) % 64]++;
	for (int i = 0; i < 64; i++) {
		cr_assert_gt(counts[i], 800);
		cr_assert_lt(counts[i], 1200);
	}
}
