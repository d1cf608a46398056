/*
 * The version of hiredis, for "pgripple version".
 */
#ifndef PGRIPPLE_REDIS_LIBRARY_H
#define PGRIPPLE_REDIS_LIBRARY_H

#include <stddef.h>

/* Always terminated; cut if too long. */
void redis_library_version(char *buffer, size_t size);

#endif
