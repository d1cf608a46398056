/*
 * From the rows of "pgripple explain" to the change that a trigger would have
 * written for them.
 *
 * Images have a value, or none, for each captured column.  A column that only
 * one image of an update names did not change.  What is still missing is read
 * from the table where the primary key tells the row; else it is not known, as
 * if it had been too large to be captured.
 */
#include "cli/explain.h"

#include <string.h>

#include "base/closest.h"
#include "base/json_write.h"

#define HINT_COLUMNS 150 /* bytes of a list of columns in a hint */

/* ---- columns ---- */

struct maker {
	struct explanation *explanation;
	const struct pgripple_table *table;
	const struct explain_database *database;
	bool captured_only; /* no other columns may be given */
	const struct json **old_values; /* by captured column; NULL: none */
	const struct json **new_values;
};

static const char **
known_columns(const struct maker *maker, size_t *ret_n)
{
	const struct pgripple_table *table = maker->table;
	const struct explain_database *database =
	    maker->captured_only ? NULL : maker->database;
	size_t n_captured = maker->captured_only
				? table->n_columns
				: table->n_columns + table->n_ignore;
	size_t n = database != NULL ? database->n_columns : n_captured;
	const char **names =
	    arena_array(maker->explanation->arena, n, sizeof(*names));

	*ret_n = n;
	for (size_t i = 0; names != NULL && i < n; i++)
		names[i] = database != NULL ? database->columns[i].name
			   : i < table->n_columns
			       ? table->columns[i].name
			       : table->ignore[i - table->n_columns];
	return names;
}

static int
refuse_column(const struct maker *maker, const char *name,
    const char *const *known, size_t n_known, struct pgripple_error *err)
{
	const char *near = closest(name, known, n_known);
	const char *model = maker->explanation->model->name;
	bool of_table = maker->database != NULL && !maker->captured_only;
	struct buf list = BUF_INIT;

	for (size_t i = 0; i < n_known && list.n < HINT_COLUMNS; i++)
		buf_printf(&list, "%s%s", i > 0 ? ", " : "",
		    list.n + strlen(known[i]) < HINT_COLUMNS ? known[i]
							     : "...");
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
	    of_table
		? "the table of model \"%s\" has no column \"%.80s\""
		: "the graph uses no column of model \"%s\" that is called "
		  "\"%.80s\"",
	    model, name);
	pgripple_error_hint(err, "%s%s%s%s%s.%s",
	    near != NULL ? "Did you mean \"" : "", near != NULL ? near : "",
	    near != NULL ? "\"? " : "", of_table ? "It has " : "It uses ",
	    buf_string(&list),
	    of_table || maker->captured_only
		? ""
		: " Without --offline all columns may be given.");
	buf_done(&list);
	return -1;
}

static const struct json **
values_of(const struct maker *maker, const struct json *image)
{
	const struct pgripple_table *table = maker->table;
	const struct json **values = arena_array(
	    maker->explanation->arena, table->n_columns, sizeof(struct json *));

	for (size_t i = 0; values != NULL && i < table->n_columns; i++)
		values[i] = json_member(image, table->columns[i].name);
	return values;
}

static int
check_columns(const struct maker *maker, const struct json *image,
    struct pgripple_error *err)
{
	size_t n_known;
	const char **known = known_columns(maker, &n_known);

	if (known == NULL)
		return pgripple_error_nomem(err);
	for (const struct json *member = image->first; member != NULL;
	     member = member->next) {
		bool found = false;

		for (size_t i = 0; i < n_known && !found; i++)
			found = strcmp(known[i], member->key) == 0;
		if (!found)
			return refuse_column(
			    maker, member->key, known, n_known, err);
	}
	return 0;
}

/* ---- what was not given ---- */

/* Of the image, or of the other one of an update. */
static const char *
key_text(const char *name, const struct json *image, const struct json *other)
{
	const struct json *value = json_member(image, name);

	if (value == NULL && other != NULL)
		value = json_member(other, name);
	if (value == NULL)
		return NULL;
	if (value->kind == JSON_TRUE || value->kind == JSON_FALSE)
		return value->kind == JSON_TRUE ? "true" : "false";
	return value->text;
}

/* The texts of the primary key.  NULL if the table has none, or one of its
 * columns was not given; *ret_missing says which. */
static const char **
key_of(const struct maker *maker, const struct json *image,
    const struct json *other, const char **ret_missing)
{
	const struct explain_database *database = maker->database;
	const char **keys = arena_array(
	    maker->explanation->arena, database->n_columns, sizeof(*keys));
	size_t n = 0;

	*ret_missing = NULL;
	for (size_t i = 0; keys != NULL && i < database->n_columns; i++) {
		if (!database->columns[i].is_key)
			continue;
		keys[n] = key_text(database->columns[i].name, image, other);
		if (keys[n++] == NULL) {
			*ret_missing = database->columns[i].name;
			return NULL;
		}
	}
	return n > 0 ? keys : NULL;
}

static void
find_missing(const struct maker *maker, const struct json **values,
    struct pgripple_columns *ret_missing, struct buf *ret_names)
{
	*ret_missing = (struct pgripple_columns){0};
	for (size_t i = 0; i < maker->table->n_columns; i++)
		if (values[i] == NULL)
			pgripple_columns_add(ret_missing, i);
	explain_add_columns(ret_names, maker->table, ret_missing);
}

static int
take_row(const struct maker *maker, const char *text,
    const struct pgripple_columns *missing, const struct json **values,
    struct pgripple_error *err)
{
	struct arena *arena = maker->explanation->arena;
	struct json *image;

	if (json_read(arena, text, strlen(text), &image, err) != 0)
		return -1;
	for (size_t i = 0; i < maker->table->n_columns; i++)
		if (pgripple_columns_has(missing, i))
			values[i] =
			    json_member(image, maker->table->columns[i].name);
	return 0;
}

/* Where what was missing comes from; NULL when out of memory. */
static const char *
origin(const struct maker *maker, const char *const *keys,
    const char *missing_key, const char *row)
{
	if (maker->database == NULL)
		return "not given, so not known (offline)";
	if (row != NULL)
		return "read from the table";
	if (keys != NULL)
		return "not known, as the table has no such row";
	if (missing_key == NULL)
		return "not known, as the table has no primary key";
	return arena_printf(maker->explanation->arena,
	    "not known, as \"%s\" of the primary key was not given",
	    missing_key);
}

/* name is "the old row" or "the new row". */
static int
fill(const struct maker *maker, const char *name, const struct json *image,
    const struct json *other, const struct json **values,
    struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf names = BUF_INIT;
	struct explanation *explanation = maker->explanation;
	struct pgripple_columns missing;
	const char **keys = NULL, *missing_key = NULL, *row = NULL, *from;

	find_missing(maker, values, &missing, &names);
	if (names.n == 0)
		return 0;
	if (maker->database != NULL)
		keys = key_of(maker, image, other, &missing_key);
	if (keys != NULL && maker->database->read_row(maker->database->context,
				keys, explanation->arena, &row, err) != 0)
		return -1;
	if (row != NULL && take_row(maker, row, &missing, values, err) != 0)
		return -1;
	from = origin(maker, keys, missing_key, row);
	if (from == NULL || explain_note(explanation, "of %s %s: %s", name,
				buf_string(&names), from) != 0)
		return pgripple_error_nomem(err);
	return 0;
}

/* A column that only one of two images has did not change. */
static void
complete(const struct maker *maker)
{
	for (size_t i = 0; i < maker->table->n_columns; i++) {
		if (maker->old_values[i] == NULL)
			maker->old_values[i] = maker->new_values[i];
		else if (maker->new_values[i] == NULL)
			maker->new_values[i] = maker->old_values[i];
	}
}

/* ---- the change ---- */

/* What stands for a value that is not known differs from everything. */
static bool
is_same(const struct json *a, const struct json *b)
{
	if (a->kind == JSON_ARRAY || a->kind == JSON_OBJECT)
		return false;
	if (a->text == NULL || b->text == NULL)
		return a->kind == b->kind;
	return a->length == b->length &&
	       memcmp(a->text, b->text, a->length) == 0;
}

static bool
is_ignored(const struct pgripple_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_ignore; i++)
		if (strcmp(table->ignore[i], name) == 0)
			return true;
	return false;
}

/* An update of nothing, or of nothing but what is ignored, is no change. */
static bool
differs(const struct maker *maker, const struct explain_request *request)
{
	for (const struct json *a = request->old_image->first; a != NULL;
	     a = a->next) {
		const struct json *b = json_member(request->new_image, a->key);

		if (b != NULL && !is_same(a, b) &&
		    !is_ignored(maker->table, a->key))
			return true;
	}
	for (size_t i = 0; i < maker->table->n_columns; i++)
		if (maker->old_values[i] != NULL &&
		    maker->new_values[i] != NULL &&
		    !is_same(maker->old_values[i], maker->new_values[i]))
			return true;
	return false;
}

static void
print_value(struct buf *json, const char *key, const struct json *value)
{
	json_write_key(json, key);
	switch (value->kind) {
	case JSON_NULL:
		buf_add_string(json, "null");
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_write_bool(json, value->kind == JSON_TRUE);
		break;
	case JSON_NUMBER:
		buf_add(json, value->text, value->length);
		break;
	case JSON_STRING:
		json_write_string(json, value->text, value->length);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_add_string(json, "{}");
		break;
	}
}

static void
print_image(const struct maker *maker, struct buf *json, const char *key,
    const struct json **values)
{
	if (values == NULL)
		return;
	json_write_key(json, key);
	json_write_open(json, '[');
	json_write_open(json, '{');
	for (size_t i = 0; i < maker->table->n_columns; i++)
		if (values[i] != NULL)
			print_value(
			    json, maker->table->columns[i].name, values[i]);
	json_write_close(json, '}');
	json_write_close(json, ']');
}

static void
print_changed(const struct maker *maker, struct buf *json)
{
	json_write_key(json, "changed");
	json_write_open(json, '[');
	for (size_t i = 0; i < maker->table->n_columns; i++) {
		const char *name = maker->table->columns[i].name;

		if (maker->old_values[i] != NULL &&
		    maker->new_values[i] != NULL &&
		    !is_same(maker->old_values[i], maker->new_values[i]))
			json_write_string(json, name, strlen(name));
	}
	json_write_close(json, ']');
}

static int
print_change(const struct maker *maker, const struct explain_request *request,
    struct pgripple_error *err)
{
	struct explanation *explanation = maker->explanation;
	CLEANUP(buf_done) struct buf json = BUF_INIT;

	json_write_open(&json, '{');
	json_write_member(&json, "table", maker->table->spelled);
	json_write_member(&json, "op", pgripple_op_name(request->op));
	print_image(maker, &json, "old", maker->old_values);
	print_image(maker, &json, "new", maker->new_values);
	if (request->op == PGRIPPLE_OP_UPDATE)
		print_changed(maker, &json);
	json_write_close(&json, '}');
	if (!json.failed)
		explanation->json =
		    arena_strdup(explanation->arena, json.bytes);
	return explanation->json == NULL ? pgripple_error_nomem(err) : 0;
}

/* What somebody asks for by hand is of one model and has columns of the graph
 * alone; the walk looks up what is missing. */
static int
print_asked(
    struct maker *maker, const struct json *image, struct pgripple_error *err)
{
	struct explanation *explanation = maker->explanation;
	CLEANUP(buf_done) struct buf json = BUF_INIT;

	maker->captured_only = true;
	if (image != NULL && check_columns(maker, image, err) != 0)
		return -1;
	if (image != NULL)
		maker->new_values = values_of(maker, image);
	if (image != NULL && maker->new_values == NULL)
		return pgripple_error_nomem(err);
	json_write_open(&json, '{');
	json_write_member(
	    &json, "op", pgripple_op_name(PGRIPPLE_OP_INVALIDATE));
	json_write_member(&json, "model", explanation->model->name);
	if (image != NULL)
		print_image(maker, &json, "new", maker->new_values);
	else
		json_write_member(&json, "whole", "by hand");
	json_write_close(&json, '}');
	if (!json.failed)
		explanation->json =
		    arena_strdup(explanation->arena, json.bytes);
	return explanation->json == NULL ? pgripple_error_nomem(err) : 0;
}

int
explain_change_make(struct explanation *explanation,
    const struct explain_request *request, struct pgripple_error *err)
{
	struct maker maker = {
	    .explanation = explanation,
	    .table = explanation->model->table,
	    .database = explanation->database,
	};
	const struct json *old = request->old_image, *new = request->new_image;

	if (request->op == PGRIPPLE_OP_INVALIDATE)
		return print_asked(&maker, new, err);
	if ((old != NULL && check_columns(&maker, old, err) != 0) ||
	    (new != NULL &&check_columns(&maker, new, err) != 0))
		return -1;
	if (old != NULL)
		maker.old_values = values_of(&maker, old);
	if (new != NULL)
		maker.new_values = values_of(&maker, new);
	if ((old != NULL && maker.old_values == NULL) ||
	    (new != NULL &&maker.new_values == NULL))
		return pgripple_error_nomem(err);
	if (old != NULL && new != NULL)
		complete(&maker);
	if (old != NULL &&
	    fill(&maker, "the old row", old, new, maker.old_values, err) != 0)
		return -1;
	if (new != NULL &&
	    fill(&maker, "the new row", new, old, maker.new_values, err) != 0)
		return -1;
	explanation->is_no_change =
	    old != NULL && new != NULL && !differs(&maker, request);
	return print_change(&maker, request, err);
}
