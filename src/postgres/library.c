/*
 * The version of libpq, for "pgripple version".
 */
#include "postgres/library.h"

#include <libpq-fe.h>
#include <stdio.h>

void
postgres_library_version(char *buffer, size_t size)
{
	int version = PQlibVersion();

	(void)snprintf(buffer, size, "%d.%d", version / 10000, version % 10000);
}
