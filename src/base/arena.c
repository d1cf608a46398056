/*
 * An arena: a chain of blocks, each twice as large as the one before.  Blocks
 * come zeroed from calloc() and no piece is given out twice, so a piece needs
 * no clearing of its own.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(at, n) __asan_poison_memory_region(at, n)
#define UNPOISON(at, n) __asan_unpoison_memory_region(at, n)
#define GAP ALIGNMENT /* so that a step past a piece is seen */
#else
#define POISON(at, n) ((void)0)
#define UNPOISON(at, n) ((void)0)
#define GAP ((size_t)0)
#endif

#define ALIGNMENT _Alignof(max_align_t)
#define FIRST_BLOCK ((size_t)4 * 1024)
#define LAST_BLOCK ((size_t)256 * 1024)

struct block {
	struct block *next;
	_Alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *blocks;
	char *free_bytes; /* of the block that is being filled */
	size_t n_free;
	size_t next_block;
	size_t size;
};

struct arena *
arena_new(void)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL)
		return NULL;
	arena->next_block = FIRST_BLOCK;
	arena->size = sizeof(*arena);
	return arena;
}

void
arena_free(struct arena *arena)
{
	struct block *block;

	if (arena == NULL)
		return;
	while ((block = arena->blocks) != NULL) {
		arena->blocks = block->next;
		free(block);
	}
	free(arena);
}

/* A new block of so many bytes for pieces; NULL when out of memory. */
static char *
add_block(struct arena *arena, size_t n)
{
	struct block *block = calloc(1, sizeof(*block) + n);

	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->size += sizeof(*block) + n;
	POISON(block->bytes, n);
	return block->bytes;
}

static int
grow(struct arena *arena)
{
	size_t n = arena->next_block - sizeof(struct block);
	char *bytes = add_block(arena, n);

	if (bytes == NULL)
		return -1;
	arena->free_bytes = bytes;
	arena->n_free = n;
	if (arena->next_block < LAST_BLOCK)
		arena->next_block *= 2;
	return 0;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	size_t step;
	char *piece;

	if (size > SIZE_MAX / 2)
		return NULL;
	step = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
	if (step == 0)
		step = ALIGNMENT;
	if (step > arena->n_free) {
		/* What would waste much of a block gets its own. */
		if (step > arena->next_block / 4) {
			piece = add_block(arena, step);
			if (piece != NULL)
				UNPOISON(piece, size);
			return piece;
		}
		if (grow(arena) != 0)
			return NULL;
	}
	piece = arena->free_bytes;
	arena->free_bytes += step;
	arena->n_free -= step;
	UNPOISON(piece, size);
	return piece;
}

void *
arena_array(struct arena *arena, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	return arena_alloc(arena, n * size);
}

char *
arena_copy(struct arena *arena, const char *bytes, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		return NULL;
	copy = arena_alloc(arena, n + 1);
	if (copy != NULL && n > 0)
		memcpy(copy, bytes, n);
	return copy;
}

char *
arena_strdup(struct arena *arena, const char *string)
{
	return arena_copy(arena, string, strlen(string));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return NULL;
	text = arena_alloc(arena, (size_t)n + 1);
	if (text == NULL)
		return NULL;
	va_start(args, format);
	(void)vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

size_t
arena_size(const struct arena *arena)
{
	return arena->size;
}
