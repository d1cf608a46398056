/*
 * State: the name of the last acknowledged batch of each target, which the mark
 * in its Redis is compared with, and whose they are.
 */
#ifndef PGRIPPLE_POSTGRES_STATE_H
#define PGRIPPLE_POSTGRES_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "postgres/session.h"

struct buf;
struct request;

/* Who claims which targets. */
struct state_claim {
	const char *owner;
	const char *const *targets;
	size_t n_targets;
};

/* What a claim answers for each target; lent. */
struct state_row {
	const char *target;
	const char *mark_key; /* in Redis, without the target's prefix */
	const char *number; /* "" if nothing was ever acknowledged */
	const char *run_id; /* of the server that held it then */
	const char *replication_id;
};

/* What is acknowledged of a target. */
struct state_mark {
	const char *target;
	const char *number;
	const char *run_id;
	const char *replication_id;
};

/* Part of an acknowledgement, which fails as a whole if somebody else has
 * claimed one of the targets. */
struct state_change {
	const char *owner;
	const struct state_mark *marks;
	size_t n_marks;
};

/* Claims, by a statement of its own.  -1: not accepted. */
int state_claim(struct session *session, const char *schema,
    const struct state_claim *claim, session_answer_cb answer, void *context,
    struct pgripple_error *err) MUST_CHECK;
void state_read(const struct rows *rows, size_t row, struct state_row *ret_row);

/* Appends a call that notes the change, for the list of a SELECT. */
void state_print_change(struct request *request, const char *quoted_schema,
    const struct state_change *change);
/* The statement failed because another daemon has claimed a target. */
bool state_is_claimed_by_other(const struct session_answer *answer);

#endif
