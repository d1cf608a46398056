/*
 * The version of libpq, for "pgripple version".
 */
#ifndef PGRIPPLE_POSTGRES_LIBRARY_H
#define PGRIPPLE_POSTGRES_LIBRARY_H

#include <stddef.h>

/* Always terminated; cut if too long. */
void postgres_library_version(char *buffer, size_t size);

#endif
