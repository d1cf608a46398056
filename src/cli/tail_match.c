/*
 * Which lines of the log are asked for.
 *
 * A line may tell less than it stands for: only the first keys of a change, or
 * the sum of many changes.  It may be the one that is looked for, and to say
 * nothing of it would be to say that there is none.
 */
#include <fnmatch.h>
#include <string.h>

#include "cli/options.h"
#include "cli/tail_line.h"

static enum tail_match
both(enum tail_match one, enum tail_match other)
{
	if (one == TAIL_NO || other == TAIL_NO)
		return TAIL_NO;
	return one == TAIL_MAYBE || other == TAIL_MAYBE ? TAIL_MAYBE : TAIL_YES;
}

static bool
is_sum(const struct json *line)
{
	const struct json *event = json_member(line, "event");

	return json_is(event, "changes.applied") ||
	       json_is(event, "changes.observed");
}

static enum tail_match
match_model(const struct json *line, const char *model)
{
	const struct json *models = json_member(line, "models");

	if (json_is(json_member(line, "model"), model))
		return TAIL_YES;
	if (models != NULL && models->kind == JSON_ARRAY)
		for (const struct json *at = models->first; at != NULL;
		     at = at->next)
			if (json_is(json_member(at, "model"), model))
				return TAIL_YES;
	return TAIL_NO;
}

static enum tail_match
match_table(const struct json *line, const struct option_list *patterns)
{
	const struct json *table = json_member(line, "table");
	const char *name;

	if (table == NULL || table->kind != JSON_STRING)
		return TAIL_NO;
	name = strchr(table->text, '.');
	for (size_t i = 0; i < patterns->n; i++)
		if (fnmatch(patterns->items[i], table->text, 0) == 0 ||
		    (name != NULL &&
			fnmatch(patterns->items[i], name + 1, 0) == 0))
			return TAIL_YES;
	return TAIL_NO;
}

/* What was removed was a key, or all keys that match a pattern. */
static bool
covers(const struct json *removed, const char *key)
{
	return removed->kind == JSON_STRING &&
	       (strcmp(removed->text, key) == 0 ||
		   fnmatch(removed->text, key, 0) == 0);
}

static enum tail_match
match_key(const struct json *line, const char *key)
{
	const struct json *one = json_member(line, "key");
	const struct json *keys = json_member(line, "first_keys");
	size_t told = 0;

	if (one != NULL && covers(one, key))
		return TAIL_YES;
	if (keys != NULL && keys->kind == JSON_ARRAY) {
		told = keys->n_children;
		for (const struct json *at = keys->first; at != NULL;
		     at = at->next)
			if (covers(at, key))
				return TAIL_YES;
	}
	if (json_member(line, "models") == NULL)
		return TAIL_NO;
	return json_int(line, "keys") + json_int(line, "patterns") >
		       (int64_t)told
		   ? TAIL_MAYBE
		   : TAIL_NO;
}

enum tail_match
tail_line_match(const struct json *line, const struct tail_filter *filter)
{
	enum tail_match result = TAIL_YES;

	if (filter->model == NULL && filter->tables->n == 0 &&
	    filter->key == NULL)
		return TAIL_YES;
	if (is_sum(line))
		return TAIL_MAYBE;
	if (filter->model != NULL)
		result = both(result, match_model(line, filter->model));
	if (filter->tables->n > 0)
		result = both(result, match_table(line, filter->tables));
	if (filter->key != NULL)
		result = both(result, match_key(line, filter->key));
	return result;
}
