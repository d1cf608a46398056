/*
 * YAML files to nodes.  Untrusted in shape: bounded in size (4 MiB), depth
 * (16) and number of nodes; anchors, aliases, tags, duplicate keys, NUL and a
 * second document are refused, and what people get wrong is answered with what
 * to write instead.  The only user of libyaml.
 */
#ifndef PGRIPPLE_CONFIG_YAML_H
#define PGRIPPLE_CONFIG_YAML_H

#include <stddef.h>

#include "base/node.h"
#include "base/util.h"

struct arena;

#define YAML_MAX_BYTES ((size_t)4 << 20)
#define YAML_MAX_DEPTH 16
#define YAML_MAX_NODES 250000

/* Reads a whole file into the arena; the nodes live as long as it, and borrow
 * the path.  Faults are added to *errors.  0, or -1 when errors were added.
 * *ret_root is set even then if the document makes sense in spite of them (a
 * duplicate key, say), so that the caller can go on and report what else is
 * wrong; else it is NULL. */
int yaml_load(struct arena *arena, const char *path,
    struct pgripple_errors *errors, struct node **ret_root) MUST_CHECK;
/* The same from memory; file is the name for messages, borrowed. */
int yaml_parse(struct arena *arena, const char *file, const char *text,
    size_t length, struct pgripple_errors *errors,
    struct node **ret_root) MUST_CHECK;

#endif
