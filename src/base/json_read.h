/*
 * JSON to a tree in an arena.  Numbers keep their text, every digit of it.
 * The only user of the JSON library (yajl; docs/design.md says why).
 */
#ifndef PGRIPPLE_BASE_JSON_READ_H
#define PGRIPPLE_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <stdint.h>

#include "base/util.h"

struct arena;

enum json_kind {
	JSON_NULL,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json {
	enum json_kind kind;
	const char *text; /* NUMBER, STRING: terminated; may hold NUL inside */
	size_t length;
	size_t n_children;
	struct json *first;
	struct json *next; /* the next child of the parent */
	const char *key; /* in an OBJECT */
	size_t key_length;
};

const char *json_kind_name(enum json_kind kind);

/* Parses one document of at most 16 levels.  INPUT error if it is not valid,
 * NOMEM if memory ran out.  Everything is copied to the arena. */
int json_read(struct arena *arena, const char *text, size_t length,
    struct json **ret_root, struct pgripple_error *err) MUST_CHECK;

/* The member of an object, NULL if there is none or if it is no object; NULL
 * is none. */
const struct json *json_member(const struct json *object, const char *key);
/* Whether it is that string; NULL is none. */
bool json_is(const struct json *string, const char *text);
/* A member's text, as STRING or NUMBER; "" if there is none. */
const char *json_text(const struct json *object, const char *key);
/* A member as a number; 0 if it is none. */
int64_t json_int(const struct json *object, const char *key);
bool json_is_true(const struct json *object, const char *key);

#endif
