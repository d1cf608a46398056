/*
 * A hash map with open addressing and linear probing, at most three quarters
 * full.  Nothing is ever removed.
 *
 * SipHash-1-3 is SipHash (Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF", 2012) with one compression and three finalization rounds, as used by
 * the hash tables of Rust, Ruby and Redis's relatives: with an unknown key,
 * rows cannot be made to collide.
 */
#include "base/map.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/clock.h"

#define FIRST_SLOTS ((size_t)16)

struct map_slot {
	const void *key; /* NULL: free */
	size_t length;
	uint64_t hash;
	void *value;
};

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void
sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

/* The process's seed: drawn at the first use. */
static const uint64_t *
seed(void)
{
	static uint64_t words[2];
	static bool drawn;

	if (drawn)
		return words;
	if (getrandom(words, sizeof(words), 0) != (ssize_t)sizeof(words)) {
		/* A kernel without it: guessable, but not fixed. */
		words[0] = (uint64_t)clock_wall_us();
		words[1] = (uint64_t)(uintptr_t)&words;
	}
	drawn = true;
	return words;
}

uint64_t
map_hash(const void *bytes, size_t length)
{
	const uint64_t *k = seed();
	const unsigned char *at = bytes;
	struct sip s = {
	    .v0 = k[0] ^ UINT64_C(0x736f6d6570736575),
	    .v1 = k[1] ^ UINT64_C(0x646f72616e646f6d),
	    .v2 = k[0] ^ UINT64_C(0x6c7967656e657261),
	    .v3 = k[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t word;
	size_t rest = length;

	for (; rest >= sizeof(word); rest -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sip_word(&s, word);
		at += sizeof(word);
	}
	word = (uint64_t)length << 56;
	for (size_t i = 0; i < rest; i++)
		word |= (uint64_t)at[i] << (8 * i);
	sip_word(&s, word);
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

size_t
map_size(const struct map *map)
{
	return map->n_slots * sizeof(struct map_slot) * 3 / 2;
}

void
map_done(struct map *map)
{
	free(map->slots);
	*map = MAP_INIT;
}

/* The key's slot, or the free one where it would go. */
static struct map_slot *
find(const struct map *map, const void *key, size_t length, uint64_t hash)
{
	size_t mask = map->n_slots - 1;

	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
		struct map_slot *slot = &map->slots[i];

		if (slot->key == NULL)
			return slot;
		if (slot->hash == hash && slot->length == length &&
		    memcmp(slot->key, key, length) == 0)
			return slot;
	}
}

static int
grow(struct map *map)
{
	struct map larger = {
	    .n_slots = map->n_slots == 0 ? FIRST_SLOTS : map->n_slots * 2,
	    .n_entries = map->n_entries,
	};

	larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return -1;
	for (size_t i = 0; i < map->n_slots; i++) {
		const struct map_slot *slot = &map->slots[i];

		if (slot->key != NULL)
			*find(&larger, slot->key, slot->length, slot->hash) =
			    *slot;
	}
	free(map->slots);
	*map = larger;
	return 0;
}

void *
map_get(const struct map *map, const void *key, size_t length)
{
	if (map->n_entries == 0)
		return NULL;
	if (length == 0)
		key = "";
	return find(map, key, length, map_hash(key, length))->value;
}

/* The key's slot; the key is copied if there is an arena. */
static struct map_slot *
put(struct map *map, struct arena *arena, const void *key, size_t length)
{
	struct map_slot *slot;
	uint64_t hash;

	if (map->n_entries >= map->n_slots / 4 * 3 && grow(map) != 0)
		return NULL;
	if (length == 0)
		key = "";
	hash = map_hash(key, length);
	slot = find(map, key, length, hash);
	if (slot->key != NULL)
		return slot;
	if (arena != NULL && (key = arena_copy(arena, key, length)) == NULL)
		return NULL;
	slot->key = key;
	slot->length = length;
	slot->hash = hash;
	map->n_entries++;
	return slot;
}

void **
map_put(struct map *map, const void *key, size_t length)
{
	struct map_slot *slot = put(map, NULL, key, length);

	return slot == NULL ? NULL : &slot->value;
}

void **
map_put_copy(struct map *map, struct arena *arena, const void *key,
    size_t length, const char **ret_key)
{
	struct map_slot *slot = put(map, arena, key, length);

	if (slot == NULL)
		return NULL;
	if (ret_key != NULL)
		*ret_key = slot->key;
	return &slot->value;
}
