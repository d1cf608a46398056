/*
 * The version of libyaml, for "pgripple version".
 */
#include "config/library.h"

#include <yaml.h>
#include <stdio.h>

void
config_library_version(char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "%s", yaml_get_version_string());
}
