/*
 * Postgres, as far as the outbox rests on it.
 *
 * Rows of three tables belong to each other: c to b, b to a.  A transaction
 * locks a row, takes the lock on the outbox, draws an id, writes the outbox
 * row, asks for the doorbell's lock, and does so for up to some rows, with
 * anything in between.  At its end everything becomes visible at once, and a
 * moment later its locks are gone.  Ids therefore become visible in any order,
 * and those of a rollback never.
 */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct database database;

const char *
database_table_name(enum table table)
{
	static const char *const names[] = {"a", "b", "c"};

	return names[table];
}

static const char *
parent_name(enum table table)
{
	static const char *const names[] = {NULL, "a_id", "b_id"};

	return names[table];
}

/* Life. */

void
database_start(void)
{
	database = (struct database){0};
	for (int table = 0; table < N_TABLES; table++)
		for (int row = 1; row <= N_ROWS; row++)
			database.rows[table][row] = (struct table_row){
			    .version = ++database.version,
			    .parent = table == TABLE_A ? 0 : row,
			};
}

static void
free_transaction(struct transaction *transaction)
{
	struct transaction **link = &database.transactions;

	while (*link != transaction)
		link = &(*link)->next;
	*link = transaction->next;
	free(transaction);
}

void
database_clear(void)
{
	for (size_t i = 0; i < database.n_tasks; i++)
		free(database.tasks[i].operation);
	while (database.transactions != NULL)
		free_transaction(database.transactions);
	while (database.backends != NULL) {
		struct backend *backend = database.backends;

		database.backends = backend->next;
		free(backend);
	}
}

/* Pictures. */

static uint64_t
mix(uint64_t picture, int64_t number)
{
	picture = (picture ^ (uint64_t)number) * UINT64_C(0xff51afd7ed558ccd);
	return picture ^ (picture >> 29);
}

uint64_t
database_picture(enum table table, int row)
{
	uint64_t picture = mix(1, database.rows[table][row].version);

	for (int i = 1; table < TABLE_C && i <= N_ROWS; i++)
		if (database.rows[table + 1][i].parent == row)
			picture = mix(mix(picture, i),
			    (int64_t)database_picture(table + 1, i));
	return picture;
}

/* Transactions. */

struct transaction *
database_begin(void)
{
	struct transaction *transaction = calloc(1, sizeof(*transaction));

	if (transaction == NULL)
		abort();
	transaction->xid = ++database.last_xid;
	transaction->next = database.transactions;
	database.transactions = transaction;
	return transaction;
}

static bool
is_free(enum table table, int row)
{
	int from = row == 0 ? 1 : row;
	int to = row == 0 ? N_ROWS : row;

	for (int i = from; i <= to; i++)
		if (database.rows[table][i].lock != NULL)
			return false;
	return true;
}

static bool
lock_row(struct transaction *transaction, struct hidden *change)
{
	change->table = (enum table)chance_below(N_TABLES);
	change->row = chance_percent(5) ? 0 : 1 + (int)chance_below(N_ROWS);
	change->id = 0;
	if (!is_free(change->table, change->row))
		return false;
	if (change->table != TABLE_A && change->row != 0 && chance_percent(50))
		change->parent = (int)chance_below(N_ROWS + 1);
	else
		change->parent =
		    database.rows[change->table][change->row].parent;
	for (int i = 1; i <= N_ROWS; i++)
		if (change->row == 0 || change->row == i)
			database.rows[change->table][i].lock = transaction;
	if (transaction->virtual_xid == 0)
		transaction->virtual_xid = ++database.last_virtual_xid;
	return true;
}

static void
print_image(char *text, size_t size, const struct hidden *change, int parent)
{
	if (change->table == TABLE_A)
		(void)snprintf(text, size, "{\"id\":%d}", change->row);
	else if (parent == 0)
		(void)snprintf(text, size, "{\"id\":%d,\"%s\":null}",
		    change->row, parent_name(change->table));
	else
		(void)snprintf(text, size, "{\"id\":%d,\"%s\":%d}", change->row,
		    parent_name(change->table), parent);
}

static void
write_change(struct hidden *change)
{
	int parent = database.rows[change->table][change->row].parent;
	char old[64], new[64];

	if (change->row == 0) {
		(void)snprintf(change->change, sizeof(change->change),
		    "{\"table\":\"public.%s\",\"op\":\"update\","
		    "\"whole\":\"bulk\"}",
		    database_table_name(change->table));
		return;
	}
	print_image(old, sizeof(old), change, parent);
	print_image(new, sizeof(new), change, change->parent);
	(void)snprintf(change->change, sizeof(change->change),
	    "{\"table\":\"public.%s\",\"op\":\"update\",\"old\":[%s],"
	    "\"new\":[%s],\"changed\":[\"%s\"]}",
	    database_table_name(change->table), old, new,
	    change->parent == parent ? "name" : parent_name(change->table));
}

static bool
somebody_sleeps(void)
{
	for (struct backend *at = database.backends; at != NULL; at = at->next)
		if (at->has_k)
			return true;
	return false;
}

bool
database_change(struct transaction *transaction)
{
	struct hidden *change = &transaction->changes[transaction->n_changes];

	switch (transaction->phase++) {
	case 0:
		if (!lock_row(transaction, change)) {
			transaction->phase = 0;
			return false;
		}
		return true;
	case 1:
		change->id = ++database.last_id;
		return true;
	default:
		write_change(change);
		if (transaction->shares_k || !somebody_sleeps())
			transaction->shares_k = true;
		else
			transaction->rings = true;
		transaction->phase = 0;
		transaction->n_changes++;
		return true;
	}
}

static void
make_visible(const struct transaction *transaction, const struct hidden *change)
{
	struct outbox_entry *entry = &database.outbox[database.n_outbox++];

	if (database.n_outbox == MAX_OUTBOX)
		abort();
	*entry = (struct outbox_entry){
	    .id = change->id,
	    .xid = transaction->xid,
	    .wall_us = INT64_C(1700000000) * SECOND + agenda_now_us(),
	    .table = change->table,
	    .row = change->row,
	    .commit_tick = judge_tick(),
	};
	memcpy(entry->change, change->change, sizeof(entry->change));
	for (int i = 1; i <= N_ROWS; i++)
		if (change->row == 0 || change->row == i)
			database.rows[change->table][i].version =
			    ++database.version;
	if (change->row != 0)
		database.rows[change->table][change->row].parent =
		    change->parent;
	story("committed %" PRId64 " %s", change->id, change->change);
}

static void
unlock_rows(const struct transaction *transaction)
{
	for (int table = 0; table < N_TABLES; table++)
		for (int row = 1; row <= N_ROWS; row++)
			if (database.rows[table][row].lock == transaction)
				database.rows[table][row].lock = NULL;
}

static void
release_locks(void *context)
{
	free_transaction(context);
}

void
database_end(struct transaction *transaction, bool commits)
{
	for (size_t i = 0; commits && i < transaction->n_changes; i++)
		make_visible(transaction, &transaction->changes[i]);
	if (commits)
		database.n_unflushed = 0; /* this one was flushed, all before */
	unlock_rows(transaction);
	if (commits && transaction->rings)
		session_notify();
	transaction->is_over = true;
	(void)agenda_add(chance_below(MS), release_locks, transaction);
}

/* What the daemon does. */

static void
note_unflushed(int kind, size_t index)
{
	struct unflushed *at = &database.unflushed[database.n_unflushed++];

	if (database.n_unflushed == N_ELEMENTS(database.unflushed))
		abort();
	at->kind = kind;
	at->index = index;
}

void
database_begin_unflushed(void)
{
	if (chance_percent(20))
		database.n_unflushed = 0; /* the WAL writer came by */
	note_unflushed(UNFLUSHED_BEGIN, 0);
}

void
database_delete(size_t index)
{
	if (database.outbox[index].is_gone)
		return;
	judge_acknowledged(&database.outbox[index]);
	database.outbox[index].is_gone = true;
	note_unflushed(UNFLUSHED_DELETE, index);
}

void
database_add_task(const char *operation, int64_t after_ms)
{
	int64_t due_us = agenda_now_us() + after_ms * MS;
	struct task_entry *task;

	for (size_t i = 0; i < database.n_tasks; i++) {
		task = &database.tasks[i];
		if (task->is_gone || task->is_started ||
		    strcmp(task->operation, operation) != 0)
			continue;
		if (after_ms > 0 && due_us > task->due_us)
			task->due_us = due_us;
		return;
	}
	if (database.n_tasks == MAX_TASKS)
		abort();
	note_unflushed(UNFLUSHED_TASK, database.n_tasks);
	task = &database.tasks[database.n_tasks++];
	*task = (struct task_entry){
	    .id = ++database.last_task,
	    .operation = strdup(operation),
	    .due_us = due_us,
	};
	story("task %" PRId64 " %s", task->id, operation);
}

void
database_end_task(size_t index)
{
	database.tasks[index].is_gone = true;
	note_unflushed(UNFLUSHED_END, index);
}

void
database_set_state(const struct state *state)
{
	note_unflushed(UNFLUSHED_STATE, 0);
	database.unflushed[database.n_unflushed - 1].before = database.state;
	database.state = *state;
	story("the state is %s, of %s", state->number, state->owner);
}

size_t
database_waiting(void)
{
	size_t n = 0;

	for (size_t i = 0; i < database.n_outbox; i++)
		n += !database.outbox[i].is_gone;
	for (size_t i = 0; i < database.n_tasks; i++)
		n += !database.tasks[i].is_gone;
	return n;
}

/* Crashes. */

static void
take_back(const struct unflushed *at)
{
	switch (at->kind) {
	case UNFLUSHED_BEGIN:
		break;
	case UNFLUSHED_DELETE:
		database.outbox[at->index].is_gone = false;
		break;
	case UNFLUSHED_TASK:
		database.tasks[at->index].is_gone = true;
		break;
	case UNFLUSHED_END:
		database.tasks[at->index].is_gone = false;
		break;
	case UNFLUSHED_STATE:
		database.state = at->before;
		break;
	}
}

void
database_flush(void)
{
	database.n_unflushed = 0;
}

/* Some of the newest transactions. */
static void
take_back_unflushed(void)
{
	while (database.n_unflushed > 0 && chance_percent(70)) {
		const struct unflushed *at;

		do {
			at = &database.unflushed[--database.n_unflushed];
			take_back(at);
		} while (at->kind != UNFLUSHED_BEGIN);
		story("an acknowledgement is taken back");
	}
	database.n_unflushed = 0;
}

void
database_crash(void)
{
	story("postgres crashes");
	for (struct transaction *at = database.transactions; at != NULL;
	     at = at->next) {
		unlock_rows(at);
		at->is_aborted = true;
		at->virtual_xid = 0;
		at->shares_k = false;
	}
	for (struct backend *at = database.backends; at != NULL; at = at->next)
		session_end_backend(at);
	take_back_unflushed();
}

/* Backends. */

struct backend *
database_connect(struct session *client)
{
	struct backend *backend;

	if (database.is_down)
		return NULL;
	backend = calloc(1, sizeof(*backend));
	if (backend == NULL)
		abort();
	backend->client = client;
	backend->seen_us = agenda_now_us();
	backend->next = database.backends;
	database.backends = backend;
	return backend;
}

void
database_end_backend(struct backend *backend)
{
	backend->is_dead = true;
	backend->listens = backend->has_k = backend->has_l = false;
}

bool
database_try_k(struct backend *backend)
{
	for (struct transaction *at = database.transactions; at != NULL;
	     at = at->next)
		if (at->shares_k)
			return false;
	for (struct backend *at = database.backends; at != NULL; at = at->next)
		if (at != backend && at->has_k)
			return false;
	backend->has_k = true;
	return true;
}

/* Ends a holder that showed no sign of life for so long. */
bool
database_try_l(struct backend *backend, int64_t patience_us)
{
	for (struct backend *at = database.backends; at != NULL;
	     at = at->next) {
		if (at == backend || !at->has_l)
			continue;
		if (agenda_now_us() - at->seen_us > patience_us)
			session_end_backend(at);
		return false;
	}
	backend->has_l = true;
	return true;
}
