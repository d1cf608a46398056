/*
 * The operator's settings: pgripple.yaml.  One table in settings_table.c has
 * every key with type, range, default and help; docs/settings.md is checked
 * against it.
 */
#ifndef PGRIPPLE_CONFIG_SETTINGS_H
#define PGRIPPLE_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

enum notify_mode {
	NOTIFY_MODE_ADAPTIVE, /* only while the daemon sleeps */
	NOTIFY_MODE_ALWAYS,
	NOTIFY_MODE_NEVER,
};

const char *notify_mode_name(enum notify_mode mode);

#define SETTINGS_DEFAULT_TARGET "default"

/* A Redis, or a part of one, that rules may name. */
struct settings_target {
	const char *name;
	const char *url;
	const char *password_file; /* may be empty; see config/login.h */
	const char *prefix; /* of all its keys; may be empty */
	int64_t connect_timeout_ms;
	int64_t command_timeout_ms;
};

/* Times are in milliseconds. */
struct settings {
	const char *file; /* as given by the user */
	const char *graph; /* path; relative ones start at the settings file */
	const char *mode; /* apply, observe */

	struct {
		const char *conninfo;
		const char *password_file;
		const char *schema;
		enum notify_mode notify;
		int64_t poll_interval_ms;
		int64_t connect_timeout_ms;
		int64_t statement_timeout_ms;
		int64_t heartbeat_ms;
		int64_t coverage_interval_ms;
		int64_t replica_timeout_ms; /* that a repeat waits */
		const char *on_crash; /* spread, ignore */
		const char *on_new_timeline;
	} postgres;

	struct {
		/* Of the target "default", and what others have that say
		 * nothing else. */
		const char *url;
		const char *password_file;
		const char *prefix;
		int64_t connect_timeout_ms;
		int64_t command_timeout_ms;
		int64_t sentinel_interval_ms;
		int64_t target_patience_ms;
		int64_t look_interval_ms; /* at the mark */
		int64_t replay_memory; /* bytes */
		/* All of them, at least one; "default", if there is one, is
		 * the first. */
		struct settings_target *targets;
		size_t n_targets;
	} redis;

	struct {
		int64_t memory_limit; /* bytes, of the process */
		int64_t batch_rows;
		int64_t batch_bytes;
		int64_t touched_rows;
		int64_t lookup_rows;
		int64_t bulk_rows;
		int64_t rejected_rows;
		int64_t tag_members; /* unlinked at once */
		int64_t postponed_tasks;
		int64_t postponed_bytes; /* of them */
		int64_t reply_bytes; /* of Redis */
	} limits;

	struct {
		int64_t scan_count; /* keys looked at in one step */
		int64_t scan_pause_ms; /* between two steps */
		int64_t spread_ms; /* the least that a scan takes */
		int64_t max_rows; /* that may wait to be repeated */
	} tasks;

	struct {
		const char *listen; /* address and port, or "off" */
		int64_t connections;
		int64_t streams;
		int64_t stream_bytes; /* that one may be behind */
		int64_t timeout_ms; /* of a request and its answer */
		int64_t look_interval_ms; /* at what waits */
		int64_t canary_interval_ms; /* 0: never */
	} http;

	struct {
		const char *level; /* error, warning, info, debug */
		const char *format; /* auto, json, text */
		bool values;
		int64_t changes_per_second; /* lines; above it a summary */
	} log;

	int64_t retry_max_ms; /* bound of the pause between attempts */
	int64_t drain_timeout_ms; /* at SIGTERM */

	struct arena *arena; /* owns the strings */
};

/* Reads the file; every fault is added to *errors.  0, or -1 when errors were
 * added. */
int settings_load(const char *path, struct pgripple_errors *errors,
    struct settings **ret_settings) MUST_CHECK;
void settings_free(struct settings *settings);

/* Nothing may be sent to Redis. */
bool settings_observes(const struct settings *settings);

/* Of one lookup: none needs more rows than a batch may touch. */
int64_t settings_max_lookup_rows(const struct settings *settings);

/* The longest of any target. */
int64_t settings_max_command_timeout_ms(const struct settings *settings);

/* The path of the first setting that differs and that a reload cannot take
 * over, or NULL. */
const char *settings_fixed_difference(
    const struct settings *running, const struct settings *candidate);

/* Appends every key as a Markdown table: path, type, default, whether a reload
 * takes it over, help.  docs/settings.md holds it. */
struct buf;
void settings_print_reference(struct buf *buf);

#endif
