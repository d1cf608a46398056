/*
 * The way of a batch: fetch, decode, resolve, plan, apply, acknowledge.
 *
 * Only batch_enter() writes the state, and batch_step() alone decides what an
 * event means (batch_states.c).  Whatever fails, the batch is dropped and its
 * rows, which are still in the outbox, are fetched again after a pause.
 */
#include "flow/batch.h"

#include <inttypes.h>
#include <string.h>

#include <event2/event.h>

#include <pgripple/change.h>
#include <pgripple/plan.h>
#include <pgripple/walk.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "flow/batch_states.h"
#include "flow/report.h"
#include "observe/log.h"
#include "postgres/catalog.h"
#include "postgres/lookup.h"
#include "postgres/outbox.h"
#include "redis/apply.h"

/* A pause after a failure starts at this length. */
#define FIRST_PAUSE_MS 50
#define STABLE_MS 5000
/* Before a mark that had to stay is fetched again. */
#define KEPT_PAUSE_MS 100

struct batch_ping {
	const char *key;
	int64_t wall_us; /* when it was written to the outbox */
};

struct batch {
	struct batch_peers peers;
	struct batch_listener listener;
	const struct settings *settings;
	const struct pgripple_graph *graph;
	const struct catalog *catalog;

	enum batch_state state;
	int64_t entered_us;
	struct event *pause;
	struct backoff backoff;
	uint64_t number; /* of batches so far: makes the nonce */

	/* Of the batch under way; NULL in between. */
	int64_t above_id;
	struct pgripple_walk *walk;
	struct arena *arena; /* the walk's */
	int64_t *ids;
	size_t n_ids;
	struct outbox_rejection *rejections;
	size_t n_rejections;
	struct pgripple_change *changes; /* those that are in the walk */
	size_t n_changes;
	struct batch_ping *pings;
	size_t n_pings;
	struct pgripple_plan plan;
	struct pgripple_operation *unlinks; /* the plan's, and the pings' */
	size_t n_unlinks;
	bool has_marks; /* changes that stand for others */
	size_t n_kept; /* marks that must stay */
	size_t lookup; /* of this round, under way */
	uint64_t session_number; /* of the session that fetched it */
	int64_t fetched_wall_us;
	int64_t applied_wall_us;
};

static void batch_step(struct batch *batch, enum batch_event event);

/* Failures are told where they are handled: here. */
static void
fail(struct batch *batch, const struct pgripple_error *err)
{
	log_error_of(LOG_LEVEL_WARNING, "batch.failed", "step",
	    batch_state_name(batch->state), err);
	batch_step(batch, BATCH_ON_FAILED);
}

static void
forget(struct batch *batch)
{
	pgripple_walk_free(batch->walk);
	batch->walk = NULL;
	batch->arena = NULL;
	batch->ids = NULL;
	batch->rejections = NULL;
	batch->changes = NULL;
	batch->pings = NULL;
	batch->unlinks = NULL;
	batch->n_ids = batch->n_rejections = batch->n_changes = 0;
	batch->n_pings = batch->n_unlinks = 0;
	batch->n_kept = 0;
	batch->has_marks = false;
	batch->plan = (struct pgripple_plan){0};
}

/* Fetching and decoding. */

static int
prepare(struct batch *batch, size_t n_rows, struct pgripple_error *err)
{
	struct pgripple_limits limits = {
	    .touched_rows = (size_t)batch->settings->limits.touched_rows,
	    .lookup_rows = (size_t)batch->settings->limits.lookup_rows,
	    .lookup_keys = (size_t)batch->settings->limits.lookup_rows,
	};

	batch->walk = pgripple_walk_new(batch->graph, &limits);
	if (batch->walk == NULL)
		return pgripple_error_nomem(err);
	batch->arena = pgripple_walk_arena(batch->walk);
	batch->ids = arena_array(batch->arena, n_rows, sizeof(*batch->ids));
	batch->rejections =
	    arena_array(batch->arena, n_rows, sizeof(*batch->rejections));
	batch->changes =
	    arena_array(batch->arena, n_rows, sizeof(*batch->changes));
	batch->pings = arena_array(batch->arena, n_rows, sizeof(*batch->pings));
	if (batch->ids == NULL || batch->rejections == NULL ||
	    batch->changes == NULL || batch->pings == NULL)
		return pgripple_error_nomem(err);
	return 0;
}

static int
reject(struct batch *batch, const struct outbox_row *row,
    const struct pgripple_error *why, struct pgripple_error *err)
{
	struct outbox_rejection *rejection =
	    &batch->rejections[batch->n_rejections];

	rejection->id = row->id;
	rejection->reason = arena_strdup(batch->arena, why->text);
	if (rejection->reason == NULL)
		return pgripple_error_nomem(err);
	batch->n_rejections++;
	log_event(LOG_LEVEL_ERROR, "change.rejected", log_int("id", row->id),
	    log_string("error", why->text),
	    log_string("hint",
		"The row was moved to the table \"rejected\"; nothing was "
		"invalidated for it."));
	return 0;
}

static void
warn_of_change(
    const struct pgripple_change *change, const char *event, const char *reason)
{
	log_event(LOG_LEVEL_WARNING, event, log_int("id", change->id),
	    log_string("table", change->table->spelled),
	    log_string("reason", reason));
}

/* Changes that the trigger wrote once instead of many. */
static bool
is_mark(const struct pgripple_change *change)
{
	static const char *const reasons[] = {
	    "outbox limit",
	    "disabled",
	    "enabled",
	};

	for (size_t i = 0; change->whole && i < N_ELEMENTS(reasons); i++)
		if (strcmp(change->whole_reason, reasons[i]) == 0)
			return true;
	return false;
}

static int
take_change(struct batch *batch, const struct outbox_row *row,
    struct pgripple_change *change, struct pgripple_error *err)
{
	batch->ids[batch->n_ids++] = row->id;
	change->id = row->id;
	change->xid = row->xid;
	change->wall_us = row->wall_us;
	if (change->op == PGRIPPLE_OP_PING) {
		batch->pings[batch->n_pings++] =
		    (struct batch_ping){change->ping_key, row->wall_us};
		return 0;
	}
	if (change->drift)
		warn_of_change(change, "change.drift",
		    "the table's columns are not those of the install");
	batch->n_changes++;
	batch->has_marks |= is_mark(change);
	return pgripple_walk_add(batch->walk, change, err);
}

static int
take_row(struct batch *batch, const struct outbox_row *row,
    struct pgripple_error *err)
{
	struct pgripple_change *change = &batch->changes[batch->n_changes];
	struct pgripple_error why;
	int outcome = pgripple_change_decode(
	    batch->arena, batch->graph, row->change, row->length, change, &why);

	switch (outcome) {
	case PGRIPPLE_DECODE_UNWATCHED:
		batch->ids[batch->n_ids++] = row->id;
		log_event(LOG_LEVEL_DEBUG, "change.unwatched",
		    log_int("id", row->id));
		return 0;
	case PGRIPPLE_DECODE_ESCALATED:
		change->id = row->id;
		warn_of_change(change, "change.escalated", why.text);
		return take_change(batch, row, change, err);
	case PGRIPPLE_DECODE_DONE:
		return take_change(batch, row, change, err);
	}
	if (why.kind == PGRIPPLE_ERROR_INPUT)
		return reject(batch, row, &why, err);
	*err = why;
	return -1;
}

static void
on_fetched(void *context, enum session_outcome outcome,
    const struct outbox_row *rows, size_t n_rows,
    const struct pgripple_error *fetch_err)
{
	struct batch *batch = context;
	struct pgripple_error err;
	int result;

	if (outcome != SESSION_DONE) {
		fail(batch, fetch_err);
		return;
	}
	if (n_rows == 0) {
		batch_step(batch, BATCH_ON_EMPTY);
		return;
	}
	batch->fetched_wall_us = clock_wall_us();
	batch->session_number = session_number(batch->peers.work);
	result = prepare(batch, n_rows, &err);
	for (size_t i = 0; i < n_rows && result == 0; i++)
		result = take_row(batch, &rows[i], &err);
	if (result < 0)
		fail(batch, &err);
	else
		batch_step(batch, BATCH_ON_FETCHED);
}

static void
fetch(struct batch *batch)
{
	struct outbox_bounds bounds = {
	    .above_id = batch->above_id,
	    .max_rows = batch->settings->limits.batch_rows,
	    .max_bytes = batch->settings->limits.batch_bytes,
	};
	struct pgripple_error err;

	if (outbox_fetch(batch->peers.work, batch->settings->postgres.schema,
		&bounds, on_fetched, batch, &err) < 0)
		fail(batch, &err);
}

/* Resolving. */

static void
resolve(struct batch *batch)
{
	struct pgripple_error err;

	switch (pgripple_walk_step(batch->walk, &err)) {
	case PGRIPPLE_WALK_DONE:
		batch_step(batch,
		    batch->has_marks ? BATCH_ON_MARKED : BATCH_ON_RESOLVED);
		break;
	case PGRIPPLE_WALK_LOOKUPS:
		batch->lookup = 0;
		batch_step(batch, BATCH_ON_LOOKUPS);
		break;
	default:
		fail(batch, &err);
	}
}

static void
next_lookup(struct batch *batch)
{
	if (++batch->lookup < pgripple_walk_n_lookups(batch->walk))
		batch_step(batch, BATCH_ON_LOOKUPS);
	else
		resolve(batch);
}

static int
answer(struct batch *batch, const struct lookup_row *rows, size_t n_rows,
    struct pgripple_error *err)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, batch->lookup);

	for (size_t i = 0; i < n_rows; i++) {
		struct pgripple_row row;

		if (pgripple_row_decode(batch->arena,
			lookup->relation->to->table, rows[i].image,
			rows[i].length, &row, err) < 0 ||
		    pgripple_walk_answer(
			batch->walk, batch->lookup, &row, err) < 0)
			return -1;
	}
	return 0;
}

/* The server refused the lookup, or its answer makes no sense: the dependent
 * model is touched as a whole, and the catalog looked at again. */
static void
escalate(struct batch *batch, const struct pgripple_error *why)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, batch->lookup);
	struct pgripple_error err;

	log_error_of(LOG_LEVEL_ERROR, "lookup.failed", "relation",
	    lookup->relation->name, why);
	batch->listener.on_drift(batch->listener.context);
	if (pgripple_walk_escalate(batch->walk, batch->lookup, &err) < 0)
		fail(batch, &err);
	else
		next_lookup(batch);
}

static void
on_looked_up(void *context, enum session_outcome outcome,
    const struct lookup_row *rows, size_t n_rows,
    const struct pgripple_error *lookup_err)
{
	struct batch *batch = context;
	struct pgripple_error err;

	if (outcome == SESSION_LOST)
		fail(batch, lookup_err);
	else if (outcome == SESSION_FAILED)
		escalate(batch, lookup_err);
	else if (answer(batch, rows, n_rows, &err) == 0)
		next_lookup(batch);
	else if (err.kind == PGRIPPLE_ERROR_INPUT)
		escalate(batch, &err);
	else
		fail(batch, &err);
}

static void
look_up(struct batch *batch)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, batch->lookup);
	struct pgripple_error err;

	if (lookup_submit(batch->peers.work, batch->graph, batch->catalog,
		lookup, (size_t)batch->settings->limits.lookup_rows,
		on_looked_up, batch, &err) == 0)
		return;
	if (err.kind == PGRIPPLE_ERROR_INPUT)
		escalate(batch, &err);
	else
		fail(batch, &err);
}

/* Marks. */

static bool
is_among(int64_t id, const int64_t *ids, size_t n_ids)
{
	for (size_t i = 0; i < n_ids; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Marks that must stay are applied all the same, and again later. */
static void
on_claimed(void *context, enum session_outcome outcome, const int64_t *kept,
    size_t n_kept, const struct pgripple_error *err)
{
	struct batch *batch = context;
	size_t n = 0;

	if (outcome != SESSION_DONE) {
		fail(batch, err);
		return;
	}
	for (size_t i = 0; i < batch->n_ids; i++)
		if (!is_among(batch->ids[i], kept, n_kept))
			batch->ids[n++] = batch->ids[i];
	batch->n_kept = batch->n_ids - n;
	batch->n_ids = n;
	batch_step(batch, BATCH_ON_CLAIMED);
}

static void
claim(struct batch *batch)
{
	struct pgripple_error err;

	if (outbox_claim(batch->peers.work, batch->settings->postgres.schema,
		batch->ids, batch->n_ids, on_claimed, batch, &err) < 0)
		fail(batch, &err);
}

/* Applying. */

static void
on_applied(void *context, enum redis_apply_outcome outcome,
    uint64_t n_removed UNUSED, const struct pgripple_error *err)
{
	struct batch *batch = context;

	if (outcome != REDIS_APPLY_DONE) {
		fail(batch, err);
		return;
	}
	batch->applied_wall_us = clock_wall_us();
	batch_step(batch, BATCH_ON_APPLIED);
}

static int
collect_unlinks(struct batch *batch, struct pgripple_error *err)
{
	size_t n = batch->plan.n_unlink;

	batch->unlinks = arena_array(
	    batch->arena, n + batch->n_pings, sizeof(*batch->unlinks));
	if (batch->unlinks == NULL)
		return pgripple_error_nomem(err);
	if (n > 0)
		memcpy(batch->unlinks, batch->plan.operations,
		    n * sizeof(*batch->unlinks));
	for (size_t i = 0; i < batch->n_pings; i++)
		batch->unlinks[n++] = (struct pgripple_operation){
		    .kind = PGRIPPLE_OPERATION_UNLINK,
		    .key = batch->pings[i].key,
		    .key_length = strlen(batch->pings[i].key),
		};
	batch->n_unlinks = n;
	return 0;
}

static void
apply(struct batch *batch)
{
	struct pgripple_error err;
	char nonce[64];

	(void)snprintf(nonce, sizeof(nonce), "pgripple:%" PRIu64 ":%" PRId64,
	    ++batch->number, clock_monotonic_us());
	if (pgripple_plan_make(batch->walk, &batch->plan, &err) < 0 ||
	    collect_unlinks(batch, &err) < 0 ||
	    redis_apply(batch->peers.redis, batch->unlinks, batch->n_unlinks,
		nonce, on_applied, batch, &err) < 0)
		fail(batch, &err);
}

/* Acknowledging. */

static void
on_acknowledged(void *context, enum session_outcome outcome,
    size_t n_gone UNUSED, const struct pgripple_error *err)
{
	struct batch *batch = context;

	if (outcome == SESSION_DONE)
		batch_step(batch,
		    batch->n_kept > 0 ? BATCH_ON_KEPT : BATCH_ON_ACKNOWLEDGED);
	else
		fail(batch, err);
}

/* The buffer's JSON, moved to the batch's arena; in ASCII, for the graph may
 * hold characters that the database's encoding lacks. */
static const char *
keep(struct batch *batch, struct buf *buf)
{
	CLEANUP(buf_done) struct buf ascii = BUF_INIT;
	bool failed = buf->failed;

	if (!failed)
		json_write_ascii(&ascii, buf->bytes, buf->n);
	buf_done(buf);
	return failed || ascii.failed
		   ? NULL
		   : arena_copy(batch->arena, ascii.bytes, ascii.n);
}

static const char *
print_task(struct batch *batch, const struct pgripple_operation *operation)
{
	struct buf buf = BUF_INIT;

	json_write_open(&buf, '{');
	json_write_member(
	    &buf, "do", pgripple_operation_kind_name(operation->kind));
	json_write_key(&buf, "pattern");
	json_write_string(&buf, operation->key, operation->key_length);
	json_write_close(&buf, '}');
	return keep(batch, &buf);
}

static const char *
print_pong(struct batch *batch, const struct batch_ping *ping)
{
	struct buf buf = BUF_INIT;

	json_write_open(&buf, '{');
	json_write_member(&buf, "key", ping->key);
	json_write_member_int(
	    &buf, "doorbell_us", batch->fetched_wall_us - ping->wall_us);
	json_write_member_int(
	    &buf, "redis_us", batch->applied_wall_us - batch->fetched_wall_us);
	json_write_close(&buf, '}');
	return keep(batch, &buf);
}

static int
print_tasks_and_pongs(struct batch *batch,
    struct outbox_acknowledgement *acknowledgement, struct pgripple_error *err)
{
	size_t n_tasks = batch->plan.n_operations - batch->plan.n_unlink;
	const char **texts =
	    arena_array(batch->arena, n_tasks + batch->n_pings, sizeof(*texts));

	if (texts == NULL)
		return pgripple_error_nomem(err);
	acknowledgement->tasks = texts;
	acknowledgement->n_tasks = n_tasks;
	acknowledgement->pongs = texts + n_tasks;
	acknowledgement->n_pongs = batch->n_pings;
	for (size_t i = 0; i < n_tasks + batch->n_pings; i++) {
		texts[i] =
		    i < n_tasks
			? print_task(batch,
			      &batch->plan.operations[batch->plan.n_unlink + i])
			: print_pong(batch, &batch->pings[i - n_tasks]);
		if (texts[i] == NULL)
			return pgripple_error_nomem(err);
	}
	return 0;
}

/* After a failover the new primary may lack rows that were fetched, and give
 * their ids to others. */
static int
check_session(const struct batch *batch, struct pgripple_error *err)
{
	if (session_number(batch->peers.work) == batch->session_number)
		return 0;
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "the connection that fetched the batch was lost");
}

/* Of all changes, though not every one made a task; a mark hides transactions
 * that nobody knows. */
static void
span_transactions(
    const struct batch *batch, struct outbox_acknowledgement *acknowledgement)
{
	if (batch->has_marks)
		return;
	acknowledgement->from_xid = UINT64_MAX >> 1;
	for (size_t i = 0; i < batch->n_changes; i++) {
		uint64_t xid = batch->changes[i].xid;

		if (xid < acknowledgement->from_xid)
			acknowledgement->from_xid = xid;
		if (xid > acknowledgement->to_xid)
			acknowledgement->to_xid = xid;
	}
}

static void
acknowledge(struct batch *batch)
{
	struct outbox_acknowledgement acknowledgement = {
	    .ids = batch->ids,
	    .n_ids = batch->n_ids,
	    .rejections = batch->rejections,
	    .n_rejections = batch->n_rejections,
	    .max_rejected = batch->settings->limits.rejected_rows,
	};
	struct pgripple_error err;

	span_transactions(batch, &acknowledgement);
	if (check_session(batch, &err) < 0 ||
	    print_tasks_and_pongs(batch, &acknowledgement, &err) < 0 ||
	    outbox_acknowledge(batch->peers.work,
		batch->settings->postgres.schema, &acknowledgement,
		on_acknowledged, batch, &err) < 0)
		fail(batch, &err);
}

/* Ending. */

static void
finish(struct batch *batch)
{
	bool has_tasks = batch->plan.n_operations > batch->plan.n_unlink;

	backoff_succeed(&batch->backoff);
	for (size_t i = 0; i < batch->n_changes; i++)
		report_change(batch->peers.report, batch->walk, i,
		    &batch->changes[i], batch->applied_wall_us);
	forget(batch);
	if (has_tasks)
		batch->listener.on_tasks(batch->listener.context);
}

static void
pause_for_ms(struct batch *batch, int64_t pause_ms)
{
	struct timeval pause = {
	    .tv_sec = pause_ms / 1000,
	    .tv_usec = pause_ms % 1000 * 1000,
	};

	(void)event_add(batch->pause, &pause); /* the timer exists already */
}

static void
drop(struct batch *batch)
{
	forget(batch);
	pause_for_ms(batch, backoff_fail(&batch->backoff));
}

/* The machine. */

static void
batch_enter(struct batch *batch, enum batch_state next, enum batch_event reason)
{
	if (next != batch->state)
		log_event(LOG_LEVEL_DEBUG, "batch.state",
		    log_string("from", batch_state_name(batch->state)),
		    log_string("to", batch_state_name(next)),
		    log_string("reason", batch_event_name(reason)));
	batch->state = next;
	batch->entered_us = clock_monotonic_us();
}

static void
batch_step(struct batch *batch, enum batch_event event)
{
	struct batch_transition transition =
	    batch_transition(batch->state, event);

	batch_enter(batch, transition.next, event);
	switch (transition.action) {
	case BATCH_FETCH:
		fetch(batch);
		break;
	case BATCH_SLEEP:
		backoff_succeed(&batch->backoff);
		batch->listener.on_empty(batch->listener.context);
		break;
	case BATCH_RESOLVE:
		resolve(batch);
		break;
	case BATCH_LOOK_UP:
		look_up(batch);
		break;
	case BATCH_CLAIM:
		claim(batch);
		break;
	case BATCH_APPLY:
		apply(batch);
		break;
	case BATCH_ACKNOWLEDGE:
		acknowledge(batch);
		break;
	case BATCH_FINISH:
		finish(batch);
		batch->listener.on_end(batch->listener.context);
		break;
	case BATCH_FINISH_AND_PAUSE:
		finish(batch);
		pause_for_ms(batch, KEPT_PAUSE_MS);
		break;
	case BATCH_DROP:
		drop(batch);
		break;
	case BATCH_REST:
		batch->listener.on_end(batch->listener.context);
		break;
	case BATCH_BUG:
		log_event(LOG_LEVEL_ERROR, "batch.bug",
		    log_string("state", batch_state_name(batch->state)),
		    log_string("reason", batch_event_name(event)));
		abort();
	}
}

static void
on_pause_over(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	batch_step(context, BATCH_ON_TIMER);
}

int
batch_new(struct event_base *base, const struct batch_peers *peers,
    const struct batch_listener *listener, struct batch **ret_batch,
    struct pgripple_error *err)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return pgripple_error_nomem(err);
	batch->peers = *peers;
	batch->listener = *listener;
	batch->pause = evtimer_new(base, on_pause_over, batch);
	if (batch->pause == NULL) {
		free(batch);
		return pgripple_error_nomem(err);
	}
	*ret_batch = batch;
	return 0;
}

void
batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	forget(batch);
	event_free(batch->pause);
	free(batch);
}

void
batch_configure(struct batch *batch, const struct settings *settings,
    const struct pgripple_graph *graph, const struct catalog *catalog)
{
	batch->settings = settings;
	batch->graph = graph;
	batch->catalog = catalog;
	backoff_init(
	    &batch->backoff, FIRST_PAUSE_MS, settings->retry_max_ms, STABLE_MS);
}

bool
batch_is_idle(const struct batch *batch)
{
	return batch->state == BATCH_IDLE;
}

bool
batch_is_under_way(const struct batch *batch)
{
	return batch->state != BATCH_IDLE && batch->state != BATCH_PAUSING;
}

void
batch_start(struct batch *batch, int64_t above_id)
{
	batch->above_id = above_id;
	batch_step(batch, BATCH_ON_START);
}

int64_t
batch_step_age_us(const struct batch *batch)
{
	return batch_is_under_way(batch)
		   ? clock_monotonic_us() - batch->entered_us
		   : 0;
}
