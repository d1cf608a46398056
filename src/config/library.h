/*
 * The version of libyaml, for "pgripple version".
 */
#ifndef PGRIPPLE_CONFIG_LIBRARY_H
#define PGRIPPLE_CONFIG_LIBRARY_H

#include <stddef.h>

/* Always terminated; cut if too long. */
void config_library_version(char *buffer, size_t size);

#endif
