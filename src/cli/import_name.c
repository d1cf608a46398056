/*
 * The names of the models: those of the tables, without a prefix that most of
 * them share, made of the characters that a model's name may have, and each
 * once.
 */
#include "cli/import.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"

#define MAX_NAME 63

/* The length of "app_" in "app_team"; 0 if it has no such beginning. */
static size_t
prefix_length(const char *name)
{
	const char *end = strchr(name, '_');

	return end == NULL || end == name || end[1] == '\0'
		   ? 0
		   : (size_t)(end - name) + 1;
}

/* Tables that begin like this one. */
static size_t
count_prefix(const struct import *import, const char *name, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < import->n_tables; i++)
		n += strncmp(import->tables[i].name, name, length) == 0;
	return n;
}

/* "order_" of order_line is no prefix where there is a table "order". */
static bool
is_table(const struct import *import, const char *name, size_t length)
{
	for (size_t i = 0; i < import->n_tables; i++)
		if (strlen(import->tables[i].name) == length &&
		    strncmp(import->tables[i].name, name, length) == 0)
			return true;
	return false;
}

/* The prefix of at least half of the tables, and of three or all of them. */
static const char *
common_prefix(const struct import *import, size_t *ret_length)
{
	for (size_t i = 0; i < import->n_tables; i++) {
		const char *name = import->tables[i].name;
		size_t length = prefix_length(name);
		size_t n;

		if (length == 0 || is_table(import, name, length - 1))
			continue;
		n = count_prefix(import, name, length);
		if (n > 1 && 2 * n >= import->n_tables &&
		    (n > 2 || n == import->n_tables)) {
			*ret_length = length;
			return name;
		}
	}
	*ret_length = 0;
	return "";
}

/* Letters, digits and underscores: other characters become underscores. */
static void
clean(const char *name, char *ret_name)
{
	size_t n = 0;

	for (; *name != '\0' && n < MAX_NAME; name++)
		ret_name[n++] = isalnum((unsigned char)*name) ? *name : '_';
	ret_name[n] = '\0';
}

/* What the table would be called if no other were. */
static void
wish(const struct import_table *table, const char *prefix, size_t length,
    char *ret_name)
{
	bool strip = length > 0 && strncmp(table->name, prefix, length) == 0;

	clean(table->name + (strip ? length : 0), ret_name);
}

static size_t
count_wishes(const struct import *import, const char *prefix, size_t length,
    const char *name)
{
	char other[MAX_NAME + 1];
	size_t n = 0;

	for (size_t i = 0; i < import->n_tables; i++) {
		wish(&import->tables[i], prefix, length, other);
		n += strcmp(other, name) == 0;
	}
	return n;
}

/* Without the prefix, with it, with the schema, and at last with a number:
 * the first that nobody else has or wants. */
static void
choose(const struct import *import, const struct map *taken,
    const struct import_table *table, const char *prefix, size_t length,
    char *ret_name)
{
	char base[MAX_NAME + 1], joined[2 * MAX_NAME + 2];

	wish(table, prefix, length, ret_name);
	if (count_wishes(import, prefix, length, ret_name) == 1 &&
	    map_get(taken, ret_name, strlen(ret_name)) == NULL)
		return;
	clean(table->name, ret_name);
	if (count_wishes(import, "", 0, ret_name) == 1 &&
	    map_get(taken, ret_name, strlen(ret_name)) == NULL)
		return;
	(void)snprintf(
	    joined, sizeof(joined), "%s_%s", table->schema, table->name);
	clean(
	    strcmp(table->schema, "public") == 0 ? table->name : joined, base);
	(void)snprintf(ret_name, MAX_NAME + 1, "%s", base);
	for (unsigned i = 2; map_get(taken, ret_name, strlen(ret_name)) != NULL;
	     i++)
		(void)snprintf(
		    ret_name, MAX_NAME + 1, "%.56s_%u", base, i % 100000);
}

int
import_name(
    struct arena *arena, struct import *import, struct pgripple_error *err)
{
	struct map taken = MAP_INIT;
	size_t length;
	const char *prefix = common_prefix(import, &length);
	int result = 0;

	for (size_t i = 0; i < import->n_tables && result == 0; i++) {
		struct import_table *table = &import->tables[i];
		char name[MAX_NAME + 1];
		char *copy;
		void **place;

		choose(import, &taken, table, prefix, length, name);
		copy = arena_strdup(arena, name);
		place =
		    copy == NULL ? NULL : map_put(&taken, copy, strlen(copy));
		if (place == NULL) {
			result = pgripple_error_nomem(err);
			break;
		}
		*place = table;
		table->model = copy;
	}
	map_done(&taken);
	return result;
}
