/*
 * YAML files to nodes.  Untrusted in shape: bounded in size (4 MiB) and depth
 * (16); anchors, aliases, tags, duplicate keys, NUL and a second document are
 * refused, and what people get wrong is answered with what to write instead.
 * The only user of libyaml.
 */
#ifndef PGRIPPLE_CONFIG_YAML_H
#define PGRIPPLE_CONFIG_YAML_H

#include <stddef.h>

#include "base/node.h"
#include "base/util.h"

#define YAML_MAX_BYTES (4u * 1024 * 1024)
#define YAML_MAX_DEPTH 16

/* Reads a whole file into the arena; the nodes live as long as it.  Faults are
 * added to *errors.  0, or -1 when errors were added. */
int yaml_load(struct arena *arena, const char *path,
    struct pgripple_errors *errors, struct node **ret_root) MUST_CHECK;
/* The same from memory; file is the name for messages, borrowed. */
int yaml_parse(struct arena *arena, const char *file, const char *text,
    size_t length, struct pgripple_errors *errors,
    struct node **ret_root) MUST_CHECK;

#endif
