/*
 * The outbox: changes are fetched, and when Redis has confirmed them they are
 * acknowledged, that is, deleted.  No transaction is open in between.
 */
#ifndef PGRIPPLE_POSTGRES_OUTBOX_H
#define PGRIPPLE_POSTGRES_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/session.h"

struct outbox_row {
	int64_t id;
	uint64_t xid; /* the writer's transaction */
	int64_t wall_us; /* when the trigger ran */
	const char *change; /* JSON */
	size_t length;
};

struct outbox_bounds {
	int64_t above_id; /* the low-water mark: 0 for the whole outbox */
	int64_t max_rows;
	int64_t max_bytes; /* of all changes; one row is always given */
};

/* The rows are lent for the callback; there are none unless DONE. */
typedef void (*outbox_fetch_cb)(void *context, enum session_outcome outcome,
    const struct outbox_row *rows, size_t n_rows,
    const struct pgripple_error *err);

/* The oldest rows above an id, by id.  -1: not accepted. */
int outbox_fetch(struct session *session, const char *schema,
    const struct outbox_bounds *bounds, outbox_fetch_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

struct outbox_rejection {
	int64_t id;
	const char *reason;
};

/* Borrowed for the call. */
struct outbox_acknowledgement {
	const int64_t *ids; /* applied, to be deleted */
	size_t n_ids;
	/* Not understood: moved to "rejected", where the newest
	 * max_rejected rows are kept. */
	const struct outbox_rejection *rejections;
	size_t n_rejections;
	int64_t max_rejected;
	/* Operations to be done as tasks, JSON.  One that waits already is not
	 * added again. */
	const char *const *tasks;
	size_t n_tasks;
	/* Of the changes that made them: the span of their transactions; 0 if
	 * any transaction may be behind them. */
	uint64_t from_xid;
	uint64_t to_xid;
	/* How many tasks wait is counted up to this; 0: it is not. */
	int64_t count_tasks_to;
	/* Keys of pings, told on the channel with "_pong". */
	const char *const *pongs;
	size_t n_pongs;
};

/* LOST: perhaps done, perhaps not; whatever is still there is fetched again.
 * The answer is lent. */
struct outbox_acknowledged {
	size_t n_gone; /* rows that left the outbox */
	size_t n_waiting; /* tasks, with those added */
};
typedef void (*outbox_acknowledge_cb)(void *context,
    enum session_outcome outcome,
    const struct outbox_acknowledged *acknowledged,
    const struct pgripple_error *err);

/* All of it in one statement.  -1: not accepted. */
int outbox_acknowledge(struct session *session, const char *schema,
    const struct outbox_acknowledgement *acknowledgement,
    outbox_acknowledge_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

/* The marks that must stay for now, lent for the callback. */
typedef void (*outbox_claim_cb)(void *context, enum session_outcome outcome,
    const int64_t *ids, size_t n_ids, const struct pgripple_error *err);

/* Of changes that stand for others (past the limit of the outbox, or while
 * capture was switched off): tells those which a transaction still hides
 * behind, and keeps others from hiding.  To be called before they are applied;
 * what is told must not be acknowledged.  -1: not accepted. */
int outbox_claim(struct session *session, const char *schema,
    const int64_t *ids, size_t n_ids, outbox_claim_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
