/*
 * The targets: a connection to each Redis of the settings, a watch over its
 * mark (flow/replay.h), and whether the others have to wait for it.
 *
 * With several targets one that is down, or that refuses what it is told,
 * holds up the others for redis.target_patience.  Then it is postponed: what
 * is for it becomes tasks, until it is back.  A target that is alone is never
 * postponed, for nobody would be the better for it.
 */
#ifndef PGRIPPLE_FLOW_TARGETS_H
#define PGRIPPLE_FLOW_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "config/settings.h"
#include "flow/replay.h"
#include "flow/target_states.h"
#include "postgres/state.h"
#include "redis/apply.h"

struct buf;
struct event_base;
struct redis_connection;
struct session;
struct targets;

struct targets_listener {
	void *context;
	/* A state changed: others may do now what they could not. */
	void (*on_change)(void *context);
	/* One wants the work session, or is done with it; tasks were added;
	 * another daemon has claimed the state; it is not known whether a
	 * statement has changed it. */
	void (*on_turn)(void *context);
	void (*on_tasks)(void *context);
	void (*on_claimed_by_other)(void *context);
	void (*on_in_doubt)(void *context);
};

/* The settings are borrowed until targets_configure() gives others, which have
 * the same targets.  -1: NOMEM, CONFIG. */
int targets_new(struct event_base *base, const struct settings *settings,
    const struct targets_listener *listener, struct targets **ret_targets,
    struct pgripple_error *err) MUST_CHECK;
void targets_free(struct targets *targets);
void targets_configure(struct targets *targets, const struct settings *settings,
    const struct pgripple_graph *graph);
/* Begins to connect to all. */
void targets_start(struct targets *targets);

size_t targets_count(const struct targets *targets);
const char *targets_name(const struct targets *targets, size_t target);
/* False if there is none of that name. */
bool targets_find(
    const struct targets *targets, const char *name, size_t *ret_target);
struct redis_connection *targets_connection(
    const struct targets *targets, size_t target);
enum target_state targets_state(const struct targets *targets, size_t target);
/* Bit 1 << number of each that is postponed. */
uint32_t targets_postponed(const struct targets *targets);
/* Nobody is awaited, and not all are postponed; if not, *ret_missing is the
 * one that is missing. */
bool targets_may_go_on(const struct targets *targets, size_t *ret_missing);

/* What is to be claimed in Postgres, as long as the targets live; what a claim
 * answered; and that it does not hold any more. */
const struct state_claim *targets_claim(const struct targets *targets);
void targets_take_claim(
    struct targets *targets, const struct state_row *rows, size_t n_rows);
void targets_disown(struct targets *targets);
/* Before each claim: it has a name of its own, so that a statement that was
 * sent before it, and comes after it, is refused. */
void targets_rename(struct targets *targets);

/* A name for a batch: no other one, of no daemon, ever has it. */
void targets_name_batch(struct targets *targets, char name[MEMORY_NAME]);
struct replay *targets_replay(const struct targets *targets, size_t target);
/* One has a statement for the work session; one is under way. */
bool targets_want_session(const struct targets *targets);
bool targets_use_session(const struct targets *targets);
void targets_take_turn(struct targets *targets, struct session *work);

/* What came of operations that were applied to it. */
void targets_note(
    struct targets *targets, size_t target, enum redis_apply_outcome outcome);

/* Appends JSON: names and servers of all; names of a set. */
void targets_print_servers(const struct targets *targets, struct buf *buf);
void targets_print(
    const struct targets *targets, uint32_t set, struct buf *buf);

#endif
