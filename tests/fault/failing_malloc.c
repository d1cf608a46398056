/*
 * To be preloaded: lets the nth allocation of a process fail, and those after
 * it if MALLOC_FAILS_ON is set.
 *
 *	MALLOC_FAILS_AT   n, from 1; 0 or absent: none
 *	MALLOC_COUNT      a file: how many there were, when the process exits
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* glibc's own, under its other names. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);

static atomic_long n_allocations;
static long fails_at;
static bool fails_on;

__attribute__((constructor)) static void
read_environment(void)
{
	const char *at = getenv("MALLOC_FAILS_AT");

	fails_at = at == NULL ? 0 : atol(at);
	fails_on = getenv("MALLOC_FAILS_ON") != NULL;
	atomic_store(&n_allocations, 0);
}

__attribute__((destructor)) static void
tell_count(void)
{
	const char *path = getenv("MALLOC_COUNT");
	FILE *file = path == NULL ? NULL : fopen(path, "w");

	if (file == NULL)
		return;
	(void)fprintf(file, "%ld\n", atomic_load(&n_allocations));
	(void)fclose(file);
}

static bool
fails(void)
{
	long n = atomic_fetch_add(&n_allocations, 1) + 1;

	if (fails_at == 0 || n < fails_at || (n > fails_at && !fails_on))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __libc_realloc(pointer, size);
}
