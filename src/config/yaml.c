/*
 * YAML to nodes, over libyaml's event interface: the depth is looked at with
 * every event, because libyaml bounds none, and its own document loader takes
 * aliases, tags and duplicate keys without a word.
 *
 * Faults after which the rest still makes sense are added and the reading goes
 * on; the first fault of syntax ends it.
 */
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/map.h"
#include "config/yaml_source.h"

struct reader {
	struct arena *arena;
	struct pgripple_errors *errors;
	struct yaml_source source;
	yaml_parser_t parser;
	yaml_event_t event; /* the one at hand */
	size_t n_nodes;
	bool faulty; /* errors were added */
	bool hollow; /* what is left of the document would mislead */
	size_t hidden; /* offset of the last comment that hides text, or 0 */
};

static int
fail_nomem(struct reader *r)
{
	struct pgripple_error err;

	(void)pgripple_error_nomem(&err);
	pgripple_errors_take(r->errors, &err);
	return -1;
}

static struct pgripple_position
position(const struct reader *r)
{
	return yaml_source_position(&r->source, &r->event.start_mark);
}

/* The next event, into r->event.  -1: a fault, which was added. */
static int
next(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->parser, &r->event))
		return 0;
	if (r->parser.error == YAML_MEMORY_ERROR)
		return fail_nomem(r);
	/* A bracket that closes behind a "#" is a consequence. */
	if (r->hidden == 0 ||
	    yaml_source_offset(&r->source, &r->parser.context_mark) > r->hidden)
		yaml_explain(&r->source, &r->parser, r->errors);
	return -1;
}

static void
refuse_anchor(struct reader *r, const yaml_char_t *anchor)
{
	if (anchor == NULL)
		return;
	r->faulty = true;
	pgripple_error_hint(pgripple_errors_add(r->errors, position(r),
				"YAML anchor \"&%.80s\" is not supported",
				(const char *)anchor),
	    "Write the value out, or put text that begins with \"&\" in "
	    "quotes.");
}

static void
refuse_tag(struct reader *r, const yaml_char_t *tag)
{
	static const char standard[] = "tag:yaml.org,2002:";
	const char *name = (const char *)tag, *sigil = "";

	if (tag == NULL)
		return;
	if (strncmp(name, standard, strlen(standard)) == 0) {
		name += strlen(standard);
		sigil = "!!";
	}
	r->faulty = true;
	pgripple_error_hint(
	    pgripple_errors_add(r->errors, position(r),
		"YAML tag \"%s%.80s\" is not supported", sigil, name),
	    "Remove it, or put text that begins with \"!\" in quotes.");
}

static void
refuse_alias(struct reader *r)
{
	const char *name = (const char *)r->event.data.alias.anchor;

	r->faulty = true;
	r->hollow = true;
	pgripple_error_hint(pgripple_errors_add(r->errors, position(r),
				"YAML alias \"*%.80s\" is not supported", name),
	    "Write the value out, or put text that begins with \"*\" in "
	    "quotes.");
}

/* "key: team #{id}": what follows the "#" is a comment, and the key is lost.
 * A "#" at once followed by text with a brace is no comment that anybody
 * meant. */
static void
refuse_hidden_text(struct reader *r)
{
	size_t start = yaml_source_offset(&r->source, &r->event.start_mark);
	size_t end = yaml_source_offset(&r->source, &r->event.end_mark);
	size_t n, hash;
	const char *line =
	    yaml_source_line(&r->source, r->event.end_mark.line, &n);
	size_t line_end = (size_t)(line - r->source.text) + n;

	if (r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
	    r->event.end_mark.line >= r->source.n_lines || start == end)
		return;
	for (hash = end; hash < line_end && r->source.text[hash] == ' '; hash++)
		;
	if (hash == end || hash + 1 >= line_end ||
	    r->source.text[hash] != '#' || r->source.text[hash + 1] == ' ' ||
	    memchr(r->source.text + hash, '{', line_end - hash) == NULL)
		return;
	n = hash + 1;
	while (n < line_end && strchr(" ,]", r->source.text[n]) == NULL)
		n++;
	r->faulty = true;
	r->hidden = hash;
	pgripple_error_hint(
	    pgripple_errors_add(r->errors, yaml_source_place(&r->source, hash),
		"\"%.*s\" is lost: a \"#\" after a space begins a comment",
		(int)(n - hash), r->source.text + hash),
	    "Put the whole text in quotes: \"%.*s\".", (int)(n - start),
	    r->source.text + start);
}

static bool
is_null(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (*text == '\0' || strcmp(text, "~") == 0 ||
		   strcmp(text, "null") == 0);
}

/* True if the text stands in the file just so, from the scalar's column (plus
 * one for a quote) on: then a place in the text is a place in the file. */
static bool
stands_verbatim(const struct reader *r, const struct node *node, size_t length)
{
	size_t start = yaml_source_offset(&r->source, &r->event.start_mark);
	yaml_scalar_style_t style = r->event.data.scalar.style;

	if (style != YAML_PLAIN_SCALAR_STYLE &&
	    style != YAML_SINGLE_QUOTED_SCALAR_STYLE &&
	    style != YAML_DOUBLE_QUOTED_SCALAR_STYLE)
		return false;
	start += node->quoted;
	return start + length <= r->source.length &&
	       memcmp(r->source.text + start, node->text, length) == 0;
}

static int
read_scalar(struct reader *r, struct node *node)
{
	const char *text = (const char *)r->event.data.scalar.value;
	size_t length = r->event.data.scalar.length;

	refuse_anchor(r, r->event.data.scalar.anchor);
	refuse_tag(r, r->event.data.scalar.tag);
	refuse_hidden_text(r);
	if (memchr(text, '\0', length) != NULL) {
		r->faulty = true;
		pgripple_errors_add(r->errors, position(r),
		    "text cannot contain a NUL character");
	}
	node->kind = is_null(&r->event) ? NODE_NULL : NODE_SCALAR;
	node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = arena_copy(r->arena, text, length);
	if (node->text == NULL)
		return fail_nomem(r);
	node->verbatim = stands_verbatim(r, node, length);
	return 0;
}

static int read_node(struct reader *r, struct node *node, int depth);

/* Room for one more child at the end.  NULL: out of memory. */
static struct node *
add_child(struct reader *r, struct node *parent, size_t *capacity)
{
	if (parent->n_children == *capacity) {
		size_t n = *capacity == 0 ? 4 : *capacity * 2;
		struct node *children =
		    arena_array(r->arena, n, sizeof(*children));

		if (children == NULL)
			return NULL;
		if (parent->n_children > 0)
			memcpy(children, parent->children,
			    parent->n_children * sizeof(*children));
		parent->children = children;
		*capacity = n;
	}
	parent->children[parent->n_children] = (struct node){0};
	return &parent->children[parent->n_children++];
}

static int
read_list(struct reader *r, struct node *node, int depth)
{
	size_t capacity = 0;

	for (;;) {
		struct node *child;

		if (next(r) != 0)
			return -1;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		child = add_child(r, node, &capacity);
		if (child == NULL)
			return fail_nomem(r);
		if (read_node(r, child, depth) != 0)
			return -1;
	}
}

/* True if the entry of this key is to be kept. */
static bool
accept_key(struct reader *r, struct node *key, struct map *seen)
{
	const struct node *first;

	if (key->kind == NODE_LIST || key->kind == NODE_MAP) {
		r->faulty = r->hollow = true;
		pgripple_error_hint(pgripple_errors_add(r->errors, key->at,
					"a key must be text, not %s",
					node_kind_name(key->kind)),
		    "Put text with brackets or braces in quotes.");
		return false;
	}
	if (key->kind == NODE_NULL && *key->text == '\0') {
		r->faulty = r->hollow = true;
		pgripple_errors_add(
		    r->errors, key->at, "there is no key before the colon");
		return false;
	}
	key->kind = NODE_SCALAR;
	if (strcmp(key->text, "<<") == 0 && !key->quoted) {
		r->faulty = r->hollow = true;
		pgripple_error_hint(
		    pgripple_errors_add(r->errors, key->at,
			"YAML merge key \"<<\" is not supported"),
		    "Write the entries out.");
		return false;
	}
	first = map_get(seen, key->text, strlen(key->text));
	if (first != NULL) {
		r->faulty = true;
		pgripple_error_hint(pgripple_errors_add(r->errors, key->at,
					"duplicate key \"%.80s\"", key->text),
		    "It was first given at line %d.", first->at.line);
		return false;
	}
	return true;
}

static int
read_entries(struct reader *r, struct node *node, int depth, struct map *seen)
{
	size_t capacity = 0;

	for (;;) {
		struct node *key, *value, dropped = {0};
		void **place;

		if (next(r) != 0)
			return -1;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		key = arena_alloc(r->arena, sizeof(*key));
		if (key == NULL)
			return fail_nomem(r);
		if (read_node(r, key, depth) != 0)
			return -1;
		value = &dropped;
		if (accept_key(r, key, seen)) {
			value = add_child(r, node, &capacity);
			place = map_put(seen, key->text, strlen(key->text));
			if (value == NULL || place == NULL)
				return fail_nomem(r);
			*place = key;
		}
		if (next(r) != 0 || read_node(r, value, depth) != 0)
			return -1;
		value->key = key;
	}
}

static void
free_seen(struct map *seen)
{
	map_done(seen);
}

static int
read_map(struct reader *r, struct node *node, int depth)
{
	CLEANUP(free_seen) struct map seen = MAP_INIT;

	return read_entries(r, node, depth, &seen);
}

static int
read_collection(struct reader *r, struct node *node, int depth)
{
	bool is_list = r->event.type == YAML_SEQUENCE_START_EVENT;

	if (depth == YAML_MAX_DEPTH) {
		pgripple_errors_add(r->errors, position(r),
		    "nested deeper than %d levels", YAML_MAX_DEPTH);
		return -1;
	}
	if (is_list) {
		refuse_anchor(r, r->event.data.sequence_start.anchor);
		refuse_tag(r, r->event.data.sequence_start.tag);
		node->kind = NODE_LIST;
		node->flow = r->event.data.sequence_start.style ==
			     YAML_FLOW_SEQUENCE_STYLE;
		return read_list(r, node, depth + 1);
	}
	refuse_anchor(r, r->event.data.mapping_start.anchor);
	refuse_tag(r, r->event.data.mapping_start.tag);
	node->kind = NODE_MAP;
	node->flow =
	    r->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	return read_map(r, node, depth + 1);
}

/* Reads the node that begins with the event at hand. */
static int
read_node(struct reader *r, struct node *node, int depth)
{
	node->at = position(r);
	if (++r->n_nodes > YAML_MAX_NODES) {
		pgripple_errors_add(r->errors, node->at,
		    "the file has more than %d values", YAML_MAX_NODES);
		return -1;
	}
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, node);
	case YAML_ALIAS_EVENT:
		refuse_alias(r);
		node->kind = NODE_SCALAR;
		node->text = "*";
		return 0;
	default:
		return read_collection(r, node, depth);
	}
}

/* Stream start, document start, the root, and nothing behind it. */
static int
read_document(struct reader *r, struct node *root)
{
	if (next(r) != 0 || next(r) != 0)
		return -1;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		pgripple_errors_add(r->errors,
		    (struct pgripple_position){r->source.file, 1, 1},
		    "the file is empty");
		return -1;
	}
	if (next(r) != 0 || read_node(r, root, 0) != 0)
		return -1;
	if (next(r) != 0 || next(r) != 0)
		return -1;
	if (r->event.type != YAML_STREAM_END_EVENT) {
		r->faulty = true;
		pgripple_error_hint(pgripple_errors_add(r->errors, position(r),
					"a second document begins here"),
		    "One file holds one document: remove the \"---\" line.");
	}
	return 0;
}

int
yaml_parse(struct arena *arena, const char *file, const char *text,
    size_t length, struct pgripple_errors *errors, struct node **ret_root)
{
	struct reader r = {.arena = arena, .errors = errors};
	struct node *root = arena_alloc(arena, sizeof(*root));
	int rc;

	*ret_root = NULL;
	if (root == NULL ||
	    yaml_source_init(&r.source, arena, file, text, length) != 0)
		return fail_nomem(&r);
	if (yaml_source_check(&r.source, errors) != 0)
		return -1;
	if (!yaml_parser_initialize(&r.parser))
		return fail_nomem(&r);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &r.parser, (const unsigned char *)r.source.text, r.source.length);
	rc = read_document(&r, root);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	if (rc == 0 && !r.hollow)
		*ret_root = root;
	return rc == 0 && !r.faulty ? 0 : -1;
}

static int
fail_file(struct pgripple_errors *errors, const char *path, const char *verb,
    const char *reason)
{
	pgripple_errors_add(errors, (struct pgripple_position){path, 0, 0},
	    "could not %s \"%s\": %s", verb, path, reason);
	return -1;
}

static int
distrust(struct pgripple_errors *errors, const char *path)
{
	struct pgripple_error *err =
	    pgripple_errors_add(errors, (struct pgripple_position){path, 0, 0},
		"cannot trust \"%s\": everybody may write to it", path);

	if (err != NULL)
		pgripple_error_hint(err, "Run \"chmod o-w %s\".", path);
	return -1;
}

/* Reads up to one byte more than is allowed: then it is too big. */
static int
read_file(struct arena *arena, int fd, const char *path,
    struct pgripple_errors *errors, char **ret_text, size_t *ret_length)
{
	struct stat st;
	size_t size, n = 0;
	char *text;

	if (fstat(fd, &st) != 0)
		return fail_file(errors, path, "read", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fail_file(errors, path, "read", "it is a directory");
	if (S_ISREG(st.st_mode) && (st.st_mode & S_IWOTH) != 0)
		return distrust(errors, path);
	if (S_ISREG(st.st_mode) && (size_t)st.st_size <= YAML_MAX_BYTES)
		size = (size_t)st.st_size + 1;
	else
		size = YAML_MAX_BYTES + 4;
	text = arena_alloc(arena, size);
	if (text == NULL)
		return fail_file(errors, path, "read", "out of memory");
	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_file(errors, path, "read", strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_text = text;
	*ret_length = n;
	return 0;
}

int
yaml_load(struct arena *arena, const char *path, struct pgripple_errors *errors,
    struct node **ret_root)
{
	char *text = NULL;
	size_t length = 0;
	int fd, rc;

	*ret_root = NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail_file(errors, path, "open", strerror(errno));
	rc = read_file(arena, fd, path, errors, &text, &length);
	(void)close(fd); /* nothing was written */
	if (rc != 0)
		return -1;
	return yaml_parse(arena, path, text, length, errors, ret_root);
}
