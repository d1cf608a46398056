/*
 * Decoding changes: the JSON of an outbox row to rows of captured columns.
 */
#include <pgripple/change.h>

#include <string.h>

#include "base/arena.h"
#include "base/ident.h"
#include "base/json_read.h"

/* The pong, with every byte of the key as "\\u00XX", must fit a NOTIFY, whose
 * payload ends at 8,000 bytes. */
#define MAX_PING_KEY 1000

struct decoder {
	struct arena *arena;
	const struct pgripple_table *table;
	struct pgripple_columns unknown; /* in at least one image */
	struct pgripple_error *err;
};

/* JSON members come in the same order in every image, so that the column
 * after the last one found is nearly always the one. */
static bool
find_column(const struct pgripple_table *table, const struct json *member,
    size_t *column)
{
	for (size_t i = 0; i < table->n_columns; i++) {
		size_t candidate = (*column + 1 + i) % table->n_columns;
		const char *name = table->columns[candidate].name;

		/* Only the member may have a NUL inside. */
		if (strcmp(name, member->key) == 0 &&
		    strlen(name) == member->key_length) {
			*column = candidate;
			return true;
		}
	}
	return false;
}

static struct pgripple_value
decode_value(const struct json *json)
{
	struct pgripple_value value = {PGRIPPLE_VALUE_TEXT, 0, NULL};

	switch (json->kind) {
	case JSON_NULL:
		value.kind = PGRIPPLE_VALUE_NULL;
		break;
	case JSON_TRUE:
		value.text = "true";
		value.length = 4;
		break;
	case JSON_FALSE:
		value.text = "false";
		value.length = 5;
		break;
	case JSON_NUMBER:
	case JSON_STRING:
		value.text = json->text;
		value.length = (uint32_t)json->length;
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		value.kind = PGRIPPLE_VALUE_UNKNOWN;
		break;
	}
	return value;
}

static int
decode_image(
    struct decoder *decoder, const struct json *image, struct pgripple_row *row)
{
	const struct pgripple_table *table = decoder->table;
	size_t column = table->n_columns - 1; /* so that the next is 0 */

	if (image->kind != JSON_OBJECT)
		return pgripple_error_set(decoder->err, PGRIPPLE_ERROR_INPUT,
		    "an image is %s instead of an object",
		    json_kind_name(image->kind));
	row->values =
	    arena_array(decoder->arena, table->n_columns, sizeof(*row->values));
	if (row->values == NULL)
		return pgripple_error_nomem(decoder->err);
	for (const struct json *member = image->first; member != NULL;
	     member = member->next)
		if (find_column(table, member, &column))
			row->values[column] = decode_value(member);
	for (size_t i = 0; i < table->n_columns; i++)
		if (row->values[i].kind == PGRIPPLE_VALUE_UNKNOWN)
			pgripple_columns_add(&decoder->unknown, i);
	return 0;
}

static int
decode_images(struct decoder *decoder, const struct json *root,
    const char *name, struct pgripple_row **ret_rows, size_t *ret_n_rows)
{
	const struct json *images = json_member(root, name);
	struct pgripple_row *rows;
	size_t n = 0;

	if (images == NULL)
		return 0;
	if (images->kind != JSON_ARRAY)
		return pgripple_error_set(decoder->err, PGRIPPLE_ERROR_INPUT,
		    "\"%s\" is %s instead of an array", name,
		    json_kind_name(images->kind));
	rows = arena_array(decoder->arena, images->n_children, sizeof(*rows));
	if (rows == NULL)
		return pgripple_error_nomem(decoder->err);
	for (const struct json *image = images->first; image != NULL;
	     image = image->next)
		if (decode_image(decoder, image, &rows[n++]) < 0)
			return -1;
	*ret_rows = rows;
	*ret_n_rows = n;
	return 0;
}

/* Columns that some image does not tell count as changed: the trigger may be
 * older than the graph and not have compared them. */
static int
decode_changed(struct decoder *decoder, const struct json *root,
    struct pgripple_change *change)
{
	const struct json *names = json_member(root, "changed");
	size_t column = 0;

	if (names == NULL)
		return 0;
	if (names->kind != JSON_ARRAY)
		return pgripple_error_set(decoder->err, PGRIPPLE_ERROR_INPUT,
		    "\"changed\" is %s instead of an array",
		    json_kind_name(names->kind));
	change->changed = decoder->unknown;
	for (const struct json *name = names->first; name != NULL;
	     name = name->next) {
		struct json member = {
		    .key = name->text, .key_length = name->length};

		if (name->kind != JSON_STRING)
			return pgripple_error_set(decoder->err,
			    PGRIPPLE_ERROR_INPUT,
			    "\"changed\" holds %s instead of a column's name",
			    json_kind_name(name->kind));
		if (find_column(decoder->table, &member, &column))
			pgripple_columns_add(&change->changed, column);
	}
	change->has_changed = true;
	return 0;
}

static int
decode_op(const struct json *root, enum pgripple_op *ret_op,
    struct pgripple_error *err)
{
	static const enum pgripple_op ops[] = {
	    PGRIPPLE_OP_INSERT,
	    PGRIPPLE_OP_UPDATE,
	    PGRIPPLE_OP_DELETE,
	    PGRIPPLE_OP_TRUNCATE,
	    PGRIPPLE_OP_PING,
	    PGRIPPLE_OP_INVALIDATE,
	};
	const struct json *op = json_member(root, "op");

	if (op == NULL || op->kind != JSON_STRING)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_INPUT, "\"op\" is missing");
	for (size_t i = 0; i < N_ELEMENTS(ops); i++)
		if (json_is(op, pgripple_op_name(ops[i]))) {
			*ret_op = ops[i];
			return 0;
		}
	return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
	    "operation \"%.64s\" is not known", op->text);
}

static int
decode_ping(const struct json *root, struct pgripple_change *change,
    struct pgripple_error *err)
{
	const struct json *key = json_member(root, "key");

	if (key == NULL || key->kind != JSON_STRING || key->length == 0)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_INPUT, "a ping has no \"key\"");
	if (key->length > MAX_PING_KEY)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the \"key\" of a ping has more than %d bytes",
		    MAX_PING_KEY);
	change->ping_key = key->text;
	return 0;
}

/* What a change of a known table holds. */
static int
decode_content(struct decoder *decoder, const struct json *root,
    struct pgripple_change *change)
{
	const struct json *whole = json_member(root, "whole");
	const struct json *drift = json_member(root, "drift");

	if (decode_op(root, &change->op, decoder->err) < 0)
		return -1;
	change->drift = drift != NULL && drift->kind == JSON_TRUE;
	if (whole != NULL || change->op == PGRIPPLE_OP_TRUNCATE) {
		change->whole = true;
		change->whole_reason =
		    whole != NULL && whole->kind == JSON_STRING
			? whole->text
			: pgripple_op_name(change->op);
		return 0;
	}
	if (decode_images(
		decoder, root, "old", &change->old_rows, &change->n_old) < 0 ||
	    decode_images(
		decoder, root, "new", &change->new_rows, &change->n_new) < 0)
		return -1;
	if (change->n_old == 0 && change->n_new == 0)
		return pgripple_error_set(decoder->err, PGRIPPLE_ERROR_INPUT,
		    "the change has no images");
	return decode_changed(decoder, root, change);
}

/* 0, -1, or UNWATCHED. */
static int
decode_table(struct arena *arena, const struct pgripple_graph *graph,
    const struct json *root, const struct pgripple_table **ret_table,
    struct pgripple_error *err)
{
	const struct json *table = json_member(root, "table");
	const char *schema, *name;

	if (table == NULL || table->kind != JSON_STRING)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_INPUT, "\"table\" is missing");
	if (ident_parse(
		arena, table->text, table->length, &schema, &name, err) < 0)
		return -1;
	if (schema == NULL)
		schema = "public";
	*ret_table = pgripple_graph_table(
	    graph, schema, strlen(schema), name, strlen(name));
	return *ret_table == NULL ? PGRIPPLE_DECODE_UNWATCHED : 0;
}

/* Of a model that is not known nothing can be escalated: to be rejected, and
 * tried again with a graph that has it. */
static int
decode_model(const struct pgripple_graph *graph, const struct json *root,
    struct pgripple_change *change, struct pgripple_error *err)
{
	const struct json *name = json_member(root, "model");

	if (name == NULL || name->kind != JSON_STRING)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_INPUT, "\"model\" is missing");
	change->model = pgripple_graph_model(graph, name->text);
	if (change->model == NULL)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "model \"%.64s\" is not in the graph", name->text);
	change->table = change->model->table;
	return 0;
}

static bool
has_op(const struct json *root, enum pgripple_op op)
{
	const struct json *member = json_member(root, "op");

	return member != NULL && json_is(member, pgripple_op_name(op));
}

/* A change of which only the table, or the model, is certain. */
static void
make_whole(struct pgripple_change *change, const struct pgripple_change *known)
{
	*change = (struct pgripple_change){
	    .op = known->model != NULL ? PGRIPPLE_OP_INVALIDATE
				       : PGRIPPLE_OP_UPDATE,
	    .table = known->table,
	    .model = known->model,
	    .whole = true,
	    .whole_reason = "not understood",
	};
}

int
pgripple_change_decode(struct arena *arena, const struct pgripple_graph *graph,
    const char *json, size_t length, struct pgripple_change *ret_change,
    struct pgripple_error *err)
{
	struct decoder decoder = {.arena = arena, .err = err};
	struct pgripple_change change = {0};
	struct json *root;
	int outcome;

	if (json_read(arena, json, length, &root, err) < 0)
		return -1;
	if (root->kind != JSON_OBJECT)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the change is %s instead of an object",
		    json_kind_name(root->kind));
	if (has_op(root, PGRIPPLE_OP_PING)) {
		change.op = PGRIPPLE_OP_PING;
		if (decode_ping(root, &change, err) < 0)
			return -1;
		*ret_change = change;
		return PGRIPPLE_DECODE_DONE;
	}
	outcome = has_op(root, PGRIPPLE_OP_INVALIDATE)
		      ? decode_model(graph, root, &change, err)
		      : decode_table(arena, graph, root, &change.table, err);
	if (outcome != 0)
		return outcome;
	decoder.table = change.table;
	/* A table without captured columns says no more than that it changed:
	 * its images are empty objects. */
	if (decode_content(&decoder, root, &change) < 0) {
		if (err->kind != PGRIPPLE_ERROR_INPUT)
			return -1;
		make_whole(ret_change, &change);
		return PGRIPPLE_DECODE_ESCALATED;
	}
	*ret_change = change;
	return PGRIPPLE_DECODE_DONE;
}

int
pgripple_row_decode(struct arena *arena, const struct pgripple_table *table,
    const char *json, size_t length, struct pgripple_row *ret_row,
    struct pgripple_error *err)
{
	struct decoder decoder = {.arena = arena, .table = table, .err = err};
	struct json *root;

	if (json_read(arena, json, length, &root, err) < 0)
		return -1;
	return decode_image(&decoder, root, ret_row);
}
