/*
 * The heap of a process that makes and frees a batch again and again.
 */
#include "base/heap.h"

#include <malloc.h>

#define KEPT_BYTES (4 * 1024 * 1024)

/* glibc's defaults are 128 kB for both, and grow on their own only until one
 * of them was set. */
void
heap_keep(void)
{
#ifdef M_TRIM_THRESHOLD
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
#endif
}

size_t
heap_used(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}
