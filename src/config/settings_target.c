/*
 * The targets of pgripple.yaml: "default", which is redis.url, and those of
 * redis.targets.
 */
#include <stdio.h>
#include <string.h>

#include <pgripple/graph.h>

#include "base/arena.h"
#include "base/closest.h"
#include "config/settings_table.h"
#include "config/yaml.h"

#define MAX_NAME 63

static const char *
name_in_target(const struct setting *setting)
{
	return strrchr(setting->path, '.') + 1;
}

static bool
check_name(const struct node *key, struct pgripple_errors *errors)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";
	struct pgripple_error *e;

	if (strcmp(key->text, SETTINGS_DEFAULT_TARGET) == 0) {
		e = pgripple_errors_add(errors, key->at,
		    "the target \"%s\" cannot be among the others", key->text);
		pgripple_error_hint(e, "It is what \"url\" of \"redis\" says.");
		return false;
	}
	if (*key->text != '\0' && strlen(key->text) <= MAX_NAME &&
	    key->text[strspn(key->text, letters)] == '\0')
		return true;
	e = pgripple_errors_add(errors, key->at,
	    "\"%.80s\" cannot be the name of a target", key->text);
	pgripple_error_hint(e,
	    "Use letters, digits, underscores and hyphens, at most %d.",
	    MAX_NAME);
	return false;
}

static void
add_unknown(
    const struct node *key, const char *target, struct pgripple_errors *errors)
{
	const char *names[8];
	const char *near;
	struct pgripple_error *e;

	for (size_t i = 0; i < settings_target_table_size; i++)
		names[i] = name_in_target(&settings_target_table[i]);
	near = closest(key->text, names, settings_target_table_size);
	e = pgripple_errors_add(errors, key->at,
	    "unknown key \"%.80s\" in target \"%s\"", key->text, target);
	if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
}

/* Messages name the setting as this target has it. */
static void
read_entry(struct settings *settings, const struct node *value,
    struct settings_target *target, struct pgripple_errors *errors)
{
	char path[128];

	for (size_t i = 0; i < settings_target_table_size; i++) {
		struct setting setting = settings_target_table[i];
		const char *name = name_in_target(&setting);

		if (strcmp(name, value->key->text) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "redis.targets.%s.%s",
		    target->name, name);
		setting.path = path;
		/* An empty prefix is one, an empty file is none; nothing else
		 * may be empty. */
		if (setting.type == SETTING_TEXT)
			setting.initial = "";
		setting_read(&setting, value, settings->arena, target, errors);
		return;
	}
	add_unknown(value->key, target->name, errors);
}

static void
read_target(struct settings *settings, const struct node *map,
    struct settings_target *target, struct pgripple_errors *errors)
{
	size_t n_before = errors->n_items;
	struct pgripple_error *e;

	if (map->kind != NODE_MAP) {
		e = pgripple_errors_add(errors, map->at,
		    "target \"%s\" must be a map, not %s", target->name,
		    node_kind_name(map->kind));
		pgripple_error_hint(
		    e, "Write %s: { url: \"redis://...\" }.", target->name);
		return;
	}
	for (size_t i = 0; i < map->n_children; i++)
		read_entry(settings, &map->children[i], target, errors);
	if (target->url == NULL && errors->n_items == n_before)
		pgripple_errors_add(errors, map->key->at,
		    "target \"%s\" has no \"url\"", target->name);
}

void
settings_read_targets(struct settings *settings, const struct node *map,
    struct pgripple_errors *errors)
{
	struct settings_target *targets;
	struct pgripple_error err;

	if (map->kind == NODE_NULL)
		return; /* all of them commented out */
	if (map->kind != NODE_MAP) {
		struct pgripple_error *e = pgripple_errors_add(errors, map->at,
		    "\"targets\" must be a map, not %s",
		    node_kind_name(map->kind));

		pgripple_error_hint(e,
		    "Write each target as its name and a colon, without a "
		    "dash, and its keys indented below.");
		return;
	}
	if (map->n_children >= PGRIPPLE_MAX_TARGETS) {
		pgripple_errors_add(errors, map->at,
		    "%zu targets are more than the %d that can be used",
		    map->n_children, PGRIPPLE_MAX_TARGETS - 1);
		return;
	}
	/* Room for the default one as well. */
	targets =
	    arena_array(settings->arena, map->n_children + 1, sizeof(*targets));
	settings->redis.targets = targets;
	for (size_t i = 0; targets != NULL && i < map->n_children; i++) {
		const struct node *key = map->children[i].key;
		struct settings_target *target =
		    &targets[settings->redis.n_targets];

		if (!check_name(key, errors))
			continue;
		target->name = arena_strdup(settings->arena, key->text);
		if (target->name == NULL)
			targets = NULL;
		else
			read_target(
			    settings, &map->children[i], target, errors);
		settings->redis.n_targets++;
	}
	if (targets == NULL) {
		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(errors, &err);
	}
}

static void
inherit(const struct settings *settings, struct settings_target *target)
{
	if (target->password_file == NULL)
		target->password_file = "";
	if (target->prefix == NULL)
		target->prefix = "";
	if (target->connect_timeout_ms == 0)
		target->connect_timeout_ms = settings->redis.connect_timeout_ms;
	if (target->command_timeout_ms == 0)
		target->command_timeout_ms = settings->redis.command_timeout_ms;
}

int
settings_list_targets(
    struct settings *settings, bool has_default, struct pgripple_error *err)
{
	struct settings_target *targets = settings->redis.targets;
	size_t n = settings->redis.n_targets;

	if (targets == NULL)
		targets = arena_array(settings->arena, 1, sizeof(*targets));
	if (targets == NULL)
		return pgripple_error_nomem(err);
	if (has_default || n == 0) {
		memmove(targets + 1, targets, n * sizeof(*targets));
		targets[0] = (struct settings_target){
		    .name = SETTINGS_DEFAULT_TARGET,
		    .url = settings->redis.url,
		    .password_file = settings->redis.password_file,
		    .prefix = settings->redis.prefix,
		};
		n++;
	}
	for (size_t i = 0; i < n; i++)
		inherit(settings, &targets[i]);
	settings->redis.targets = targets;
	settings->redis.n_targets = n;
	return 0;
}

int64_t
settings_max_command_timeout_ms(const struct settings *settings)
{
	int64_t max = 0;

	for (size_t i = 0; i < settings->redis.n_targets; i++)
		if (settings->redis.targets[i].command_timeout_ms > max)
			max = settings->redis.targets[i].command_timeout_ms;
	return max;
}
