/*
 * The few macros that every file may use.
 */
#ifndef PGRIPPLE_BASE_UTIL_H
#define PGRIPPLE_BASE_UTIL_H

#include <stdlib.h>

#include <pgripple/error.h>

#define MUST_CHECK PGRIPPLE_MUST_CHECK
#define PRINTF_LIKE(fmt, args) PGRIPPLE_PRINTF(fmt, args)
#define CLEANUP(f) __attribute__((cleanup(f)))
#define UNUSED __attribute__((unused))

#define N_ELEMENTS(array) (sizeof(array) / sizeof(*(array)))

/* Hands a pointer over: yields its value and leaves NULL behind. */
#define steal(pp)                                        \
	__extension__({                                  \
		__typeof__(pp) steal_from_ = (pp);       \
		__typeof__(*(pp)) steal_ = *steal_from_; \
		*steal_from_ = NULL;                     \
		steal_;                                  \
	})

/* For CLEANUP on pointers from malloc(). */
static inline void
free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

#endif
