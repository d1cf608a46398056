/*
 * SQL identifiers as people write them: app_team, public.app_team,
 * "My Schema"."Order".
 */
#ifndef PGRIPPLE_BASE_IDENT_H
#define PGRIPPLE_BASE_IDENT_H

#include <stddef.h>

#include "base/util.h"

struct arena;
struct buf;

/* Splits "name" or "schema.name"; quoted parts keep their letters, others are
 * folded to lower case as Postgres does.  *ret_schema is NULL where none was
 * written.  INPUT error otherwise. */
int ident_parse(struct arena *arena, const char *text, size_t length,
    const char **ret_schema, const char **ret_name,
    struct pgripple_error *err) MUST_CHECK;

/* Appends the identifier, in quotes unless it is plain lower case. */
void ident_print(struct buf *buf, const char *name);

#endif
