/*
 * What the daemon asks of the outbox, of tasks and tables: src/postgres/
 * outbox.h, task.h, lookup.h, catalog.h and gaps.h over the modelled database.
 *
 * A statement is one moment: what it sees and what it does belong to the moment
 * in which it is executed, which is neither that of the call nor that of the
 * answer.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "postgres/catalog.h"
#include "postgres/gaps.h"
#include "postgres/lookup.h"
#include "postgres/outbox.h"
#include "postgres/task.h"
#include "world.h"

#define MAX_FETCHED 64
#define IMAGE_BYTES 48

static void
free_statement(struct statement *statement)
{
	free(statement);
}

/* A new statement of that size, which begins with it. */
static void *
make(size_t size, void (*execute)(struct statement *statement),
    void (*answer)(struct statement *statement, int outcome))
{
	struct statement *statement = calloc(1, size);

	if (statement == NULL)
		abort();
	statement->execute = execute;
	statement->answer = answer;
	statement->discard = free_statement;
	return statement;
}

static int
submit(struct session *session, void *statement, struct pgripple_error *err)
{
	struct statement *base = statement;

	if (session_run(session, base, err) == 0)
		return 0;
	base->discard(base);
	return -1;
}

static const struct pgripple_error *
why(int outcome)
{
	static struct pgripple_error err;

	if (outcome == SESSION_DONE)
		return NULL;
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER, "%s",
	    outcome == SESSION_LOST ? "the connection was lost"
				    : "the statement was refused");
	return &err;
}

/* Fetching. */

struct fetch {
	struct statement statement;
	struct outbox_bounds bounds;
	struct outbox_row rows[MAX_FETCHED];
	size_t n_rows;
	outbox_fetch_cb done;
	void *context;
};

static const struct outbox_entry *
oldest_above(int64_t id)
{
	const struct outbox_entry *oldest = NULL;

	for (size_t i = 0; i < database.n_outbox; i++) {
		const struct outbox_entry *entry = &database.outbox[i];

		if (!entry->is_gone && entry->id > id &&
		    (oldest == NULL || entry->id < oldest->id))
			oldest = entry;
	}
	return oldest;
}

static void
execute_fetch(struct statement *statement)
{
	struct fetch *fetch = (struct fetch *)statement;
	int64_t above_id = fetch->bounds.above_id;
	const struct outbox_entry *entry;

	while (fetch->n_rows < MAX_FETCHED &&
	       (int64_t)fetch->n_rows < fetch->bounds.max_rows &&
	       (entry = oldest_above(above_id)) != NULL) {
		fetch->rows[fetch->n_rows++] = (struct outbox_row){
		    .id = entry->id,
		    .xid = entry->xid,
		    .wall_us = entry->wall_us,
		    .change = entry->change,
		    .length = strlen(entry->change),
		    .lsn = "",
		};
		above_id = entry->id;
	}
}

static void
answer_fetch(struct statement *statement, int outcome)
{
	struct fetch *fetch = (struct fetch *)statement;

	fetch->done(fetch->context, (enum session_outcome)outcome, fetch->rows,
	    outcome == SESSION_DONE ? fetch->n_rows : 0, why(outcome));
}

int
outbox_fetch(struct session *session, const char *schema UNUSED,
    const struct outbox_bounds *bounds, outbox_fetch_cb done, void *context,
    struct pgripple_error *err)
{
	struct fetch *fetch = make(sizeof(*fetch), execute_fetch, answer_fetch);

	fetch->bounds = *bounds;
	fetch->done = done;
	fetch->context = context;
	return submit(session, fetch, err);
}

/* Acknowledging. */

struct acknowledge {
	struct statement statement;
	int64_t ids[MAX_FETCHED];
	size_t n_ids;
	int64_t rejected[MAX_FETCHED];
	size_t n_rejected;
	struct {
		char *operation;
		int64_t after_ms;
	} tasks[MAX_FETCHED];
	size_t n_tasks;
	struct state state;
	bool has_state;
	bool is_durable;
	struct outbox_acknowledged acknowledged;
	outbox_acknowledge_cb done;
	void *context;
};

static void
delete_entry(int64_t id)
{
	for (size_t i = 0; i < database.n_outbox; i++)
		if (database.outbox[i].id == id)
			database_delete(i);
}

/* Only for who has claimed it: nothing is done otherwise. */
static bool
change_state(struct statement *statement, const struct state *state)
{
	if (strcmp(state->owner, database.state.owner) != 0) {
		story("%s has claimed the state", database.state.owner);
		statement->is_refused = true;
		return false;
	}
	judge_state_change(statement->sent_tick);
	database_begin_unflushed();
	database_set_state(state);
	return true;
}

static bool
copy_state(struct state *state, const struct state_change *change)
{
	if (change->n_marks == 0)
		return false;
	(void)snprintf(state->owner, sizeof(state->owner), "%s", change->owner);
	(void)snprintf(state->number, sizeof(state->number), "%s",
	    change->marks[0].number);
	(void)snprintf(state->run_id, sizeof(state->run_id), "%s",
	    change->marks[0].run_id);
	(void)snprintf(state->replication_id, sizeof(state->replication_id),
	    "%s", change->marks[0].replication_id);
	return true;
}

static void
execute_acknowledge(struct statement *statement)
{
	struct acknowledge *acknowledge = (struct acknowledge *)statement;

	if (!acknowledge->has_state)
		database_begin_unflushed();
	else if (!change_state(statement, &acknowledge->state)) {
		acknowledge->acknowledged.is_claimed_by_other = true;
		return;
	}
	for (size_t i = 0; i < acknowledge->n_ids; i++)
		delete_entry(acknowledge->ids[i]);
	for (size_t i = 0; i < acknowledge->n_rejected; i++)
		judge_fail("the change %lld was rejected",
		    (long long)acknowledge->rejected[i]);
	for (size_t i = 0; i < acknowledge->n_tasks; i++)
		database_add_task(acknowledge->tasks[i].operation,
		    acknowledge->tasks[i].after_ms);
	acknowledge->acknowledged.n_gone = acknowledge->n_ids;
	if (acknowledge->is_durable)
		database_flush();
}

static void
answer_acknowledge(struct statement *statement, int outcome)
{
	struct acknowledge *acknowledge = (struct acknowledge *)statement;

	acknowledge->done(acknowledge->context, (enum session_outcome)outcome,
	    &acknowledge->acknowledged, why(outcome));
}

static void
discard_acknowledge(struct statement *statement)
{
	struct acknowledge *acknowledge = (struct acknowledge *)statement;

	for (size_t i = 0; i < acknowledge->n_tasks; i++)
		free(acknowledge->tasks[i].operation);
	free(acknowledge);
}

static void
copy_acknowledgement(struct acknowledge *copy,
    const struct outbox_acknowledgement *acknowledgement)
{
	copy->n_ids = acknowledgement->n_ids;
	for (size_t i = 0; i < copy->n_ids; i++)
		copy->ids[i] = acknowledgement->ids[i];
	copy->n_rejected = acknowledgement->n_rejections;
	for (size_t i = 0; i < copy->n_rejected; i++)
		copy->rejected[i] = acknowledgement->rejections[i].id;
	for (size_t i = 0; i < acknowledgement->n_tasks; i++) {
		const struct outbox_task *task = &acknowledgement->tasks[i];

		if (task->room == OUTBOX_IF_FULL)
			continue;
		copy->tasks[copy->n_tasks].operation = strdup(task->operation);
		copy->tasks[copy->n_tasks++].after_ms = task->after_ms;
	}
}

int
outbox_acknowledge(struct session *session, const char *schema UNUSED,
    const struct outbox_acknowledgement *acknowledgement,
    outbox_acknowledge_cb done, void *context, struct pgripple_error *err)
{
	struct acknowledge *acknowledge =
	    make(sizeof(*acknowledge), execute_acknowledge, answer_acknowledge);

	acknowledge->statement.discard = discard_acknowledge;
	copy_acknowledgement(acknowledge, acknowledgement);
	acknowledge->has_state =
	    copy_state(&acknowledge->state, &acknowledgement->state);
	acknowledge->is_durable = acknowledgement->is_durable;
	acknowledge->done = done;
	acknowledge->context = context;
	return submit(session, acknowledge, err);
}

/* No writer leaves marks here: tests/model/mark.pml has them. */
int
outbox_claim(struct session *session UNUSED, const char *schema UNUSED,
    const int64_t *ids UNUSED, size_t n_ids UNUSED, outbox_claim_cb done UNUSED,
    void *context UNUSED, struct pgripple_error *err)
{
	return pgripple_error_set(
	    err, PGRIPPLE_ERROR_BUG, "there are no marks in this world");
}

/* Tasks. */

struct next {
	struct statement statement;
	bool is_quick;
	struct task task;
	struct task_answer told;
	task_next_cb done;
	void *context;
};

static bool
is_quick(const struct task_entry *entry)
{
	return strncmp(entry->operation, "{\"all\":", 7) == 0;
}

static void
execute_next(struct statement *statement)
{
	struct next *next = (struct next *)statement;
	struct task_entry *first = NULL;
	int64_t wait_us;

	for (size_t i = 0; i < database.n_tasks; i++) {
		struct task_entry *entry = &database.tasks[i];

		if (!entry->is_gone && is_quick(entry) == next->is_quick &&
		    (first == NULL || entry->due_us < first->due_us))
			first = entry;
	}
	if (first == NULL)
		return;
	wait_us = first->due_us - agenda_now_us();
	if (wait_us > 0) {
		next->told.wait_ms = wait_us / MS + 1;
		return;
	}
	first->is_started = true;
	next->task = (struct task){
	    first->id, first->operation, strlen(first->operation)};
	next->told.task = &next->task;
}

static void
answer_next(struct statement *statement, int outcome)
{
	struct next *next = (struct next *)statement;

	if (outcome != SESSION_DONE)
		next->told = (struct task_answer){0};
	next->done(next->context, (enum session_outcome)outcome, &next->told,
	    why(outcome));
}

int
task_next(struct session *session, const char *schema UNUSED,
    const struct task_choice *choice, task_next_cb done, void *context,
    struct pgripple_error *err)
{
	struct next *next = make(sizeof(*next), execute_next, answer_next);

	next->is_quick = choice->quick;
	next->done = done;
	next->context = context;
	return submit(session, next, err);
}

struct finish {
	struct statement statement;
	int64_t id;
	struct state state;
	bool has_state;
	bool is_claimed_by_other;
	task_done_cb done;
	void *context;
};

static void
execute_finish(struct statement *statement)
{
	struct finish *finish = (struct finish *)statement;

	if (!finish->has_state)
		database_begin_unflushed();
	else if (!change_state(statement, &finish->state)) {
		finish->is_claimed_by_other = true;
		return;
	}
	for (size_t i = 0; i < database.n_tasks; i++)
		if (database.tasks[i].id == finish->id)
			database_end_task(i);
}

static void
answer_finish(struct statement *statement, int outcome)
{
	struct finish *finish = (struct finish *)statement;

	finish->done(finish->context, (enum session_outcome)outcome,
	    finish->is_claimed_by_other, why(outcome));
}

int
task_done(struct session *session, const char *schema UNUSED,
    const struct task_end *end, task_done_cb done, void *context,
    struct pgripple_error *err)
{
	struct finish *finish =
	    make(sizeof(*finish), execute_finish, answer_finish);

	if (end->reason != NULL)
		judge_fail("a task was rejected: %s", end->reason);
	finish->id = end->id;
	finish->has_state = copy_state(&finish->state, &end->state);
	finish->done = done;
	finish->context = context;
	return submit(session, finish, err);
}

/* Lookups: all of this world's are by id. */

struct look {
	struct statement statement;
	enum table tables[LOOKUP_MAX_GROUP];
	bool wants[LOOKUP_MAX_GROUP][N_ROWS + 1];
	size_t n_lookups;
	struct lookup_row rows[LOOKUP_MAX_GROUP * N_ROWS];
	char images[LOOKUP_MAX_GROUP * N_ROWS][IMAGE_BYTES];
	size_t n_rows;
	lookup_cb done;
	void *context;
};

static void
find_row(struct look *look, size_t number, int row)
{
	enum table table = look->tables[number];
	const struct table_row *found = &database.rows[table][row];
	char *image = look->images[look->n_rows];
	char parent[16] = "null";

	if (found->parent != 0)
		(void)snprintf(parent, sizeof(parent), "%d", found->parent);
	if (table == TABLE_A)
		(void)snprintf(image, IMAGE_BYTES, "{\"id\":%d}", row);
	else
		(void)snprintf(image, IMAGE_BYTES, "{\"id\":%d,\"%s\":%s}", row,
		    table == TABLE_B ? "a_id" : "b_id", parent);
	look->rows[look->n_rows++] =
	    (struct lookup_row){number, image, strlen(image)};
}

static void
execute_look(struct statement *statement)
{
	struct look *look = (struct look *)statement;

	for (size_t i = 0; i < look->n_lookups; i++)
		for (int row = 1; row <= N_ROWS; row++)
			if (look->wants[i][row])
				find_row(look, i, row);
}

static void
answer_look(struct statement *statement, int outcome)
{
	struct look *look = (struct look *)statement;

	look->done(look->context, (enum session_outcome)outcome, look->rows,
	    outcome == SESSION_DONE ? look->n_rows : 0, why(outcome));
}

static void
copy_lookup(struct look *look, const struct pgripple_lookup *lookup)
{
	const struct pgripple_table *table = lookup->model->table;
	size_t number = look->n_lookups++;

	if (lookup->n_columns != 1 ||
	    strcmp(table->columns[lookup->columns[0]].name, "id") != 0)
		judge_fail("a lookup in \"%s\" is not by id", table->name);
	look->tables[number] = (enum table)(table->name[0] - 'a');
	for (size_t i = 0; i < lookup->n_keys; i++) {
		int row = atoi(lookup->keys[i].text);

		if (row >= 1 && row <= N_ROWS)
			look->wants[number][row] = true;
	}
}

int
lookup_submit_group(struct session *session, struct lookup_group *group,
    lookup_cb done, void *context, struct pgripple_error *err)
{
	struct look *look = make(sizeof(*look), execute_look, answer_look);

	for (size_t i = 0; i < group->n_lookups; i++)
		copy_lookup(look, group->lookups[i]);
	look->done = done;
	look->context = context;
	return submit(session, look, err);
}

/* The catalog: all is as it should be. */

struct describe {
	struct statement statement;
	struct pgripple_graph *graph;
	catalog_describe_cb done;
	void *context;
};

static void
execute_nothing(struct statement *statement UNUSED)
{
}

static struct catalog *
make_catalog(struct pgripple_graph *graph)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));

	if (catalog == NULL || (catalog->arena = arena_new()) == NULL)
		abort();
	catalog->tables = arena_array(
	    catalog->arena, graph->n_tables, sizeof(*catalog->tables));
	for (size_t i = 0; i < graph->n_tables; i++) {
		struct pgripple_table *table = &graph->tables[i];

		catalog->tables[i] =
		    (struct catalog_table){.watch = CATALOG_WATCHED};
		for (size_t j = 0; j < table->n_columns; j++) {
			table->columns[j].type = "pg_catalog.int8";
			table->columns[j].text_equality = true;
		}
	}
	catalog->installed = true;
	catalog->schema_version = CATALOG_SCHEMA_VERSION;
	catalog->notify_mode = "adaptive";
	pgripple_graph_settle(graph);
	return catalog;
}

const char *
catalog_watch_name(enum catalog_watch watch UNUSED)
{
	return "watched";
}

void
catalog_free(struct catalog *catalog)
{
	if (catalog == NULL)
		return;
	arena_free(catalog->arena);
	free(catalog);
}

static void
answer_describe(struct statement *statement, int outcome)
{
	struct describe *describe = (struct describe *)statement;

	describe->done(describe->context, (enum session_outcome)outcome,
	    outcome == SESSION_DONE ? make_catalog(describe->graph) : NULL,
	    why(outcome));
}

int
catalog_describe_submit(struct session *session, const char *schema UNUSED,
    struct pgripple_graph *graph, catalog_describe_cb done, void *context,
    struct pgripple_error *err)
{
	struct describe *describe =
	    make(sizeof(*describe), execute_nothing, answer_describe);

	describe->graph = graph;
	describe->done = done;
	describe->context = context;
	return submit(session, describe, err);
}

struct look_for_gaps {
	struct statement statement;
	gaps_cb done;
	void *context;
};

static void
answer_gaps(struct statement *statement, int outcome)
{
	struct look_for_gaps *look = (struct look_for_gaps *)statement;
	const struct gaps gaps = {.schema_version = CATALOG_SCHEMA_VERSION};

	look->done(look->context, (enum session_outcome)outcome,
	    outcome == SESSION_DONE ? &gaps : NULL, why(outcome));
}

int
gaps_look(struct session *session, const char *schema UNUSED, gaps_cb done,
    void *context, struct pgripple_error *err)
{
	struct look_for_gaps *look =
	    make(sizeof(*look), execute_nothing, answer_gaps);

	look->done = done;
	look->context = context;
	return submit(session, look, err);
}
