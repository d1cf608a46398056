/*
 * The shape of rules.
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/buf.h"
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

#define DEFAULT_HOLD_MS 10000
#define MAX_REPEAT_MS (INT64_C(24) * 3600 * 1000)

/* What a rule map says, until all of it was read. */
struct reading {
	struct spec_rule *rule;
	const struct node *kind; /* the entry that names the kind */
	const struct node *field; /* each NULL if it is not there */
	const struct node *message;
	const struct node *fields;
	const struct node *maxlen;
	const struct node *hold;
	bool faulty;
};

/* What rules of one kind have beside what all have. */
static const struct part {
	const char *name;
	enum pgripple_rule_kind kind;
	bool required;
	size_t at; /* in struct reading */
} parts[] = {
    {"field", PGRIPPLE_RULE_HASH, true, offsetof(struct reading, field)},
    {"message", PGRIPPLE_RULE_PUBLISH, true, offsetof(struct reading, message)},
    {"fields", PGRIPPLE_RULE_STREAM, false, offsetof(struct reading, fields)},
    {"maxlen", PGRIPPLE_RULE_STREAM, false, offsetof(struct reading, maxlen)},
    {"hold", PGRIPPLE_RULE_FENCE, false, offsetof(struct reading, hold)},
};

static const struct node **
part_of(struct reading *r, const struct part *part)
{
	return (const struct node **)(void *)((char *)r + part->at);
}

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
field_part(struct loader *l UNUSED, const struct node *value, void *object)
{
	for (size_t i = 0; i < N_ELEMENTS(parts); i++)
		if (strcmp(parts[i].name, value->key->text) == 0)
			*part_of(object, &parts[i]) = value;
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
	if (strcmp(word.text, "replicas") == 0) {
		r->rule->repeat_ms = PGRIPPLE_REPEAT_REPLICAS;
		return;
	}
	if (unit_parse_duration(word.text, &ms) && ms > 0 &&
	    ms <= MAX_REPEAT_MS) {
		r->rule->repeat_ms = ms;
		return;
	}
	r->faulty = true;
	pgripple_error_hint(
	    loader_add(l, word.at,
		"\"repeat_after\" must be a duration or \"replicas\", not "
		"\"%.80s\"",
		word.text),
	    "Write a number with a unit, up to 24h: 250ms, 5s, 2m.");
}

static void
field_target(struct loader *l, const struct node *value, void *object)
{
	struct reading *r = object;

	if (!read_text(l, value, &r->rule->target))
		r->rule->target = (struct word){0};
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

void
read_template(
    struct loader *l, const struct node *node, struct spec_template *ret)
{
	struct pgripple_error err;

	ret->source = node_word(node);
	ret->verbatim = node->verbatim;
	ret->quoted = node->quoted;
	if (template_parse(l->arena, node->text, &ret->template, &err) == 0)
		return;
	ret->template = NULL;
	if (err.kind == PGRIPPLE_ERROR_NOMEM) {
		l->out_of_memory = true;
		return;
	}
	err.at = node_place(node, (size_t)err.at.column);
	pgripple_errors_take(l->errors, &err);
}

static struct spec_part *
add_part(struct loader *l, struct spec_rule *rule, const char *name)
{
	struct spec_part *part = &rule->parts[rule->n_parts];

	if (name != NULL) {
		part->name = arena_strdup(l->arena, name);
		if (part->name == NULL) {
			l->out_of_memory = true;
			return NULL;
		}
	}
	rule->n_parts++;
	return part;
}

static void
read_part(struct loader *l, const struct node *node, const char *name,
    struct spec_rule *rule)
{
	struct spec_part *part;
	struct word word;

	if (!read_text(l, node, &word))
		return;
	part = add_part(l, rule, name);
	if (part != NULL)
		read_template(l, node, &part->value);
}

/* A column alone is short for {"column"} under its own name. */
static void
read_column_part(
    struct loader *l, const struct word *column, struct spec_rule *rule)
{
	CLEANUP(buf_done) struct buf source = BUF_INIT;
	struct spec_part *part = add_part(l, rule, column->text);
	struct pgripple_error err;

	if (part == NULL)
		return;
	buf_add_string(&source, "{\"");
	for (const char *c = column->text; *c != '\0'; c++) {
		if (*c == '"')
			buf_add_char(&source, '"');
		buf_add_char(&source, *c);
	}
	buf_add_string(&source, "\"}");
	part->value.source = *column;
	if (source.failed || template_parse(l->arena, source.bytes,
				 &part->value.template, &err) < 0)
		l->out_of_memory = true; /* there is nothing else to fail */
}

/* What every entry of a stream begins with, see plan.c. */
static bool
is_taken(struct loader *l, const struct word *name)
{
	if (strcmp(name->text, "model") != 0 &&
	    strcmp(name->text, "whole") != 0)
		return false;
	pgripple_error_hint(loader_add(l, name->at,
				"a stream's field cannot have the name "
				"\"%s\", which is one of pgripple's own",
				name->text),
	    "Give it another one: fields: { its_%s: \"{%s}\" }.", name->text,
	    name->text);
	return true;
}

static void
read_stream_fields(
    struct loader *l, const struct node *node, struct spec_rule *rule)
{
	struct words words;

	if (node->kind == NODE_MAP) {
		for (size_t i = 0; i < node->n_children; i++) {
			const struct node *child = &node->children[i];
			struct word name = node_word(child->key);

			if (!is_taken(l, &name))
				read_part(l, child, name.text, rule);
		}
	} else if (node->kind != NODE_LIST) {
		pgripple_error_hint(loader_add(l, node->at,
					"\"fields\" must be a list or a map"),
		    "Write [column, column] or { name: \"{column}\" }.");
	} else if (read_words(l, node, &words)) {
		for (size_t i = 0; i < words.n; i++)
			if (*words.items[i].text != '\0' &&
			    !is_taken(l, &words.items[i]))
				read_column_part(l, &words.items[i], rule);
	}
}

static void
read_maxlen(struct loader *l, const struct node *node, struct spec_rule *rule)
{
	struct word word;

	if (read_text(l, node, &word) &&
	    (!unit_parse_count(word.text, &rule->number) || rule->number < 1))
		loader_add(l, word.at,
		    "\"maxlen\" must be a number, not \"%.80s\"", word.text);
}

static void
read_hold(struct loader *l, const struct node *node, struct spec_rule *rule)
{
	struct word word;

	if (read_text(l, node, &word) &&
	    (!unit_parse_duration(word.text, &rule->number) ||
		rule->number < 1))
		pgripple_error_hint(
		    loader_add(l, word.at,
			"\"hold\" must be a duration, not \"%.80s\"",
			word.text),
		    "Write a number with a unit: 250ms, 5s, 2m or 1h.");
}

/* That hash has a field, and nothing else does, and so on. */
static bool
check_parts(struct loader *l, struct reading *r)
{
	const char *kind = r->kind->key->text;
	bool is_right = true;

	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		const struct node *node = *part_of(r, &parts[i]);

		if (node != NULL && parts[i].kind != r->rule->kind) {
			loader_add(l, node->key->at,
			    "\"%s\" belongs to a rule \"%s\", not \"%s\"",
			    parts[i].name,
			    pgripple_rule_kind_name(parts[i].kind), kind);
			is_right = false;
		} else if (node == NULL && parts[i].required &&
			   parts[i].kind == r->rule->kind) {
			loader_add(l, r->kind->key->at,
			    "rule \"%s\" lacks \"%s\"", kind, parts[i].name);
			is_right = false;
		}
	}
	return is_right;
}

static void
read_parts(struct loader *l, const struct reading *r)
{
	struct spec_rule *rule = r->rule;
	size_t n = r->fields != NULL ? r->fields->n_children : 0;

	rule->parts = loader_array(l, n + 1, sizeof(*rule->parts));
	if (rule->parts == NULL)
		return;
	if (rule->kind == PGRIPPLE_RULE_FENCE)
		rule->number = DEFAULT_HOLD_MS;
	if (r->field != NULL)
		read_part(l, r->field, NULL, rule);
	if (r->message != NULL)
		read_part(l, r->message, NULL, rule);
	if (r->fields != NULL)
		read_stream_fields(l, r->fields, rule);
	if (r->maxlen != NULL)
		read_maxlen(l, r->maxlen, rule);
	if (r->hold != NULL)
		read_hold(l, r->hold, rule);
}

static void
check_kind(struct loader *l, struct reading *r)
{
	struct spec_rule *rule = r->rule;
	struct word word;

	if (!find_kind(r->kind->key->text, &rule->kind))
		return;
	if (check_parts(l, r))
		read_parts(l, r);
	if (rule->kind == PGRIPPLE_RULE_CACHEOPS)
		read_cacheops(l, r->kind, rule);
	else if (read_text(l, r->kind, &word))
		read_template(l, r->kind, &rule->key);
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
		read_template(l, node, &rule->key);
}
