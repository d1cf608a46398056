/*
 * Configuration documents as trees.
 */
#include "base/node.h"

#include <criterion/criterion.h>

Test(node, finds_the_entry_of_a_map)
{
	struct node keys[] = {
	    {.kind = NODE_SCALAR, .text = "table"},
	    {.kind = NODE_SCALAR, .text = "ignore"},
	};
	struct node entries[] = {
	    {.kind = NODE_SCALAR, .text = "app_team", .key = &keys[0]},
	    {.kind = NODE_LIST, .key = &keys[1]},
	};
	struct node map = {
	    .kind = NODE_MAP, .n_children = 2, .children = entries};

	cr_assert_eq(node_get(&map, "ignore"), &entries[1]);
	cr_assert_eq(node_get(&map, "table"), &entries[0]);
	cr_assert_null(node_get(&map, "tables"));
}

Test(node, finds_nothing_in_what_is_no_map)
{
	struct node item = {.kind = NODE_SCALAR, .text = "table"};
	struct node list = {
	    .kind = NODE_LIST, .n_children = 1, .children = &item};

	cr_assert_null(node_get(&list, "table"));
	cr_assert_null(node_get(&item, "table"));
}

Test(node, has_a_name_for_each_kind)
{
	cr_assert_str_eq(node_kind_name(NODE_NULL), "nothing");
	cr_assert_str_eq(node_kind_name(NODE_SCALAR), "text");
	cr_assert_str_eq(node_kind_name(NODE_LIST), "a list");
	cr_assert_str_eq(node_kind_name(NODE_MAP), "a map");
}
