/*
 * A hash map from bytes to pointers.  Keys come from rows that anybody may
 * have written, so the hash is keyed (SipHash-1-3 with a random seed per
 * process).
 */
#ifndef PGRIPPLE_BASE_MAP_H
#define PGRIPPLE_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct map {
	struct map_slot *slots;
	size_t n_slots; /* 0 or a power of two */
	size_t n_entries;
};

#define MAP_INIT ((struct map){0})

void map_done(struct map *map);
/* Bytes that it takes, and took while it grew last; not those of keys. */
size_t map_size(const struct map *map);
/* NULL if absent. */
void *map_get(const struct map *map, const void *key, size_t length);
/* The place of the key's value, made (holding NULL) if absent; good until the
 * next map_put().  The key is borrowed: it must live as long as the map.  NULL
 * when out of memory. */
void **map_put(struct map *map, const void *key, size_t length);
/* The same for a key that will not stay where it is: if absent it is copied
 * into the arena, which must live as long as the map.  *ret_key is the key as
 * the map has it; ret_key may be NULL. */
struct arena;
void **map_put_copy(struct map *map, struct arena *arena, const void *key,
    size_t length, const char **ret_key);

uint64_t map_hash(const void *bytes, size_t length);

#endif
