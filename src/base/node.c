/*
 * A configuration document as a tree.
 */
#include "base/node.h"

#include <string.h>

const char *
node_kind_name(enum node_kind kind)
{
	switch (kind) {
	case NODE_NULL:
		return "nothing";
	case NODE_SCALAR:
		return "text";
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a map";
	}
	return "unknown";
}

const struct node *
node_get(const struct node *map, const char *key)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n_children; i++)
		if (strcmp(map->children[i].key->text, key) == 0)
			return &map->children[i];
	return NULL;
}
