/*
 * Operations as JSON.
 */
#include "core/operation.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_read.h"
#include "base/json_write.h"

static void
print_members(struct buf *buf, const struct pgripple_operation *operation)
{
	bool scans = operation->kind == PGRIPPLE_OPERATION_SCAN;

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
}

static void
print_target(struct buf *buf, const char *target)
{
	if (strcmp(target, PGRIPPLE_DEFAULT_TARGET) != 0)
		json_write_member(buf, "target", target);
}

static void
print_repeat(struct buf *buf, const struct operation_repeat *repeat)
{
	if (repeat->after_ms == 0)
		return;
	if (repeat->after_ms == PGRIPPLE_REPEAT_REPLICAS)
		json_write_member(buf, "repeat", "replicas");
	else
		json_write_member_int(buf, "repeat", repeat->after_ms);
	if (repeat->slot != 0)
		json_write_member_int(buf, "slot", repeat->slot);
}

void
operation_print(struct buf *buf, const struct pgripple_operation *operation,
    const char *target)
{
	json_write_open(buf, '{');
	print_members(buf, operation);
	print_target(buf, target);
	json_write_close(buf, '}');
}

void
operation_print_repeat(struct buf *buf,
    const struct pgripple_operation *operation,
    const struct operation_repeat *repeat)
{
	json_write_open(buf, '{');
	print_repeat(buf, repeat);
	print_members(buf, operation);
	print_target(buf, repeat->target);
	json_write_close(buf, '}');
}

void
operation_open_list(struct buf *buf)
{
	json_write_open(buf, '{');
	json_write_key(buf, "all");
	json_write_open(buf, '[');
}

void
operation_add_to_list(
    struct buf *buf, const struct pgripple_operation *operation)
{
	json_write_open(buf, '{');
	print_members(buf, operation);
	json_write_close(buf, '}');
}

void
operation_close_list(struct buf *buf, const struct operation_repeat *repeat)
{
	json_write_close(buf, ']');
	print_repeat(buf, repeat);
	print_target(buf, repeat->target);
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

static int
refuse(struct pgripple_error *err)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
	    "the operation is none that this version knows");
}

static const char *
read_target(const struct json *root)
{
	const struct json *target = json_member(root, "target");

	return target != NULL && target->kind == JSON_STRING
		   ? target->text
		   : PGRIPPLE_DEFAULT_TARGET;
}

static int
read_one(struct arena *arena, const struct json *root,
    struct pgripple_operation *ret_operation, struct pgripple_error *err)
{
	struct pgripple_operation operation = {0};
	int status;

	status = read_members(root, &operation)
		     ? read_values(
			   arena, json_member(root, "values"), &operation, err)
		     : 1;
	if (status < 0)
		return -1;
	if (status > 0 || !has_its_values(&operation))
		return refuse(err);
	*ret_operation = operation;
	return 0;
}

int
operation_read(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation *ret_operation, const char **ret_target,
    struct pgripple_error *err)
{
	struct json *root;

	if (json_read(arena, json, length, &root, err) < 0)
		return -1;
	if (read_one(arena, root, ret_operation, err) < 0)
		return -1;
	*ret_target = read_target(root);
	return 0;
}

/* In the order in which they are done, and nothing long among them. */
static int
read_list(struct arena *arena, const struct json *list,
    struct pgripple_operation *operations, struct pgripple_error *err)
{
	enum pgripple_operation_kind last = 0;
	size_t n = 0;

	for (const struct json *child = list->first; child != NULL;
	     child = child->next) {
		if (read_one(arena, child, &operations[n], err) < 0)
			return -1;
		if (operations[n].kind < last ||
		    operations[n].kind >= PGRIPPLE_OPERATION_SCAN)
			return refuse(err);
		last = operations[n++].kind;
	}
	return n > 0 ? 0 : refuse(err);
}

int
operation_read_all(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation **ret_operations, size_t *ret_n,
    const char **ret_target, struct pgripple_error *err)
{
	struct pgripple_operation *operations;
	const struct json *list;
	struct json *root;
	bool is_list;
	size_t n;

	if (json_read(arena, json, length, &root, err) < 0)
		return -1;
	list = json_member(root, "all");
	is_list = list != NULL && list->kind == JSON_ARRAY;
	n = is_list ? list->n_children : 1;
	operations = arena_array(arena, n, sizeof(*operations));
	if (operations == NULL)
		return pgripple_error_nomem(err);
	if ((is_list ? read_list(arena, list, operations, err)
		     : read_one(arena, root, operations, err)) < 0)
		return -1;
	*ret_operations = operations;
	*ret_n = n;
	*ret_target = read_target(root);
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
