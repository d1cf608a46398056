/*
 * JSON to a tree in an arena.
 *
 * yajl splits the text into tokens and checks the grammar; the callbacks below
 * build the tree.  Two things yajl does not do well are done here, before it:
 * UTF-8 is checked strictly (yajl lets overlong forms pass), and half a
 * surrogate pair is refused (yajl makes it a question mark).
 *
 * And yajl uses what malloc() gave without looking at it.  So its memory comes
 * from here: where there is none, its functions are left by longjmp(), and what
 * it had is freed.
 */
#include "base/json_read.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/arena.h"
#include "base/utf8.h"

#define MAX_DEPTH 16

struct level {
	struct json *parent;
	struct json **tail; /* where the next child goes */
};

/* A piece of yajl's memory, which follows. */
union block {
	struct {
		union block *next;
		union block *before;
	} ring;
	max_align_t alignment;
};

struct reader {
	union block blocks; /* a ring around this one */
	jmp_buf no_block;
	struct arena *arena;
	struct json *root;
	struct level levels[MAX_DEPTH + 1]; /* 0: around the document */
	size_t depth;
	const char *key; /* of the member that comes next */
	size_t key_length;
	bool no_memory;
	bool too_deep;
};

const char *
json_kind_name(enum json_kind kind)
{
	switch (kind) {
	case JSON_NULL:
		return "null";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NUMBER:
		return "number";
	case JSON_STRING:
		return "string";
	case JSON_ARRAY:
		return "array";
	case JSON_OBJECT:
		return "object";
	}
	return "unknown";
}

/* yajl's memory. */

static void *
link_block(struct reader *reader, union block *block)
{
	if (block == NULL)
		longjmp(reader->no_block, 1);
	block->ring.before = &reader->blocks;
	block->ring.next = reader->blocks.ring.next;
	block->ring.next->ring.before = block;
	reader->blocks.ring.next = block;
	return block + 1;
}

static union block *
unlink_block(void *memory)
{
	union block *block = (union block *)memory - 1;

	block->ring.before->ring.next = block->ring.next;
	block->ring.next->ring.before = block->ring.before;
	return block;
}

static void *
give(void *context, size_t size)
{
	return link_block(context, malloc(sizeof(union block) + size));
}

static void
take_back(void *context UNUSED, void *memory)
{
	if (memory != NULL)
		free(unlink_block(memory));
}

static void *
resize(void *context, void *memory, size_t size)
{
	struct reader *reader = context;
	union block *block, *resized;

	if (memory == NULL)
		return give(context, size);
	block = unlink_block(memory);
	resized = realloc(block, sizeof(union block) + size);
	if (resized == NULL)
		free(block);
	return link_block(reader, resized);
}

static void
free_blocks(struct reader *reader)
{
	while (reader->blocks.ring.next != &reader->blocks)
		free(unlink_block(reader->blocks.ring.next + 1));
}

/* Appends a value to where the reader is; NULL when out of memory. */
static struct json *
add(struct reader *reader, enum json_kind kind)
{
	struct level *level = &reader->levels[reader->depth];
	struct json *value = arena_alloc(reader->arena, sizeof(*value));

	if (value == NULL) {
		reader->no_memory = true;
		return NULL;
	}
	value->kind = kind;
	value->key = reader->key;
	value->key_length = reader->key_length;
	reader->key = NULL;
	reader->key_length = 0;
	*level->tail = value;
	level->tail = &value->next;
	if (level->parent != NULL)
		level->parent->n_children++;
	return value;
}

static int
add_text(
    struct reader *reader, enum json_kind kind, const char *text, size_t length)
{
	struct json *value = add(reader, kind);

	if (value == NULL)
		return 0;
	value->text = arena_copy(reader->arena, text, length);
	value->length = length;
	reader->no_memory = value->text == NULL;
	return !reader->no_memory;
}

static int
enter(struct reader *reader, enum json_kind kind)
{
	struct json *value;

	if (reader->depth == MAX_DEPTH) {
		reader->too_deep = true;
		return 0;
	}
	value = add(reader, kind);
	if (value == NULL)
		return 0;
	reader->depth++;
	reader->levels[reader->depth] = (struct level){value, &value->first};
	return 1;
}

static int
on_null(void *reader)
{
	return add(reader, JSON_NULL) != NULL;
}

static int
on_boolean(void *reader, int value)
{
	return add(reader, value ? JSON_TRUE : JSON_FALSE) != NULL;
}

static int
on_number(void *reader, const char *text, size_t length)
{
	return add_text(reader, JSON_NUMBER, text, length);
}

static int
on_string(void *reader, const unsigned char *text, size_t length)
{
	return add_text(reader, JSON_STRING, (const char *)text, length);
}

static int
on_open_object(void *reader)
{
	return enter(reader, JSON_OBJECT);
}

static int
on_key(void *context, const unsigned char *key, size_t length)
{
	struct reader *reader = context;

	reader->key = arena_copy(reader->arena, (const char *)key, length);
	reader->key_length = length;
	reader->no_memory = reader->key == NULL;
	return !reader->no_memory;
}

static int
on_open_array(void *reader)
{
	return enter(reader, JSON_ARRAY);
}

static int
on_close(void *context)
{
	struct reader *reader = context;

	reader->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_open_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close,
    .yajl_start_array = on_open_array,
    .yajl_end_array = on_close,
};

/* The code unit after "\u", or -1. */
static int
unit(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = at[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* Half a surrogate pair, NULL if there is none. */
static const char *
find_half_pair(const char *text, size_t length)
{
	const char *end = text + length;
	const char *at = text;

	while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
		int first = unit(at, end);

		if (first >= 0xdc00 && first <= 0xdfff)
			return at;
		if (first >= 0xd800 && first <= 0xdbff) {
			int second = unit(at + 6, end);

			if (second < 0xdc00 || second > 0xdfff)
				return at;
			at += 6;
		}
		at += 2;
	}
	return NULL;
}

static int
check_text(const char *text, size_t length, struct pgripple_error *err)
{
	const char *half;

	if (!utf8_is_valid(text, length))
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the JSON text is not valid UTF-8");
	half = length == 0 ? NULL : find_half_pair(text, length);
	if (half != NULL)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the JSON text has half a surrogate pair at byte %zu",
		    (size_t)(half - text));
	return 0;
}

/* yajl says "lexical error: invalid char in json text.\n". */
static int
refuse(yajl_handle handle, size_t at, struct pgripple_error *err)
{
	unsigned char *answer = yajl_get_error(handle, 0, NULL, 0);
	const char *reason = (const char *)answer;
	const char *colon = reason == NULL ? NULL : strstr(reason, ": ");
	int n;

	if (colon != NULL)
		reason = colon + 2;
	else if (reason == NULL)
		reason = "bad syntax";
	n = (int)strcspn(reason, ".\n");
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
	    "the text is not valid JSON: %.*s at byte %zu", n, reason, at);
	yajl_free_error(handle, answer);
	return -1;
}

static int
parse(struct reader *reader, yajl_handle handle, const char *text,
    size_t length, struct pgripple_error *err)
{
	yajl_status status =
	    yajl_parse(handle, (const unsigned char *)text, length);
	size_t at = yajl_get_bytes_consumed(handle);

	if (status == yajl_status_ok) {
		status = yajl_complete_parse(handle);
		at = length;
	}
	if (reader->no_memory)
		return pgripple_error_nomem(err);
	if (reader->too_deep)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the JSON text has more than %d levels", MAX_DEPTH);
	if (status != yajl_status_ok)
		return refuse(handle, at, err);
	return 0;
}

/* yajl_free() is not needed: all its memory is in the ring. */
static int
read_text(struct reader *reader, const char *text, size_t length,
    struct pgripple_error *err)
{
	yajl_alloc_funcs memory = {give, resize, take_back, reader};
	yajl_handle handle;

	if (setjmp(reader->no_block) != 0)
		return pgripple_error_nomem(err);
	handle = yajl_alloc(&callbacks, &memory, reader);
	(void)yajl_config(handle, yajl_dont_validate_strings, 1);
	return parse(reader, handle, text, length, err);
}

int
json_read(struct arena *arena, const char *text, size_t length,
    struct json **ret_root, struct pgripple_error *err)
{
	struct reader reader = {.arena = arena};
	int result;

	if (check_text(text, length, err) != 0)
		return -1;
	reader.levels[0].tail = &reader.root;
	reader.blocks.ring.next = reader.blocks.ring.before = &reader.blocks;
	result = read_text(&reader, text, length, err);
	free_blocks(&reader);
	if (result == 0)
		*ret_root = reader.root;
	return result;
}

const struct json *
json_member(const struct json *object, const char *key)
{
	size_t length = strlen(key);

	if (object == NULL || object->kind != JSON_OBJECT)
		return NULL;
	for (const struct json *at = object->first; at != NULL; at = at->next)
		if (at->key_length == length &&
		    memcmp(at->key, key, length) == 0)
			return at;
	return NULL;
}

bool
json_is(const struct json *string, const char *text)
{
	size_t length = strlen(text);

	return string != NULL && string->kind == JSON_STRING &&
	       string->length == length &&
	       memcmp(string->text, text, length) == 0;
}

const char *
json_text(const struct json *object, const char *key)
{
	const struct json *member = json_member(object, key);

	return member != NULL && (member->kind == JSON_STRING ||
				     member->kind == JSON_NUMBER)
		   ? member->text
		   : "";
}

int64_t
json_int(const struct json *object, const char *key)
{
	return strtoll(json_text(object, key), NULL, 10);
}

bool
json_is_true(const struct json *object, const char *key)
{
	const struct json *member = json_member(object, key);

	return member != NULL && member->kind == JSON_TRUE;
}
