/*
 * The low-water mark: an id below which the outbox has no row left and will
 * never have one again.  A fetch that begins there does not walk over the dead
 * rows of what was acknowledged, which a long-running snapshot keeps from being
 * vacuumed.
 *
 * Ids are drawn before their rows become visible, so the mark is raised in
 * steps, each a statement of its own: (1) the newest id that was drawn; (2) the
 * transactions that hold the lock which a writer takes before it draws an id
 * and keeps until its row is visible; (3) when none of those holds it any more,
 * the smallest id there is.  docs/protocols.md has the proof.
 */
#ifndef PGRIPPLE_POSTGRES_LOW_WATER_H
#define PGRIPPLE_POSTGRES_LOW_WATER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/session.h"

struct low_water;

/* Copies the schema's name.  The mark is 0: the whole outbox. */
int low_water_new(const char *schema, struct low_water **ret_low_water,
    struct pgripple_error *err) MUST_CHECK;
void low_water_free(struct low_water *low_water);

/* Fetch above this id. */
int64_t low_water_mark(const struct low_water *low_water);
/* Begins again with 0: after every connect, and once in a while. */
void low_water_reset(struct low_water *low_water);

/* Rows were acknowledged: there is a reason to raise it. */
void low_water_touch(struct low_water *low_water);
/* A step is due: at most one a second, and none while there is no reason. */
bool low_water_is_due(const struct low_water *low_water);

typedef void (*low_water_cb)(void *context);
/* Runs the next step; done is called in the end, whatever became of it (a
 * failed step begins again with the first).  -1: not accepted. */
int low_water_step(struct low_water *low_water, struct session *session,
    low_water_cb done, void *context, struct pgripple_error *err) MUST_CHECK;

#endif
