/*
 * Operations as JSON.
 */
#include "core/operation.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_read.h"
#include "base/json_write.h"

void
operation_print(struct buf *buf, const struct pgripple_operation *operation,
    const char *target)
{
	bool scans = operation->kind == PGRIPPLE_OPERATION_SCAN;

	json_write_open(buf, '{');
	json_write_member(
	    buf, "do", pgripple_operation_kind_name(operation->kind));
	json_write_key(buf, scans ? "pattern" : "key");
	json_write_string(buf, operation->key, operation->key_length);
	if (scans && operation->each != PGRIPPLE_OPERATION_UNLINK)
		json_write_member(
		    buf, "each", pgripple_operation_kind_name(operation->each));
	if (operation->n_values > 0) {
		json_write_key(buf, "values");
		json_write_open(buf, '[');
		for (size_t i = 0; i < operation->n_values; i++)
			json_write_string(buf, operation->values[i].bytes,
			    operation->values[i].length);
		json_write_close(buf, ']');
	}
	if (operation->kind == PGRIPPLE_OPERATION_FENCE ||
	    operation->kind == PGRIPPLE_OPERATION_STREAM)
		json_write_member_int(buf, "number", operation->number);
	if (strcmp(target, PGRIPPLE_DEFAULT_TARGET) != 0)
		json_write_member(buf, "target", target);
	json_write_close(buf, '}');
}

static bool
read_kind(const struct json *name, enum pgripple_operation_kind *ret_kind)
{
	for (int i = 0; name != NULL && i < PGRIPPLE_OPERATION_KINDS; i++)
		if (json_is(name, pgripple_operation_kind_name(
				      (enum pgripple_operation_kind)i))) {
			*ret_kind = (enum pgripple_operation_kind)i;
			return true;
		}
	return false;
}

/* 1: they are no texts. */
static int
read_values(struct arena *arena, const struct json *list,
    struct pgripple_operation *operation, struct pgripple_error *err)
{
	struct pgripple_bytes *values;

	if (list == NULL)
		return 0;
	if (list->kind != JSON_ARRAY)
		return 1;
	values = arena_array(arena, list->n_children, sizeof(*values));
	if (values == NULL)
		return pgripple_error_nomem(err);
	for (const struct json *child = list->first; child != NULL;
	     child = child->next) {
		if (child->kind != JSON_STRING)
			return 1;
		values[operation->n_values++] =
		    (struct pgripple_bytes){child->text, child->length};
	}
	operation->values = values;
	return 0;
}

static bool
has_its_values(const struct pgripple_operation *operation)
{
	switch (operation->kind) {
	case PGRIPPLE_OPERATION_HDEL:
	case PGRIPPLE_OPERATION_PUBLISH:
		return operation->n_values == 1;
	case PGRIPPLE_OPERATION_STREAM:
		return operation->n_values > 0 && operation->n_values % 2 == 0;
	case PGRIPPLE_OPERATION_FENCE:
		return operation->n_values == 0 && operation->number > 0;
	case PGRIPPLE_OPERATION_SCAN:
		return operation->n_values == 0 &&
		       (operation->each == PGRIPPLE_OPERATION_UNLINK ||
			   operation->each == PGRIPPLE_OPERATION_VERSION ||
			   operation->each == PGRIPPLE_OPERATION_DRAIN ||
			   operation->each == PGRIPPLE_OPERATION_CONJ);
	case PGRIPPLE_OPERATION_CACHEOPS:
		return operation->n_values >= PGRIPPLE_CACHEOPS_CELLS;
	case PGRIPPLE_OPERATION_UNLINK:
	case PGRIPPLE_OPERATION_VERSION:
	case PGRIPPLE_OPERATION_TAG:
	case PGRIPPLE_OPERATION_DRAIN:
	case PGRIPPLE_OPERATION_CONJ:
		return operation->n_values == 0;
	}
	return false;
}

static bool
read_members(const struct json *root, struct pgripple_operation *operation)
{
	const struct json *each = json_member(root, "each");
	const struct json *number = json_member(root, "number");
	const struct json *key;

	operation->each = PGRIPPLE_OPERATION_UNLINK;
	if (!read_kind(json_member(root, "do"), &operation->kind) ||
	    (each != NULL && !read_kind(each, &operation->each)))
		return false;
	key = json_member(root,
	    operation->kind == PGRIPPLE_OPERATION_SCAN ? "pattern" : "key");
	if (key == NULL || key->kind != JSON_STRING || key->length == 0)
		return false;
	operation->key = key->text;
	operation->key_length = key->length;
	if (number != NULL && number->kind == JSON_NUMBER)
		operation->number = strtoll(number->text, NULL, 10);
	return true;
}

int
operation_read(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation *ret_operation, const char **ret_target,
    struct pgripple_error *err)
{
	struct pgripple_operation operation = {0};
	const struct json *target;
	struct json *root;
	int status;

	if (json_read(arena, json, length, &root, err) < 0)
		return -1;
	status = read_members(root, &operation)
		     ? read_values(
			   arena, json_member(root, "values"), &operation, err)
		     : 1;
	if (status < 0)
		return -1;
	if (status > 0 || !has_its_values(&operation))
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the operation is none that this version knows");
	target = json_member(root, "target");
	*ret_operation = operation;
	*ret_target = target != NULL && target->kind == JSON_STRING
			  ? target->text
			  : PGRIPPLE_DEFAULT_TARGET;
	return 0;
}

static bool
same_bytes(const char *a, size_t n_a, const char *b, size_t n_b)
{
	return n_a == n_b && memcmp(a, b, n_a) == 0;
}

bool
operation_equals(
    const struct pgripple_operation *a, const struct pgripple_operation *b)
{
	if (a->kind != b->kind || a->each != b->each ||
	    a->target != b->target || a->n_values != b->n_values ||
	    !same_bytes(a->key, a->key_length, b->key, b->key_length))
		return false;
	for (size_t i = 0; i < a->n_values; i++)
		if (!same_bytes(a->values[i].bytes, a->values[i].length,
			b->values[i].bytes, b->values[i].length))
			return false;
	return true;
}
