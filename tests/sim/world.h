/*
 * The simulated world: the daemon's own code (src/flow, src/redis/apply*.c and
 * scan.c, src/postgres/listen.c and low_water.c, and all below) runs in it
 * against a modelled Postgres, a modelled Redis, modelled connections to both
 * and a modelled clock.  Nothing waits and nothing is shared with the real
 * world: a seed decides everything.
 *
 *	agenda.c    what happens when, and by chance
 *	loop.c      libevent, the clock and randomness, as the daemon sees them
 *	database.c  Postgres: rows, transactions, outbox, tasks, locks
 *	session.c   src/postgres/session.h over it: backends that die
 *	work.c      src/postgres/outbox.h, task.h, lookup.h, catalog.h, gaps.h
 *	redis.c     Redis: keys, fences, its past
 *	wire.c      src/redis/connection.h over it: what is sent arrives, late,
 *	            half or never
 *	people.c    writers and readers, the application
 *	faults.c    what breaks
 *	judge.c     what must hold
 *	main.c      schedules, seeds, the command line
 */
#ifndef PGRIPPLE_TESTS_SIM_WORLD_H
#define PGRIPPLE_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

/* Chance. */

void chance_seed(uint64_t seed);
uint64_t chance_bits(void);
/* From 0 to n - 1. */
int64_t chance_below(int64_t n);
bool chance_percent(int64_t percent);
/* Mostly short, sometimes long: up to max_us. */
int64_t chance_delay(int64_t max_us);

/* Agenda. */

struct job;
typedef void (*job_cb)(void *context);

void agenda_start(void);
void agenda_clear(void);
struct job *agenda_add(int64_t delay_us, job_cb run, void *context);
/* No effect on NULL; not after it ran. */
void agenda_cancel(struct job *job);
/* Runs the next one; false when there is none. */
bool agenda_run_next(void);
int64_t agenda_now_us(void);

/* The story of one schedule, told with --story only. */
extern bool story_is_told;
void story(const char *format, ...) PRINTF_LIKE(1, 2);

/* Ends the schedule: a promise was broken. */
void judge_fail(const char *format, ...) PRINTF_LIKE(1, 2);
bool judge_has_failed(void);

/* Postgres. */

#define N_ROWS 3
#define MAX_OUTBOX 256
#define MAX_TASKS 256
#define MAX_HIDDEN 8 /* changes of one transaction */

enum table { TABLE_A, TABLE_B, TABLE_C };
#define N_TABLES 3

struct table_row {
	int64_t version;
	int parent; /* 1 to N_ROWS; 0: NULL */
	const struct transaction *lock;
};

struct outbox_entry {
	int64_t id;
	uint64_t xid;
	int64_t wall_us;
	char change[200];
	enum table table;
	int row; /* 0: the whole table */
	uint64_t commit_tick;
	bool is_gone;
};

struct task_entry {
	int64_t id;
	char *operation;
	int64_t due_us;
	bool is_started;
	bool is_gone;
};

struct transaction {
	uint64_t xid;
	int virtual_xid; /* 0: has no lock on the outbox yet */
	struct hidden {
		enum table table;
		int row;
		int parent;
		int64_t id; /* 0: not drawn yet */
		char change[200];
	} changes[MAX_HIDDEN];
	size_t n_changes;
	int phase; /* of the change at hand: lock, id, row */
	bool shares_k;
	bool rings;
	bool is_aborted; /* by a crash */
	bool is_over;
	struct transaction *next;
};

struct backend {
	bool is_dead; /* its locks are gone */
	bool listens;
	bool has_k;
	bool has_l;
	int64_t seen_us; /* the last statement */
	struct session *client; /* NULL: half open */
	struct backend *next;
};

/* src/postgres/state.h: of the one target. */
struct state {
	char owner[24];
	char number[64];
	char run_id[24];
	char replication_id[24];
};

struct database {
	bool is_down;
	struct state state;
	struct table_row rows[N_TABLES][N_ROWS + 1];
	struct outbox_entry outbox[MAX_OUTBOX];
	size_t n_outbox;
	struct task_entry tasks[MAX_TASKS];
	size_t n_tasks;
	int64_t last_id; /* the sequence */
	int64_t last_task;
	int64_t version;
	uint64_t last_xid;
	int last_virtual_xid;
	struct transaction *transactions;
	struct backend *backends;
	size_t n_rejected;
	/* Acknowledgements whose WAL is not flushed: a crash takes them back,
	 * the newest first. */
	struct unflushed {
		enum {
			UNFLUSHED_BEGIN, /* of a transaction */
			UNFLUSHED_DELETE,
			UNFLUSHED_TASK,
			UNFLUSHED_END,
			UNFLUSHED_STATE,
		} kind;
		size_t index;
		struct state before;
	} unflushed[4 * MAX_OUTBOX];
	size_t n_unflushed;
};

extern struct database database;

void database_start(void);
void database_clear(void);
void database_crash(void);
/* What was committed so far survives a crash. */
void database_flush(void);
/* What a row and all that belong to it look like: what a cache holds. */
uint64_t database_picture(enum table table, int row);
const char *database_table_name(enum table table);
/* NULL when the server is down. */
struct backend *database_connect(struct session *client);
void database_end_backend(struct backend *backend);
bool database_try_k(struct backend *backend);
bool database_try_l(struct backend *backend, int64_t patience_us);
struct transaction *database_begin(void);
/* One step of a change of a row: the lock, the id, the row.  False when there
 * is nothing that it could change. */
bool database_change(struct transaction *transaction);
void database_end(struct transaction *transaction, bool commits);
/* Of a transaction with synchronous_commit = off. */
void database_begin_unflushed(void);
void database_delete(size_t outbox_index);
void database_add_task(const char *operation, int64_t after_ms);
void database_end_task(size_t index);
void database_set_state(const struct state *state);
size_t database_waiting(void);

/* Sessions: a statement is executed by the server, and answered, or not. */
struct session;
struct statement {
	struct backend *backend;
	struct session *session; /* NULL: nobody waits any more */
	void (*execute)(struct statement *statement);
	/* FAILED, LOST: what execute() left behind is nothing. */
	void (*answer)(struct statement *statement, int outcome);
	void (*discard)(struct statement *statement);
	uint64_t sent_tick;
	bool is_executed;
	bool is_refused;
	struct job *job;
};
int session_run(struct session *session, struct statement *statement,
    struct pgripple_error *err) MUST_CHECK;
/* Both ends notice, each in its own time. */
void session_cut(struct session *session);
struct session *session_any(void);
/* The server ends a backend: its client reads EOF, soon. */
void session_end_backend(struct backend *backend);
/* The doorbell rings for all that listen. */
void session_notify(void);
/* In percent of statements. */
extern int64_t session_refusals;

/* Redis. */

#define MAX_KEYS 48
#define KEY_BYTES 32
#define VALUE_BYTES 112

struct redis_entry {
	char key[KEY_BYTES];
	char value[VALUE_BYTES];
	int64_t expires_us; /* 0: never */
};

enum redis_mood {
	REDIS_WELL,
	REDIS_FULL, /* OOM: takes nothing new, lets go */
	REDIS_SICK, /* MISCONF: no writes */
	REDIS_LOADING,
	REDIS_REPLICA,
};

extern struct redis_model {
	struct redis_entry entries[MAX_KEYS]; /* key "": a free place */
	enum redis_mood mood;
	unsigned full_times; /* how often it was FULL */
	bool is_down;
	int64_t paused_until_us;
	unsigned run; /* makes the run id */
	unsigned history; /* makes the replication id */
	/* When the key of a row was last removed, by whatever. */
	uint64_t removed_tick[N_TABLES][N_ROWS + 1];
} redis;

void redis_start(void);
const struct redis_entry *redis_find(const char *key);
void redis_set(const char *key, const char *value, int64_t ttl_us);
bool redis_remove(const char *key);
/* Forgets the last n writes. */
void redis_go_back(size_t n);
size_t redis_n_writes(void);
/* One command; the reply is a hiredis one, to be freed. */
struct redisReply;
struct redisReply *redis_execute(size_t argc, char *const *argv);

/* All connections, or one of them, break. */
void wire_cut_all(void);
void wire_cut_one(void);
/* In percent of commands. */
extern int64_t wire_odd_replies;
extern int64_t wire_swallowed;

/* The people, and what breaks. */

void people_start(int n_writers, int64_t until_us);
bool people_are_done(void);

/* What a schedule holds, by chance. */
struct plan {
	int n_daemons;
	int n_writers;
	int64_t until_us; /* when the writers stop and everything is mended */
	bool breaks_redis;
	bool breaks_postgres;
	bool kills;
	bool goes_back; /* Redis does */
};

void faults_start(const struct plan *plan);
void faults_mend(void);

/* Daemons. */

#define MAX_DAEMONS 2
struct daemon;
int daemons_load(const char *calm_path, const char *stormy_path);
void daemons_unload(void);
void daemons_start(int n, bool is_calm);
void daemons_kill(int which);
void daemons_clear(void);
bool daemons_have_left(void);

/* One number goes up with each commit and each removal. */
uint64_t judge_tick(void);
void judge_start(void);
const char *judge_reason(void);
/* A change leaves the outbox. */
void judge_acknowledged(const struct outbox_entry *entry);
void judge_state_change(uint64_t sent_tick);
void judge_end(void);

#endif
