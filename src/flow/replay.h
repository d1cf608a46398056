/*
 * Watches over a target's mark: whether its Redis holds all that was
 * acknowledged, and what is to be done if not (docs/protocols.md, "The life of
 * a batch").
 *
 * On each new connection, before anything is sent, the mark is looked at.  If
 * it is that of an older batch, Redis has gone back: what came after it is
 * repeated, as tasks; if nobody remembers that batch, whole models are touched.
 * Then the target may be used.  It is looked at again from time to time.
 */
#ifndef PGRIPPLE_FLOW_REPLAY_H
#define PGRIPPLE_FLOW_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include <pgripple/graph.h>
#include <pgripple/plan.h>

#include "base/util.h"
#include "config/settings.h"
#include "flow/memory.h"
#include "flow/replay_states.h"
#include "postgres/state.h"
#include "redis/apply.h"
#include "redis/mark.h"

struct event_base;
struct redis_connection;
struct replay;
struct session;

struct replay_listener {
	void *context;
	/* The target may be used, or may not any more. */
	void (*on_ready)(void *context);
	void (*on_retired)(void *context);
	/* It wants the work session, or is done with it. */
	void (*on_turn)(void *context);
	/* Tasks were added. */
	void (*on_tasks)(void *context);
	/* Another daemon works: see replay_disown(). */
	void (*on_claimed_by_other)(void *context);
	/* It is not known whether the state was changed. */
	void (*on_in_doubt)(void *context);
};

struct replay_options {
	size_t target; /* in graph->targets */
	const char *name; /* its name */
	const char *owner; /* of the claim, by now */
	struct redis_connection *redis;
};

/* Copies the options, but what they point to is borrowed.  -1: NOMEM. */
int replay_new(struct event_base *base, const struct replay_options *options,
    const struct replay_listener *listener, struct replay **ret_replay,
    struct pgripple_error *err) MUST_CHECK;
/* After its connection, which completes what is under way. */
void replay_free(struct replay *replay);
/* Borrowed. */
void replay_configure(struct replay *replay, const struct settings *settings,
    const struct pgripple_graph *graph);

/* What its connection tells. */
void replay_on_up(struct replay *replay);
void replay_on_down(struct replay *replay);
/* What the claim answered.  Copied. */
void replay_claim(struct replay *replay, const struct state_row *row);
/* The claim does not hold any more: nothing is sent until the target is claimed
 * again. */
void replay_disown(struct replay *replay);

bool replay_is_claimed(const struct replay *replay);
bool replay_is_ready(const struct replay *replay);
/* Another number each time it becomes ready: what was sent before may be
 * lost. */
uint64_t replay_generation(const struct replay *replay);

/* It has a statement for the work session, which is given its turn, up and not
 * busy, by replay_take_turn(). */
bool replay_wants_session(const struct replay *replay);
bool replay_uses_session(const struct replay *replay);
void replay_take_turn(struct replay *replay, struct session *work);

/* The mark of a batch: one is under way at a time, from replay_prepare() until
 * it was acknowledged or dropped. */
struct replay_mark {
	struct redis_mark redis; /* points to what follows */
	char name[MEMORY_NAME];
	char text[REDIS_MARK_TEXT];
	char before[REDIS_MARK_TEXT];
	char replication_id[64];
	uint64_t generation;
};

/* -1: PEER, the target may not be used now. */
int replay_prepare(struct replay *replay, const char *name,
    struct replay_mark *ret_mark, struct pgripple_error *err) MUST_CHECK;
/* What came of the apply that set it. */
void replay_note(struct replay *replay, const struct replay_mark *mark,
    enum redis_apply_outcome outcome, const struct redis_apply_result *result);
/* What is acknowledged; lent until the next call.  -1: PEER, Redis may have
 * gone back since, so that it must not be. */
int replay_state_mark(const struct replay *replay,
    const struct replay_mark *mark, struct state_mark *ret_state,
    struct pgripple_error *err) MUST_CHECK;
/* It was acknowledged, or perhaps: these operations are remembered, or the
 * texts of these tasks. */
void replay_remember(struct replay *replay, const struct replay_mark *mark,
    const struct pgripple_operation *operations, size_t n_operations);
void replay_remember_task(struct replay *replay, const struct replay_mark *mark,
    const char *task, size_t length);

#endif
