/*
 * The version of hiredis, for "pgripple version".
 */
#include "redis/library.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

void
redis_library_version(char *buffer, size_t size)
{
	/* It cannot be asked, so this is what was compiled against. */
	(void)snprintf(buffer, size, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR,
	    HIREDIS_PATCH);
}
