/*
 * The tables of settings, and reading one value.  Private to
 * config/settings*.c.
 */
#ifndef PGRIPPLE_CONFIG_SETTINGS_TABLE_H
#define PGRIPPLE_CONFIG_SETTINGS_TABLE_H

#include "base/util.h"
#include "config/settings.h"

struct arena;

enum setting_type {
	SETTING_TEXT, /* const char * */
	SETTING_SCHEMA, /* const char *: a plain identifier */
	SETTING_URL, /* const char *: of a Redis server */
	SETTING_LISTEN, /* const char *: an address, or "off" */
	SETTING_CHOICE, /* const char *: one of the choices */
	SETTING_NOTIFY, /* enum notify_mode: one of the choices */
	SETTING_FLAG, /* bool */
	SETTING_DURATION, /* int64_t, in milliseconds */
	SETTING_SIZE, /* int64_t, in bytes */
	SETTING_COUNT, /* int64_t */
};

struct setting {
	const char *path; /* "postgres.conninfo" */
	enum setting_type type;
	size_t offset; /* in struct settings, or struct settings_target */
	const char *initial; /* as in the file */
	int64_t min; /* of numbers */
	int64_t max;
	const char *choices; /* "error, warning, info, debug" */
	bool reloadable;
	const char *help;
};

extern const struct setting settings_table[];
extern const size_t settings_table_size;
/* Of each of redis.targets; "initial" is only for people to read. */
extern const struct setting settings_target_table[];
extern const size_t settings_target_table_size;

/* Reads the value of a setting into the struct that it is a member of; text is
 * copied to the arena.  CONFIG error without a position; it never holds what
 * may contain a password. */
int setting_parse(const struct setting *setting, const char *text,
    struct arena *arena, void *object, struct pgripple_error *err) MUST_CHECK;
bool setting_is_equal(
    const struct setting *setting, const void *a, const void *b);

/* The same from a node, whose faults are added to *errors. */
struct node;
void setting_read(const struct setting *setting, const struct node *value,
    struct arena *arena, void *object, struct pgripple_errors *errors);

/* settings_target.c: the map redis.targets, and when all was read the list of
 * all targets.  has_default: redis.url was given. */
void settings_read_targets(struct settings *settings, const struct node *map,
    struct pgripple_errors *errors);
int settings_list_targets(struct settings *settings, bool has_default,
    struct pgripple_error *err) MUST_CHECK;

#endif
