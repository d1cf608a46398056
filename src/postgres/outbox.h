/*
 * The outbox: changes are fetched, and when Redis has confirmed them they are
 * acknowledged, that is, deleted.  No transaction is open in between.
 */
#ifndef PGRIPPLE_POSTGRES_OUTBOX_H
#define PGRIPPLE_POSTGRES_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/session.h"
#include "postgres/state.h"

struct outbox_row {
	int64_t id;
	uint64_t xid; /* the writer's transaction */
	int64_t wall_us; /* when the trigger ran */
	/* When it was committed; 0 unless Postgres has track_commit_timestamp
	 * and still knows. */
	int64_t commit_us;
	const char *change; /* JSON */
	size_t length;
	/* Where the WAL ends, past the commits of all rows; "" unless asked
	 * for. */
	const char *lsn;
};

struct outbox_bounds {
	int64_t above_id; /* the low-water mark: 0 for the whole outbox */
	int64_t max_rows;
	int64_t max_bytes; /* of all changes; one row is always given */
	bool with_lsn;
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

/* When a task is added. */
enum outbox_room {
	OUTBOX_ALWAYS,
	OUTBOX_IF_ROOM, /* unless more than max_tasks would wait */
	OUTBOX_IF_FULL, /* instead of all of those */
};

struct outbox_task {
	const char *operation; /* JSON */
	/* A repeat, due so many ms from now, or PGRIPPLE_REPEAT_REPLICAS; 0: to
	 * be done at once. */
	int64_t after_ms;
	enum outbox_room room;
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
	/* One that waits already is not added again; a repeat that waits is
	 * due later instead, for what it repeats has just been done. */
	const struct outbox_task *tasks;
	size_t n_tasks;
	int64_t max_tasks;
	/* What repeats wait for that wait for replicas, and for how long. */
	const char *lsn;
	int64_t replica_timeout_ms;
	/* Of the changes that made them: the span of their transactions; 0 if
	 * any transaction may be behind them.  Repeats have none: what they do
	 * has been done once. */
	uint64_t from_xid;
	uint64_t to_xid;
	/* What waits is counted up to so many tasks; 0: it is not. */
	int64_t count_tasks_to;
	/* Keys of pings, told on the channel with "_pong". */
	const char *const *pongs;
	size_t n_pongs;
	/* The marks that were set behind what is acknowledged. */
	struct state_change state;
	/* A crash of the server must not take it back.  Of a batch it may:
	 * its changes come back with it. */
	bool is_durable;
};

/* n_gone counts the rows that left the outbox. */
struct outbox_acknowledged {
	size_t n_gone;
	/* Tasks, with those added, and their bytes: if they are counted. */
	size_t n_waiting;
	size_t n_waiting_bytes;
	size_t n_dropped; /* rejected rows that had to make room */
	bool is_full; /* there was no room for all repeats */
	/* FAILED: another daemon works; nothing was acknowledged. */
	bool is_claimed_by_other;
};

/* LOST: perhaps done, perhaps not; whatever is still there is fetched again. */
typedef void (*outbox_acknowledge_cb)(void *context,
    enum session_outcome outcome, const struct outbox_acknowledged *answer,
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
