/*
 * The heap of a process that makes and frees a batch again and again.
 */
#ifndef PGRIPPLE_BASE_HEAP_H
#define PGRIPPLE_BASE_HEAP_H

#include <stddef.h>

/* Lets the allocator keep up to 4 MiB that are free.  Else it gives a batch's
 * memory back to the system at its end, and page faults for the next one take
 * as long as walk and plan together.  To be called once, at start. */
void heap_keep(void);

/* Bytes that are allocated; 0 if the allocator is not glibc's. */
size_t heap_used(void);

#endif
