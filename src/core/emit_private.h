/*
 * What the parts of emit share: how an operation is put together, piece by
 * piece, and handed on.
 */
#ifndef PGRIPPLE_CORE_EMIT_PRIVATE_H
#define PGRIPPLE_CORE_EMIT_PRIVATE_H

#include "core/emit.h"
#include "core/template.h"

/* Begins with the prefix of the target; or with the pattern that matches it. */
void emitter_begin(struct emitter *emitter);
void emitter_begin_pattern(struct emitter *emitter);
/* What was added to the text since the last one is a piece: first the key, then
 * the values. */
void emitter_end_piece(struct emitter *emitter);
void emitter_add_piece(struct emitter *emitter, const char *text);
/* Hands the operation of the pieces on.  -1: see emit_touch(). */
int emitter_emit(struct emitter *emitter, enum pgripple_operation_kind kind,
    enum pgripple_operation_kind each, int64_t number) MUST_CHECK;

/* What is known of the row; NULL for the whole model. */
const struct pgripple_value *emitter_values(const struct emitter *emitter);
enum template_outcome emitter_judge(
    const struct emitter *emitter, const struct template *t);

/* emit_cacheops.c: the rule "cacheops". */
int emitter_emit_cacheops(struct emitter *emitter) MUST_CHECK;

#endif
