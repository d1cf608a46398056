/*
 * Errors as values: filling, printing, and the list of all errors of a run.
 */
#include <pgripple/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define MAX_ERRORS 1000

const char *
pgripple_error_kind_name(enum pgripple_error_kind kind)
{
	switch (kind) {
	case PGRIPPLE_ERROR_CONFIG:
		return "config";
	case PGRIPPLE_ERROR_INPUT:
		return "input";
	case PGRIPPLE_ERROR_PEER:
		return "peer";
	case PGRIPPLE_ERROR_LIMIT:
		return "limit";
	case PGRIPPLE_ERROR_NOMEM:
		return "nomem";
	case PGRIPPLE_ERROR_BUG:
		return "bug";
	}
	return "unknown";
}

static void fill(char *buffer, size_t size, const char *format, va_list args)
    PGRIPPLE_PRINTF(3, 0);

static void
fill(char *buffer, size_t size, const char *format, va_list args)
{
	const char *end;

	(void)vsnprintf(buffer, size, format, args);
	/* The end of the buffer and "%.80s" cut characters in two.  Postgres,
	 * where some texts end up, would refuse the halves. */
	end = buffer + strlen(buffer);
	for (char *at = buffer; at < end;) {
		size_t n = utf8_length(at, (size_t)(end - at));

		if (n == 0)
			*at = '?';
		at += n == 0 ? 1 : n;
	}
}

int
pgripple_error_vset(struct pgripple_error *err, enum pgripple_error_kind kind,
    const char *format, va_list args)
{
	if (err == NULL)
		return -1;
	err->kind = kind;
	err->at = (struct pgripple_position){0};
	err->hint[0] = '\0';
	fill(err->text, sizeof(err->text), format, args);
	return -1;
}

int
pgripple_error_set(struct pgripple_error *err, enum pgripple_error_kind kind,
    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)pgripple_error_vset(err, kind, format, args);
	va_end(args);
	return -1;
}

void
pgripple_error_hint(struct pgripple_error *err, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return;
	va_start(args, format);
	fill(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}

int
pgripple_error_nomem(struct pgripple_error *err)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_NOMEM, "out of memory");
}

int
pgripple_error_print(
    const struct pgripple_error *err, char *buffer, size_t size)
{
	char place[32] = "";
	const char *file = err->at.file;
	const char *hint = err->hint;

	if (file == NULL)
		file = "";
	else if (err->at.line > 0)
		(void)snprintf(place, sizeof(place), ":%d:%d: ", err->at.line,
		    err->at.column);
	else
		(void)snprintf(place, sizeof(place), ": ");
	return snprintf(buffer, size, "%s%serror: %s%s%s", file, place,
	    err->text, hint[0] == '\0' ? "" : "\nhint: ", hint);
}

/* NULL past the bound and when out of memory. */
static struct pgripple_error *
errors_push(struct pgripple_errors *errors)
{
	if (errors->n_items == errors->capacity) {
		size_t capacity =
		    errors->capacity == 0 ? 8 : errors->capacity * 2;
		struct pgripple_error *items;

		if (capacity > MAX_ERRORS)
			capacity = MAX_ERRORS;
		if (errors->n_items == capacity)
			return NULL;
		items = realloc(errors->items, capacity * sizeof(*items));
		if (items == NULL)
			return NULL;
		errors->items = items;
		errors->capacity = capacity;
	}
	return &errors->items[errors->n_items++];
}

/* The list's copy of a file name; NULL when out of memory: better an error
 * without its place than none. */
static const char *
keep_file(struct pgripple_errors *errors, const char *file)
{
	char **files;
	char *copy;

	if (file == NULL)
		return NULL;
	for (size_t i = 0; i < errors->n_files; i++)
		if (strcmp(errors->files[i], file) == 0)
			return errors->files[i];
	files = realloc(
	    errors->files, (errors->n_files + 1) * sizeof(*errors->files));
	if (files == NULL)
		return NULL;
	errors->files = files;
	copy = strdup(file);
	if (copy != NULL)
		files[errors->n_files++] = copy;
	return copy;
}

struct pgripple_error *
pgripple_errors_add(struct pgripple_errors *errors, struct pgripple_position at,
    const char *format, ...)
{
	/* Takes what nobody will see, so that callers need not ask. */
	static _Thread_local struct pgripple_error scratch;
	struct pgripple_error *err = errors_push(errors);
	va_list args;

	if (err == NULL) {
		errors->n_dropped++;
		err = &scratch;
	}
	va_start(args, format);
	(void)pgripple_error_vset(err, PGRIPPLE_ERROR_CONFIG, format, args);
	va_end(args);
	err->at = at;
	if (err != &scratch)
		err->at.file = keep_file(errors, at.file);
	return err;
}

void
pgripple_errors_take(
    struct pgripple_errors *errors, const struct pgripple_error *err)
{
	struct pgripple_error copy = *err;
	struct pgripple_error *item = errors_push(errors);

	if (item == NULL) {
		errors->n_dropped++;
		return;
	}
	*item = copy;
	item->at.file = keep_file(errors, copy.at.file);
}

static int
position_compare(
    const struct pgripple_position *a, const struct pgripple_position *b)
{
	const char *a_file = a->file == NULL ? "" : a->file;
	const char *b_file = b->file == NULL ? "" : b->file;
	int order = strcmp(a_file, b_file);

	if (order != 0)
		return order;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return (a->column > b->column) - (a->column < b->column);
}

/* By insertion: stable, and errors come nearly in order. */
void
pgripple_errors_sort(struct pgripple_errors *errors)
{
	struct pgripple_error *items = errors->items;

	for (size_t i = 1; i < errors->n_items; i++) {
		struct pgripple_error item = items[i];
		size_t to = i;

		while (
		    to > 0 && position_compare(&items[to - 1].at, &item.at) > 0)
			to--;
		if (to == i)
			continue;
		memmove(&items[to + 1], &items[to], (i - to) * sizeof(item));
		items[to] = item;
	}
}

void
pgripple_errors_done(struct pgripple_errors *errors)
{
	for (size_t i = 0; i < errors->n_files; i++)
		free(errors->files[i]);
	free(errors->files);
	free(errors->items);
	*errors = (struct pgripple_errors){0};
}
