/*
 * The words of "pgripple explain": which rows, and what happens to them.
 */
#include "cli/explain.h"

#include <string.h>

#include "base/closest.h"

static int
read_image(struct arena *arena, const char *name, const char *text,
    const struct json **ret_image, struct pgripple_error *err)
{
	struct pgripple_error why;
	struct json *root;

	if (text == NULL)
		return 0;
	if (json_read(arena, text, strlen(text), &root, &why) != 0) {
		(void)pgripple_error_set(err,
		    why.kind == PGRIPPLE_ERROR_NOMEM ? why.kind
						     : PGRIPPLE_ERROR_CONFIG,
		    "%s: %s", name, why.text);
		pgripple_error_hint(
		    err, "Write an object in single quotes: '{\"id\": 1}'.");
		return -1;
	}
	if (root->kind != JSON_OBJECT) {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "%s is %s instead of an object", name,
		    json_kind_name(root->kind));
		pgripple_error_hint(err,
		    "Write the row's columns: '{\"id\": 1, \"name\": \"x\"}'.");
		return -1;
	}
	*ret_image = root;
	return 0;
}

static int
read_op(const char *name, enum pgripple_op *op, struct pgripple_error *err)
{
	static const char *const names[] = {
	    "insert", "update", "delete", "truncate", "invalidate"};
	static const enum pgripple_op ops[] = {PGRIPPLE_OP_INSERT,
	    PGRIPPLE_OP_UPDATE, PGRIPPLE_OP_DELETE, PGRIPPLE_OP_TRUNCATE,
	    PGRIPPLE_OP_INVALIDATE};
	const char *near;

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (strcmp(names[i], name) == 0) {
			*op = ops[i];
			return 0;
		}
	near = closest(name, names, N_ELEMENTS(names));
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "\"%s\" is no operation for --op", name);
	if (near != NULL)
		pgripple_error_hint(err, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(err,
		    "It is insert, update, delete, truncate or invalidate.");
	return -1;
}

/* Which images each operation has. */
static int
check_images(const struct explain_request *request, struct pgripple_error *err)
{
	static const struct {
		bool has_old, has_new;
		const char *needs, *hint;
	} wanted[] = {
	    [PGRIPPLE_OP_INSERT] = {false, true, "the new row, and no old one",
		"Give it after the model, or with --new."},
	    [PGRIPPLE_OP_UPDATE] = {true, true, "the old and the new row",
		"Give them with --old and --new."},
	    [PGRIPPLE_OP_DELETE] = {true, false, "the old row, and no new one",
		"Give it after the model, or with --old."},
	    [PGRIPPLE_OP_TRUNCATE] = {false, false, "no row",
		"It touches every row of the model."},
	    [PGRIPPLE_OP_INVALIDATE] = {false, true, "no old row",
		"Give the row after the model, or none for every row."},
	};
	enum pgripple_op op = request->op;
	bool has_new =
	    request->new_image != NULL || op == PGRIPPLE_OP_INVALIDATE;

	if ((request->old_image != NULL) == wanted[op].has_old &&
	    has_new == wanted[op].has_new)
		return 0;
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG, "--op %s needs %s",
	    pgripple_op_name(op), wanted[op].needs);
	pgripple_error_hint(err, "%s", wanted[op].hint);
	return -1;
}

int
explain_request_read(struct arena *arena, const char *row,
    const char *old_image, const char *new_image, const char *op,
    struct explain_request *ret_request, struct pgripple_error *err)
{
	struct explain_request request = {
	    .op = old_image == NULL   ? PGRIPPLE_OP_INSERT
		  : new_image == NULL ? PGRIPPLE_OP_DELETE
				      : PGRIPPLE_OP_UPDATE,
	};
	const struct json *given = NULL;

	if (op != NULL && read_op(op, &request.op, err) != 0)
		return -1;
	if (read_image(arena, "the row", row, &given, err) != 0 ||
	    read_image(arena, "--old", old_image, &request.old_image, err) !=
		0 ||
	    read_image(arena, "--new", new_image, &request.new_image, err) != 0)
		return -1;
	if (op == NULL && row == NULL && old_image == NULL &&
	    new_image == NULL) {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "\"explain\" needs a row after the model");
		pgripple_error_hint(err,
		    "Write it as '{\"id\": 1}'; or give --old, --new or "
		    "--op truncate.");
		return -1;
	}
	if (given != NULL && (old_image != NULL || new_image != NULL ||
				 request.op == PGRIPPLE_OP_UPDATE)) {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "a row after the model and %s do not go together",
		    old_image != NULL   ? "--old"
		    : new_image != NULL ? "--new"
					: "--op update");
		pgripple_error_hint(
		    err, "Give an update's rows with --old and --new.");
		return -1;
	}
	if (given != NULL && request.op == PGRIPPLE_OP_DELETE)
		request.old_image = given;
	else if (given != NULL)
		request.new_image = given;
	if (check_images(&request, err) != 0)
		return -1;
	*ret_request = request;
	return 0;
}
