/*
 * The shape of rules, and of the conditions that rules share with relations.
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/closest.h"
#include "base/unit.h"

static const enum pgripple_rule_kind kinds[] = {
    PGRIPPLE_RULE_KEY,
    PGRIPPLE_RULE_HASH,
    PGRIPPLE_RULE_TAG,
    PGRIPPLE_RULE_VERSION,
    PGRIPPLE_RULE_FENCE,
    PGRIPPLE_RULE_PATTERN,
    PGRIPPLE_RULE_PUBLISH,
    PGRIPPLE_RULE_STREAM,
    PGRIPPLE_RULE_CACHEOPS,
};

/* What a rule map says, until all of it was read. */
struct reading {
	struct spec_rule *rule;
	const struct node *kind; /* the entry that names the kind */
	const struct node *part; /* field, message, fields, maxlen, hold */
	const struct node *option; /* repeat_after or target */
	bool faulty;
};

static bool
find_kind(const char *name, enum pgripple_rule_kind *ret_kind)
{
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
		if (strcmp(pgripple_rule_kind_name(kinds[i]), name) == 0) {
			*ret_kind = kinds[i];
			return true;
		}
	return false;
}

bool
is_key_rule_kind(const char *name)
{
	enum pgripple_rule_kind kind;

	return find_kind(name, &kind);
}

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

static void
field_kind(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;

	if (r->kind != NULL) {
		pgripple_error_hint(
		    loader_add(l, value->key->at,
			"a rule cannot have both \"%s\" and \"%s\"",
			r->kind->key->text, value->key->text),
		    "Make two rules of it, each with a dash of its own.");
		r->faulty = true;
		return;
	}
	r->kind = value;
}

static void
field_part(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;
	int64_t number;
	struct word word;

	r->part = value;
	if (strcmp(value->key->text, "fields") == 0) {
		if (value->kind == NODE_MAP || value->kind == NODE_LIST)
			return;
		pgripple_error_hint(loader_add(l, value->at,
					"\"fields\" must be a list or a map"),
		    "Write [column, column].");
	} else if (!read_text(l, value, &word)) {
		r->faulty = true;
	} else if (strcmp(value->key->text, "maxlen") == 0 &&
		   !unit_parse_count(word.text, &number)) {
		loader_add(l, word.at,
		    "\"maxlen\" must be a number, not \"%.80s\"", word.text);
	} else if (strcmp(value->key->text, "hold") == 0 &&
		   !unit_parse_duration(word.text, &number)) {
		pgripple_error_hint(
		    loader_add(l, word.at,
			"\"hold\" must be a duration, not \"%.80s\"",
			word.text),
		    "Write a number with a unit: 250ms, 5s, 2m or 1h.");
	}
}

static void
field_repeat_after(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;
	int64_t ms;
	struct word word;

	if (!read_text(l, value, &word)) {
		r->faulty = true;
		return;
	}
	r->option = value;
	if (strcmp(word.text, "replicas") == 0 ||
	    unit_parse_duration(word.text, &ms))
		return;
	r->faulty = true;
	pgripple_error_hint(
	    loader_add(l, word.at,
		"\"repeat_after\" must be a duration or \"replicas\", not "
		"\"%.80s\"",
		word.text),
	    "Write a number with a unit: 250ms, 5s, 2m or 1h.");
}

static void
field_target(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;
	struct word word;

	if (read_text(l, value, &word))
		r->option = value;
	else
		r->faulty = true;
}

static void
field_changed(struct loader *l, const struct node *value, void *object)
{
	read_changed(l, value, &((struct reading *)object)->rule->condition);
}

static void
field_ops(struct loader *l, const struct node *value, void *object)
{
	read_ops(l, value, &((struct reading *)object)->rule->condition);
}

static void
field_where(struct loader *l, const struct node *value, void *object)
{
	read_where(l, value, &((struct reading *)object)->rule->condition);
}

static void
field_own_change_only(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;

	(void)!read_flag(l, value, &r->rule->own_change_only);
}

static void
field_enabled(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;

	(void)!read_flag(l, value, &r->rule->enabled);
}

static const struct field fields[] = {
    {"key", field_kind},
    {"hash", field_kind},
    {"tag", field_kind},
    {"version", field_kind},
    {"fence", field_kind},
    {"pattern", field_kind},
    {"publish", field_kind},
    {"stream", field_kind},
    {"cacheops", field_kind},
    {"field", field_part},
    {"message", field_part},
    {"fields", field_part},
    {"maxlen", field_part},
    {"hold", field_part},
    {"changed", field_changed},
    {"ops", field_ops},
    {"where", field_where},
    {"own_change_only", field_own_change_only},
    {"enabled", field_enabled},
    {"repeat_after", field_repeat_after},
    {"target", field_target},
};

/* A template's faults know their place in it. */
static void
read_template(struct loader *l, const struct node *node, struct spec_rule *rule)
{
	struct pgripple_error err;

	rule->source = node_word(node);
	rule->verbatim = node->verbatim;
	rule->quoted = node->quoted;
	if (template_parse(l->arena, node->text, &rule->template, &err) == 0)
		return;
	rule->template = NULL;
	if (err.kind == PGRIPPLE_ERROR_NOMEM) {
		l->out_of_memory = true;
		return;
	}
	err.at = node_place(node, (size_t)err.at.column);
	pgripple_errors_take(l->errors, &err);
}

/* That hash has a field, and nothing else does, and so on. */
static void
check_part(struct loader *l, const struct reading *r)
{
	static const struct {
		const char *kind;
		const char *part;
		bool required;
	} parts[] = {
	    {"hash", "field", true},
	    {"publish", "message", true},
	    {"stream", "fields", false},
	    {"stream", "maxlen", false},
	    {"fence", "hold", false},
	};
	const char *kind = r->kind->key->text;

	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		if (r->part != NULL &&
		    strcmp(parts[i].part, r->part->key->text) == 0 &&
		    strcmp(parts[i].kind, kind) != 0)
			loader_add(l, r->part->key->at,
			    "\"%s\" belongs to a rule \"%s\", not \"%s\"",
			    parts[i].part, parts[i].kind, kind);
		if (r->part == NULL && parts[i].required &&
		    strcmp(parts[i].kind, kind) == 0)
			loader_add(l, r->kind->key->at,
			    "rule \"%s\" lacks \"%s\"", kind, parts[i].part);
	}
}

static void
check_kind(struct loader *l, struct reading *r)
{
	struct spec_rule *rule = r->rule;
	struct word word;

	if (!find_kind(r->kind->key->text, &rule->kind))
		return;
	check_part(l, r);
	if (rule->kind != PGRIPPLE_RULE_CACHEOPS &&
	    read_text(l, r->kind, &word))
		read_template(l, r->kind, rule);
	if (rule->kind != PGRIPPLE_RULE_KEY)
		loader_add(l, r->kind->key->at,
		    "rule \"%s\" is not supported by this version",
		    r->kind->key->text);
	else if (r->option != NULL && !r->faulty)
		loader_add(l, r->option->key->at,
		    "option \"%s\" is not supported by this version",
		    r->option->key->text);
}

/* "team: {id}" is a map; so is "team:{id}": { ... }.  True if it was told. */
static bool
explain_bare_template(struct loader *l, const struct node *map)
{
	const struct node *first = &map->children[0];
	const char *key = first->key->text;
	struct pgripple_error *e;

	if (map->n_children == 1 && map->flow && first->kind == NODE_NULL) {
		struct word word;

		return !read_text(l, map, &word);
	}
	if (strchr(key, '{') != NULL) {
		e = loader_add(l, first->key->at,
		    "a template cannot be the key of a rule");
		pgripple_error_hint(e,
		    "Write \"- key: %.80s\" and its options in the lines "
		    "below.",
		    key);
		return true;
	}
	if (map->n_children == 1 && first->kind == NODE_MAP && first->flow &&
	    first->n_children == 1 && first->children[0].kind == NODE_NULL &&
	    !is_key_rule_kind(key)) {
		const char *name = first->children[0].key->text;

		e = loader_add(l, first->key->at,
		    "\"%.80s: {%.80s}\" without quotes is a YAML map, not a "
		    "template",
		    key, name);
		pgripple_error_hint(
		    e, "Write \"%.80s:{%.80s}\" in quotes.", key, name);
		return true;
	}
	return false;
}

static void
read_rule_map(struct loader *l, const struct node *node, struct spec_rule *rule)
{
	struct reading r = {.rule = rule};
	size_t n_before = l->errors->n_items;

	if (node->n_children == 0) {
		loader_add(l, node->at, "a rule cannot be empty");
		return;
	}
	if (explain_bare_template(l, node))
		return;
	read_fields(l, node, "a rule", fields, N_ELEMENTS(fields), &r);
	if (r.kind != NULL)
		check_kind(l, &r);
	else if (l->errors->n_items == n_before)
		pgripple_error_hint(
		    loader_add(l, node->at,
			"the rule does not say what to invalidate"),
		    "Give it a \"key\", as in key: \"team:{id}\".");
}

void
rule_read(struct loader *l, const struct node *node, struct spec_rule *rule)
{
	struct word word;

	rule->at = node->at;
	rule->enabled = true;
	rule->condition.ops = UINT32_MAX;
	rule->kind = PGRIPPLE_RULE_KEY;
	if (node->kind == NODE_MAP)
		read_rule_map(l, node, rule);
	else if (node->kind == NODE_NULL)
		loader_add(l, node->at, "a rule cannot be empty");
	else if (read_text(l, node, &word))
		read_template(l, node, rule);
}
