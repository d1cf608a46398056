/*
 * Proof that a sanitizer's finding fails a test: each of these does something
 * forbidden and must end by SIGABRT.
 */
#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static bool
is_on(const char *sanitizer)
{
	return strstr(SANITIZERS, sanitizer) != NULL;
}

static void
skip_without(const char *sanitizer)
{
	if (!is_on(sanitizer))
		cr_skip("built without the %s sanitizer", sanitizer);
}

Test(canary, a_step_past_an_allocation_is_seen, .signal = SIGABRT)
{
	char *volatile bytes = malloc(8);
	volatile size_t past = 8;

	skip_without("address");
	bytes[past] = 'x';
	free(bytes);
}

Test(canary, a_step_past_a_piece_of_an_arena_is_seen, .signal = SIGABRT)
{
	struct arena *arena = arena_new();
	char *volatile bytes = arena_alloc(arena, 8);
	volatile size_t past = 8;

	skip_without("address");
	bytes[past] = 'x';
	arena_free(arena);
}

Test(canary, an_overflow_is_seen, .signal = SIGABRT)
{
	volatile int large = INT_MAX;

	skip_without("undefined");
	large = large + 1;
}
