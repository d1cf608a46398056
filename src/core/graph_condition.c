/*
 * The shape of the conditions that rules share with relations.
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/closest.h"

void
read_changed(
    struct loader *l, const struct node *value, struct spec_condition *c)
{
	c->has_changed = true;
	(void)!read_words(l, value, &c->changed); /* already told */
}

static void
add_op(struct loader *l, const struct word *word, uint32_t *ops)
{
	static const char *const names[] = {"insert", "update", "delete"};
	static const uint32_t bits[] = {
	    1u << PGRIPPLE_OP_INSERT,
	    1u << PGRIPPLE_OP_UPDATE,
	    /* TRUNCATE deletes, too. */
	    1u << PGRIPPLE_OP_DELETE | 1u << PGRIPPLE_OP_TRUNCATE,
	};
	const char *near = closest(word->text, names, N_ELEMENTS(names));
	struct pgripple_error *e;

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (strcmp(names[i], word->text) == 0) {
			*ops |= bits[i];
			return;
		}
	e = loader_add(l, word->at, "unknown operation \"%.80s\"", word->text);
	if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(
		    e, "Operations are insert, update and delete.");
}

void
read_ops(struct loader *l, const struct node *value, struct spec_condition *c)
{
	struct words words;

	if (!read_words(l, value, &words))
		return;
	if (value->n_children == 0)
		loader_add(l, value->at, "\"ops\" names no operation");
	c->ops = 0;
	for (size_t i = 0; i < words.n; i++)
		add_op(l, &words.items[i], &c->ops);
}

/* The values of one column: a list, or one alone. */
static bool
read_values(struct loader *l, const struct node *value, struct words *ret)
{
	if (value->kind == NODE_SCALAR) {
		ret->items = loader_array(l, 1, sizeof(*ret->items));
		if (ret->items == NULL)
			return false;
		ret->items[0] = node_word(value);
		ret->n = 1;
		return true;
	}
	for (size_t i = 0; i < value->n_children; i++)
		if (value->children[i].kind == NODE_NULL) {
			pgripple_error_hint(
			    loader_add(l, value->children[i].at,
				"\"where\" cannot ask for NULL"),
			    "If the text \"null\" is meant, put it in quotes.");
			return false;
		}
	if (value->kind == NODE_LIST && value->n_children == 0) {
		loader_add(l, value->at,
		    "\"where\" lists no value for \"%.80s\"", value->key->text);
		return false;
	}
	return read_words(l, value, ret);
}

void
read_where(struct loader *l, const struct node *value, struct spec_condition *c)
{
	if (value->kind != NODE_MAP || value->n_children == 0) {
		pgripple_error_hint(
		    loader_add(l, value->at,
			"\"where\" must be a map of columns to values"),
		    "Write { column: [value, value] }.");
		return;
	}
	c->where = loader_array(l, value->n_children, sizeof(*c->where));
	if (c->where == NULL)
		return;
	for (size_t i = 0; i < value->n_children; i++) {
		struct spec_where *where = &c->where[c->n_where];

		where->column = node_word(value->children[i].key);
		if (read_values(l, &value->children[i], &where->values))
			c->n_where++;
	}
}
