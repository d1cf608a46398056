/*
 * The text of a YAML file: its lines and places, and what can be said of it
 * before a parser looks at it.  Private to config/yaml*.c.
 */
#ifndef PGRIPPLE_CONFIG_YAML_SOURCE_H
#define PGRIPPLE_CONFIG_YAML_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "base/util.h"

struct arena;

struct yaml_source {
	const char *file;
	const char *text; /* without a byte order mark */
	size_t length;
	size_t *lines; /* where each line begins; one more than there are */
	size_t n_lines;
};

/* Finds the lines.  -1 when out of memory. */
int yaml_source_init(struct yaml_source *source, struct arena *arena,
    const char *file, const char *text, size_t length) MUST_CHECK;

/* Size, encoding, control characters and tabs.  0, or -1 when errors were
 * added: the parser would only say so less clearly, or not at all. */
int yaml_source_check(const struct yaml_source *source,
    struct pgripple_errors *errors) MUST_CHECK;

/* libyaml counts from 0 and in characters, we from 1 and in bytes. */
struct pgripple_position yaml_source_position(
    const struct yaml_source *source, const yaml_mark_t *mark);
size_t yaml_source_offset(
    const struct yaml_source *source, const yaml_mark_t *mark);
/* The position of a byte. */
struct pgripple_position yaml_source_place(
    const struct yaml_source *source, size_t offset);
/* A line without its end, counted from 0; empty past the last. */
const char *yaml_source_line(
    const struct yaml_source *source, size_t line, size_t *ret_length);

/* Adds the error on which the parser stopped, in words that say what to write
 * instead. */
void yaml_explain(const struct yaml_source *source, const yaml_parser_t *parser,
    struct pgripple_errors *errors);

#endif
