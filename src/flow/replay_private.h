/*
 * The inside of a replay, shared by replay.c (machine, claims, looks),
 * replay_mark.c (marks, and what they mean) and replay_tasks.c (what is
 * repeated).
 */
#ifndef PGRIPPLE_FLOW_REPLAY_PRIVATE_H
#define PGRIPPLE_FLOW_REPLAY_PRIVATE_H

#include "flow/replay.h"

#include "base/backoff.h"

struct arena;
struct event;
struct outbox_task;

#define REPLAY_ID sizeof(((struct redis_server *)0)->run_id)

#define REPLAY_PROVEN 128

/* Which history of which server. */
struct replay_server {
	char run_id[REPLAY_ID];
	char replication_id[REPLAY_ID];
};

struct replay {
	struct replay_options options;
	struct replay_listener listener;
	const struct settings *settings;
	const struct pgripple_graph *graph;
	bool observes; /* by the settings */

	enum replay_state state;
	struct event *timer;
	struct backoff backoff;

	/* Of the claim. */
	bool is_claimed;
	char *key; /* of the mark */
	struct memory memory;
	struct replay_server held_by; /* it held the last acknowledged batch */

	/* Of the connection: what the look found. */
	struct replay_server server;
	char found[REDIS_MARK_TEXT]; /* the mark; "": none */
	bool is_empty;
	const struct memory_batch *lost; /* the first to be repeated; NULL: */
	const char *reason; /* why it must be whole models */
	/* And since then. */
	char mark[REDIS_MARK_TEXT]; /* that Redis holds */
	char glanced_for[REDIS_MARK_TEXT];
	uint64_t generation;
	int64_t proven_us; /* monotonic */
	bool is_full; /* the last mark was refused */

	/* Marks of ours that were proven and perhaps never acknowledged, the
	 * latest; a ring. */
	char proven[REPLAY_PROVEN][MEMORY_NAME];
	size_t n_proven; /* ever */

	/* A mark that was set without proof, and on what; empty: none. */
	char doubtful[MEMORY_NAME];
	bool is_doubt_known;
	char doubt_found[REDIS_MARK_TEXT]; /* instead of what it replaced */
	struct replay_server doubt_server;

	/* Of the statement under way. */
	bool is_telling;
	bool is_telling_models; /* as a whole */
	char telling_name[MEMORY_NAME];
	struct replay_server telling_server;
};

/* The first word of a mark, or the second; "" if there is none. */
void replay_read_mark(
    const char *text, char name[MEMORY_NAME], char after[MEMORY_NAME]);

/* The doubtful mark was found, and judged.  Until then it may still arrive. */
void replay_end_doubt(struct replay *replay);

/* What the mark that was found means: true if something was lost, see "lost"
 * and "reason". */
bool replay_judge(struct replay *replay);

/* Asks for what was lost to be repeated.  -1: not accepted. */
int replay_tell(struct replay *replay, struct session *work,
    struct pgripple_error *err) MUST_CHECK;

/* Feeds the machine; alone decides what an event means. */
void replay_step(struct replay *replay, enum replay_event event);

#endif
