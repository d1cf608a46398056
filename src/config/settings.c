/*
 * Reading pgripple.yaml.
 */
#include "config/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/closest.h"
#include "config/settings_table.h"
#include "config/yaml.h"

struct reader {
	struct settings *settings;
	struct pgripple_errors *errors;
	bool has_redis_url;
};

/* The part of a path behind "section.", or the whole path at the top level
 * (section NULL); NULL if the setting is not there. */
static const char *
name_within(const struct setting *setting, const char *section)
{
	size_t n;

	if (section == NULL)
		return strchr(setting->path, '.') == NULL ? setting->path
							  : NULL;
	n = strlen(section);
	if (strncmp(setting->path, section, n) != 0 || setting->path[n] != '.')
		return NULL;
	return setting->path + n + 1;
}

static bool
is_section(const char *name)
{
	for (size_t i = 0; i < settings_table_size; i++)
		if (name_within(&settings_table[i], name) != NULL)
			return true;
	return false;
}

/* The section that has a setting of this name, if exactly one has. */
static const char *
find_home(const char *name, char *buffer, size_t size)
{
	const char *home = NULL;

	for (size_t i = 0; i < settings_table_size; i++) {
		const char *path = settings_table[i].path;
		const char *dot = strchr(path, '.');

		if (dot == NULL || strcmp(dot + 1, name) != 0)
			continue;
		if (home != NULL)
			return NULL;
		(void)snprintf(buffer, size, "%.*s", (int)(dot - path), path);
		home = buffer;
	}
	return home;
}

/* The known name nearest to a mistyped one. */
static const char *
find_near(const char *name, const char *section)
{
	static const char *const sections[] = {
	    "postgres", "redis", "limits", "tasks", "log"};
	const char *names[64];
	size_t n = 0;

	for (size_t i = 0; i < settings_table_size && n < 50; i++) {
		names[n] = name_within(&settings_table[i], section);
		n += names[n] != NULL;
	}
	for (size_t i = 0; section == NULL && i < N_ELEMENTS(sections); i++)
		names[n++] = sections[i];
	if (section != NULL && strcmp(section, "redis") == 0)
		names[n++] = "targets";
	return closest(name, names, n);
}

static void
add_unknown(struct reader *r, const struct node *key, const char *section)
{
	char buffer[40];
	const char *home = find_home(key->text, buffer, sizeof(buffer));
	const char *near = find_near(key->text, section);
	struct pgripple_error *e;

	if (section == NULL)
		e = pgripple_errors_add(
		    r->errors, key->at, "unknown key \"%.80s\"", key->text);
	else
		e = pgripple_errors_add(r->errors, key->at,
		    "unknown key \"%.80s\" in \"%s\"", key->text, section);
	if (strcmp(key->text, "models") == 0 ||
	    strcmp(key->text, "relations") == 0)
		pgripple_error_hint(e,
		    "Models and relations have a file of their own, which "
		    "\"graph\" names.");
	else if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
	else if (home != NULL)
		pgripple_error_hint(
		    e, "\"%s\" belongs to \"%s\".", key->text, home);
}

void
setting_read(const struct setting *setting, const struct node *value,
    struct arena *arena, void *object, struct pgripple_errors *errors)
{
	struct pgripple_error err, *e;

	if (value->kind == NODE_NULL) {
		e = pgripple_errors_add(
		    errors, value->at, "\"%s\" has no value", setting->path);
		pgripple_error_hint(
		    e, "Leave the line out to have the default.");
		return;
	}
	if (value->kind != NODE_SCALAR) {
		e = pgripple_errors_add(errors, value->at,
		    "\"%s\" must be text, not %s", setting->path,
		    node_kind_name(value->kind));
		pgripple_error_hint(
		    e, "Text with braces or brackets must be in quotes.");
		return;
	}
	if (setting_parse(setting, value->text, arena, object, &err) == 0)
		return;
	err.at = value->at;
	pgripple_errors_take(errors, &err);
}

static void
read_value(
    struct reader *r, const struct node *value, const struct setting *setting)
{
	r->has_redis_url |= strcmp(setting->path, "redis.url") == 0;
	setting_read(
	    setting, value, r->settings->arena, r->settings, r->errors);
}

static void read_map(
    struct reader *r, const struct node *map, const char *section);

static void
read_section(struct reader *r, const struct node *value)
{
	const char *section = value->key->text;
	struct pgripple_error *e;

	if (value->kind == NODE_NULL)
		return; /* all of it commented out */
	if (value->kind == NODE_MAP) {
		read_map(r, value, section);
		return;
	}
	e = pgripple_errors_add(r->errors, value->at,
	    "\"%s\" must be a map, not %s", section,
	    node_kind_name(value->kind));
	if (value->kind == NODE_SCALAR && strchr(value->text, ':') != NULL)
		pgripple_error_hint(e, "Write a space after each colon.");
	else
		pgripple_error_hint(e,
		    "Write its keys in the lines below, indented and without "
		    "dashes.");
}

/* The top level (section NULL), or one of its sections. */
static void
read_map(struct reader *r, const struct node *map, const char *section)
{
	for (size_t i = 0; i < map->n_children; i++) {
		const struct node *value = &map->children[i];
		const struct setting *setting = NULL;

		for (size_t j = 0; j < settings_table_size; j++) {
			const char *name =
			    name_within(&settings_table[j], section);

			if (name != NULL && strcmp(name, value->key->text) == 0)
				setting = &settings_table[j];
		}
		if (setting != NULL)
			read_value(r, value, setting);
		else if (section == NULL && is_section(value->key->text))
			read_section(r, value);
		else if (section != NULL && strcmp(section, "redis") == 0 &&
			 strcmp(value->key->text, "targets") == 0)
			settings_read_targets(r->settings, value, r->errors);
		else
			add_unknown(r, value->key, section);
	}
}

/* A path that starts at the folder of the settings file. */
static const char *
resolve_path(struct arena *arena, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (*path == '/' || slash == NULL)
		return path;
	return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

static int
set_defaults(struct settings *settings, struct pgripple_error *err)
{
	for (size_t i = 0; i < settings_table_size; i++)
		if (setting_parse(&settings_table[i], settings_table[i].initial,
			settings->arena, settings, err) < 0)
			return -1;
	return 0;
}

static struct settings *
settings_new(const char *path, struct pgripple_error *err)
{
	struct arena *arena = arena_new();
	struct settings *settings;

	settings = arena == NULL ? NULL : arena_alloc(arena, sizeof(*settings));
	if (settings == NULL) {
		arena_free(arena);
		(void)pgripple_error_nomem(err);
		return NULL;
	}
	settings->arena = arena;
	settings->file = arena_strdup(arena, path);
	if (settings->file == NULL)
		(void)pgripple_error_nomem(err);
	if (settings->file == NULL || set_defaults(settings, err) < 0) {
		settings_free(settings);
		return NULL;
	}
	return settings;
}

static void
read_file(struct reader *r, const char *path)
{
	struct arena *arena = arena_new();
	struct node *root = NULL;
	struct pgripple_error err, *e;

	if (arena == NULL) {
		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(r->errors, &err);
		return;
	}
	(void)!yaml_load(arena, path, r->errors, &root); /* they are counted */
	if (root != NULL && root->kind == NODE_MAP) {
		read_map(r, root, NULL);
	} else if (root != NULL && root->kind != NODE_NULL) {
		e = pgripple_errors_add(r->errors, root->at,
		    "the file must be a map, not %s",
		    node_kind_name(root->kind));
		pgripple_error_hint(e,
		    "Begin it with \"postgres:\"; write a space after each "
		    "colon.");
	}
	arena_free(arena);
}

static size_t
count(const struct pgripple_errors *errors)
{
	return errors->n_items + errors->n_dropped;
}

int
settings_load(const char *path, struct pgripple_errors *errors,
    struct settings **ret_settings)
{
	struct pgripple_error err;
	struct settings *settings = settings_new(path, &err);
	struct reader r = {.settings = settings, .errors = errors};
	size_t n_before = count(errors);

	if (settings == NULL) {
		pgripple_errors_take(errors, &err);
		return -1;
	}
	read_file(&r, path);
	settings->graph =
	    resolve_path(settings->arena, settings->file, settings->graph);
	if (settings->graph == NULL)
		(void)pgripple_error_nomem(&err);
	if (settings->graph == NULL ||
	    settings_list_targets(settings, r.has_redis_url, &err) < 0)
		pgripple_errors_take(errors, &err);
	if (count(errors) != n_before) {
		settings_free(settings);
		return -1;
	}
	*ret_settings = settings;
	return 0;
}

void
settings_free(struct settings *settings)
{
	if (settings != NULL)
		arena_free(settings->arena);
}

int64_t
settings_max_lookup_rows(const struct settings *settings)
{
	return settings->limits.lookup_rows < settings->limits.touched_rows
		   ? settings->limits.lookup_rows
		   : settings->limits.touched_rows;
}

bool
settings_observes(const struct settings *settings)
{
	return strcmp(settings->mode, "observe") == 0;
}

static bool
has_equal_targets(const struct settings *a, const struct settings *b)
{
	if (a->redis.n_targets != b->redis.n_targets)
		return false;
	for (size_t i = 0; i < a->redis.n_targets; i++) {
		const struct settings_target *x = &a->redis.targets[i];
		const struct settings_target *y = &b->redis.targets[i];

		if (strcmp(x->name, y->name) != 0)
			return false;
		for (size_t j = 0; j < settings_target_table_size; j++)
			if (!setting_is_equal(&settings_target_table[j], x, y))
				return false;
	}
	return true;
}

const char *
settings_fixed_difference(
    const struct settings *running, const struct settings *candidate)
{
	for (size_t i = 0; i < settings_table_size; i++)
		if (!settings_table[i].reloadable &&
		    !setting_is_equal(&settings_table[i], running, candidate))
			return settings_table[i].path;
	return has_equal_targets(running, candidate) ? NULL : "redis.targets";
}
