/*
 * Sessions: src/postgres/session.h and rows.h over the modelled database.
 *
 * A statement that was sent is executed a while later, and answered a while
 * after that.  A connection that is cut carries nothing any more; its two ends
 * notice independently, so that for some seconds a backend may hold locks for
 * nobody, or a client believe in locks that are gone.  A statement that was on
 * its way is executed or not, perhaps only after its client was told that it is
 * lost, and has sent others on its next session.
 */
#include "postgres/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

#define CONNECT_US (20 * MS)
#define RETRY_US SECOND
#define STATEMENT_US (5 * MS)
#define NOTICE_US (4 * SECOND)
#define SERVER_PID 4711

struct session {
	struct session_options options;
	struct session_listener listener;
	struct backend *backend; /* NULL unless up */
	struct statement *statement;
	struct job *connect, *notice, *ring, *heartbeat;
	bool is_cut;
	bool is_heard; /* though it is cut: only answers are lost */
	uint64_t number;
	struct session *next;
};

int64_t session_refusals;

static struct session *sessions;

static void lose(struct session *session, const char *why);

/* Connections. */

static void
beat(void *context)
{
	struct session *session = context;

	if (!session->is_cut && !session->backend->is_dead)
		session->backend->seen_us = agenda_now_us();
	session->heartbeat =
	    agenda_add(session->options.heartbeat_ms * MS, beat, session);
}

static void
on_connected(void *context)
{
	struct session *session = context;

	session->connect = NULL;
	session->backend = database_connect(session);
	if (session->backend == NULL) {
		session->connect =
		    agenda_add(chance_delay(RETRY_US), on_connected, session);
		return;
	}
	session->is_cut = false;
	session->number++;
	story("%s is up", session->options.name);
	session->heartbeat =
	    agenda_add(session->options.heartbeat_ms * MS, beat, session);
	if (session->listener.on_up != NULL)
		session->listener.on_up(session->listener.context);
}

static void
on_backend_gone(void *context)
{
	database_end_backend(context);
}

static void
forget_connection(struct session *session)
{
	agenda_cancel(steal(&session->connect));
	agenda_cancel(steal(&session->notice));
	agenda_cancel(steal(&session->ring));
	agenda_cancel(steal(&session->heartbeat));
	if (session->backend == NULL)
		return;
	session->backend->client = NULL;
	(void)agenda_add(
	    chance_delay(NOTICE_US), on_backend_gone, session->backend);
	session->backend = NULL;
}

static void
on_noticed(void *context)
{
	struct session *session = context;

	session->notice = NULL;
	lose(session, "the connection was lost");
}

static void
notice_in_us(struct session *session, int64_t delay_us)
{
	if (session->backend != NULL && session->notice == NULL)
		session->notice = agenda_add(delay_us, on_noticed, session);
}

void
session_cut(struct session *session)
{
	if (session->backend == NULL || session->is_cut)
		return;
	story("%s is cut", session->options.name);
	session->is_cut = true;
	session->is_heard = chance_percent(50);
	notice_in_us(session, chance_delay(NOTICE_US));
	(void)agenda_add(session->is_heard ? chance_below(NOTICE_US)
					   : chance_delay(NOTICE_US),
	    on_backend_gone, session->backend);
}

void
session_end_backend(struct backend *backend)
{
	database_end_backend(backend);
	if (backend->client != NULL)
		notice_in_us(backend->client, chance_delay(10 * MS));
}

struct session *
session_any(void)
{
	size_t n = 0;

	for (struct session *at = sessions; at != NULL; at = at->next)
		n++;
	if (n == 0)
		return NULL;
	n = (size_t)chance_below((int64_t)n);
	for (struct session *at = sessions;; at = at->next)
		if (n-- == 0)
			return at;
}

/* The doorbell. */

static void
on_ring(void *context)
{
	struct session *session = context;

	session->ring = NULL;
	if (session->is_cut || session->listener.on_notify == NULL)
		return;
	session->listener.on_notify(session->listener.context);
}

void
session_notify(void)
{
	for (struct session *at = sessions; at != NULL; at = at->next)
		if (at->backend != NULL && !at->backend->is_dead &&
		    at->backend->listens && !at->is_cut && at->ring == NULL)
			at->ring =
			    agenda_add(chance_delay(5 * MS), on_ring, at);
}

/* Statements. */

static void
complete(struct statement *statement, enum session_outcome outcome)
{
	struct session *session = statement->session;

	statement->session = NULL;
	session->statement = NULL;
	statement->answer(statement, (int)outcome);
	if (statement->job == NULL)
		statement->discard(statement);
}

static void
on_answered(void *context)
{
	struct statement *statement = context;

	statement->job = NULL;
	complete(
	    statement, statement->is_refused ? SESSION_FAILED : SESSION_DONE);
}

static void
on_executed(void *context)
{
	struct statement *statement = context;

	statement->job = NULL;
	if (!statement->backend->is_dead) {
		statement->backend->seen_us = agenda_now_us();
		statement->is_refused = chance_percent(session_refusals);
		if (!statement->is_refused)
			statement->execute(statement);
		statement->is_executed = true;
	}
	if (statement->session == NULL) {
		statement->discard(statement);
		return;
	}
	if (statement->is_executed && !statement->session->is_cut)
		statement->job = agenda_add(
		    chance_delay(STATEMENT_US), on_answered, statement);
}

int
session_run(struct session *session, struct statement *statement,
    struct pgripple_error *err)
{
	if (session->backend == NULL || session->statement != NULL)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "the session \"%s\" is not ready", session->options.name);
	statement->session = session;
	statement->backend = session->backend;
	statement->sent_tick = judge_tick();
	session->statement = statement;
	if (!session->is_cut || session->is_heard)
		statement->job =
		    agenda_add(session->is_cut ? chance_below(NOTICE_US)
					       : chance_delay(STATEMENT_US),
			on_executed, statement);
	return 0;
}

/* What was sent and not executed yet may still be, as long as its backend
 * lives; an answer will not come. */
static void
abandon(struct statement *statement)
{
	if (statement->job != NULL &&
	    (statement->is_executed || chance_percent(50)))
		agenda_cancel(steal(&statement->job));
	complete(statement, SESSION_LOST);
}

static void
lose(struct session *session, const char *why)
{
	struct pgripple_error err;

	if (session->backend == NULL)
		return;
	story("%s is down: %s", session->options.name, why);
	forget_connection(session);
	if (session->statement != NULL)
		abandon(session->statement);
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER, "%s", why);
	if (session->listener.on_down != NULL)
		session->listener.on_down(session->listener.context, &err);
	session->connect =
	    agenda_add(chance_delay(RETRY_US), on_connected, session);
}

/* The interface. */

const char *
session_outcome_name(enum session_outcome outcome)
{
	static const char *const names[] = {"done", "failed", "lost"};

	return names[outcome];
}

int
session_new(struct event_base *base UNUSED,
    const struct session_options *options,
    const struct session_listener *listener, struct session **ret_session,
    struct pgripple_error *err)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return pgripple_error_nomem(err);
	session->options = *options;
	session->listener = *listener;
	session->next = sessions;
	sessions = session;
	*ret_session = session;
	return 0;
}

void
session_free(struct session *session)
{
	struct session **link = &sessions;

	if (session == NULL)
		return;
	forget_connection(session);
	if (session->statement != NULL)
		abandon(session->statement);
	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	free(session);
}

void
session_start(struct session *session)
{
	session->connect =
	    agenda_add(chance_delay(CONNECT_US), on_connected, session);
}

void
session_stop(struct session *session)
{
	lose(session, "it was stopped");
}

bool
session_is_up(const struct session *session)
{
	return session->backend != NULL;
}

int
session_server_pid(const struct session *session)
{
	return session->backend != NULL ? SERVER_PID : 0;
}

bool
session_is_busy(const struct session *session)
{
	return session->statement != NULL;
}

const char *
session_describe(const struct session *session)
{
	return session->options.name;
}

uint64_t
session_number(const struct session *session)
{
	return session->number;
}

int
session_set_heartbeat(struct session *session UNUSED, const char *sql UNUSED,
    struct pgripple_error *err UNUSED)
{
	return 0;
}

/* Silence ends a session of this world by the statement's own deadline. */
void
session_hurry(struct session *session UNUSED)
{
}

void
session_take_sighting(struct session *session UNUSED, const char *seen UNUSED)
{
}

bool
session_was_silent(const struct session *session UNUSED)
{
	return false;
}

void
session_give_up(struct session *session, const struct pgripple_error *err)
{
	story("%s is given up: %s", session->options.name, err->text);
	notice_in_us(session, 0);
}

/* Queries: what src/postgres/listen.c and low_water.c ask. */

#define CELL_BYTES 256
#define N_CELLS 5

struct pg_result {
	size_t n_rows;
	char cells[N_CELLS][CELL_BYTES];
};

struct query {
	struct statement statement;
	char *sql;
	char *value;
	struct pg_result result;
	session_answer_cb done;
	void *context;
};

static void
tell_int(struct query *query, int column, int64_t number)
{
	query->result.n_rows = 1;
	(void)snprintf(
	    query->result.cells[column], CELL_BYTES, "%" PRId64, number);
}

static void
tell_bool(struct query *query, bool yes)
{
	query->result.n_rows = 1;
	(void)snprintf(query->result.cells[0], CELL_BYTES, yes ? "t" : "f");
}

static void
ask_channel(struct query *query)
{
	tell_int(query, 1, 77);
	tell_int(query, 2, SERVER_PID);
	(void)snprintf(query->result.cells[0], CELL_BYTES, "pgripple_77");
}

static void
ask_l(struct query *query)
{
	const char *patience = strstr(query->sql, "> ");

	tell_int(query, 1, 0);
	tell_bool(query, database_try_l(query->statement.backend,
			     patience == NULL ? 0 : atoll(patience + 2) * MS));
}

/* Target, key, number, run id, replication id. */
static void
ask_claim(struct query *query)
{
	const char *texts[] = {"default", "pgripple:mark:1",
	    database.state.number, database.state.run_id,
	    database.state.replication_id};
	struct state claimed = database.state;

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		(void)snprintf(
		    query->result.cells[i], CELL_BYTES, "%s", texts[i]);
	query->result.n_rows = 1;
	(void)snprintf(
	    claimed.owner, sizeof(claimed.owner), "%s", query->value);
	database_begin_unflushed();
	database_set_state(&claimed);
}

static void
ask_listen(struct query *query)
{
	query->statement.backend->listens = true;
}

static void
ask_k(struct query *query)
{
	tell_bool(query, database_try_k(query->statement.backend));
}

static void
ask_unlock(struct query *query)
{
	query->statement.backend->has_k = false;
	tell_bool(query, true);
}

static void
ask_newest(struct query *query)
{
	tell_int(query, 0, database.last_id);
}

/* {1,2}, of those that are in the given list if there is one. */
static void
ask_holders(struct query *query)
{
	char *cell = query->result.cells[0];
	int64_t n = 0;
	int length = snprintf(cell, CELL_BYTES, "{");

	for (struct transaction *at = database.transactions; at != NULL;
	     at = at->next) {
		char number[24];

		(void)snprintf(number, sizeof(number), "v%d,", at->virtual_xid);
		if (at->virtual_xid == 0 ||
		    (query->value != NULL &&
			strstr(query->value, number) == NULL))
			continue;
		n++;
		length += snprintf(
		    cell + length, CELL_BYTES - (size_t)length, "%s", number);
	}
	(void)snprintf(cell + length, CELL_BYTES - (size_t)length, "}");
	query->result.n_rows = 1;
	if (query->value != NULL)
		tell_int(query, 0, n);
}

static void
ask_smallest(struct query *query)
{
	int64_t above = atoll(strstr(query->sql, "id > ") + 5);
	int64_t smallest = atoll(strstr(query->sql, "LIMIT 1), ") + 10);
	bool is_found = false;

	for (size_t i = 0; i < database.n_outbox; i++) {
		const struct outbox_entry *entry = &database.outbox[i];

		if (entry->is_gone || entry->id <= above ||
		    (is_found && entry->id - 1 >= smallest))
			continue;
		smallest = entry->id - 1;
		is_found = true;
	}
	tell_int(query, 0, smallest);
}

/* As with "on_crash: ignore": a crash takes back acknowledgements alone, which
 * must do no harm by itself. */
static void
ask_server(struct query *query)
{
	query->result.n_rows = 1;
	(void)snprintf(query->result.cells[0], CELL_BYTES, "known");
}

static void
ask_nothing(struct query *query)
{
	query->result.n_rows = 1;
}

static const struct {
	const char *part; /* that tells it from the others */
	void (*ask)(struct query *query);
} questions[] = {
    {".channel(), ", ask_channel},
    {"pg_try_advisory_lock(77, 2)", ask_l},
    {".claim_state(", ask_claim},
    {"LISTEN ", ask_listen},
    {"pg_try_advisory_lock(77, 1)", ask_k},
    {"pg_advisory_unlock(", ask_unlock},
    {"SELECT CASE WHEN is_called", ask_newest},
    {"array_agg(DISTINCT l.virtualtransaction)", ask_holders},
    {"l.virtualtransaction = ANY", ask_holders},
    {"SELECT coalesce((SELECT id - 1", ask_smallest},
    {".measure_outbox(", ask_nothing},
    {".recognise_server(", ask_server},
};

static void
execute_query(struct statement *statement)
{
	struct query *query = (struct query *)statement;

	for (size_t i = 0; i < N_ELEMENTS(questions); i++)
		if (strstr(query->sql, questions[i].part) != NULL) {
			questions[i].ask(query);
			return;
		}
	judge_fail("the model does not know the statement: %s", query->sql);
}

static void
answer_query(struct statement *statement, int outcome)
{
	struct query *query = (struct query *)statement;
	struct pgripple_error err;
	struct session_answer answer = {
	    .outcome = (enum session_outcome)outcome};

	if (outcome == SESSION_DONE) {
		answer.rows.result = &query->result;
	} else {
		(void)pgripple_error_set(
		    &err, PGRIPPLE_ERROR_PEER, "the statement failed");
		answer.err = &err;
	}
	query->done(query->context, &answer);
}

static void
discard_query(struct statement *statement)
{
	struct query *query = (struct query *)statement;

	free(query->sql);
	free(query->value);
	free(query);
}

int
session_query(struct session *session, const char *sql, int n_values,
    const char *const *values, session_answer_cb answer, void *context,
    struct pgripple_error *err)
{
	struct query *query = calloc(1, sizeof(*query));

	if (query == NULL)
		return pgripple_error_nomem(err);
	query->statement = (struct statement){
	    .execute = execute_query,
	    .answer = answer_query,
	    .discard = discard_query,
	};
	query->sql = strdup(sql);
	query->value = n_values > 0 ? strdup(values[0]) : NULL;
	query->done = answer;
	query->context = context;
	if (session_run(session, &query->statement, err) < 0) {
		discard_query(&query->statement);
		return -1;
	}
	return 0;
}

int
session_script(struct session *session, const char *sql,
    session_answer_cb answer, void *context, struct pgripple_error *err)
{
	return session_query(session, sql, 0, NULL, answer, context, err);
}

/* Rows. */

size_t
rows_count(const struct rows *rows)
{
	return rows->result == NULL ? 0 : rows->result->n_rows;
}

const char *
rows_text(const struct rows *rows, size_t row UNUSED, int column)
{
	return rows->result->cells[column];
}

size_t
rows_length(const struct rows *rows, size_t row, int column)
{
	return strlen(rows_text(rows, row, column));
}

int64_t
rows_int(const struct rows *rows, size_t row, int column)
{
	return atoll(rows_text(rows, row, column));
}

bool
rows_bool(const struct rows *rows, size_t row, int column)
{
	return rows_text(rows, row, column)[0] == 't';
}
