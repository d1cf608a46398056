/*
 * Marks: how they are made, what became of them, and what one that is found
 * means.
 *
 *	mark  "name of the batch" " " "name of the last acknowledged one"
 *
 * A state of Redis whose mark is b holds all that was done before b was set,
 * and so all that a state holds whose mark is the batch that b names: b was set
 * on a connection that began with a look.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "flow/replay_private.h"
#include "observe/log.h"
#include "redis/connection.h"

/* A mark names its batch and the one before; instead of none: */
#define NO_BATCH "-"

static void
read_word(const char **text, char word[MEMORY_NAME])
{
	size_t n = strcspn(*text, " ");

	(void)snprintf(word, MEMORY_NAME, "%.*s", (int)n, *text);
	if (strcmp(word, NO_BATCH) == 0)
		word[0] = '\0';
	*text += n;
	*text += strspn(*text, " ");
}

void
replay_read_mark(
    const char *text, char name[MEMORY_NAME], char after[MEMORY_NAME])
{
	read_word(&text, name);
	read_word(&text, after);
}

/* Judging. */

static bool
is_same_server(const struct replay_server *a, const struct replay_server *b)
{
	return strcmp(a->run_id, b->run_id) == 0 &&
	       strcmp(a->replication_id, b->replication_id) == 0;
}

/* One that has never been promoted nor started anew went back nowhere: its mark
 * was evicted or flushed.  One without keys has nothing that is stale. */
static bool
judge_absent(struct replay *replay)
{
	bool is_first = *memory_head(&replay->memory) == '\0';

	replay->lost = NULL;
	replay->reason = "it holds no mark";
	return !is_first && !replay->is_empty &&
	       !is_same_server(&replay->server, &replay->held_by);
}

/* The mark was set on a state that may have gone back: that one counts which it
 * replaced.  NULL: nobody knows. */
static const char *
see_through(const struct replay *replay, const char *name)
{
	if (*name == '\0' || strcmp(name, replay->doubtful) != 0)
		return replay->found;
	if (replay->is_doubt_known)
		return replay->doubt_found;
	/* Its answer was lost with the connection: only a server that was
	 * promoted meanwhile, and is the same, has gone back behind it. */
	return strcmp(replay->server.run_id, replay->doubt_server.run_id) ==
			   0 &&
		       !is_same_server(&replay->server, &replay->doubt_server)
		   ? NULL
		   : replay->found;
}

static void
note_proven(struct replay *replay, const char *name)
{
	size_t place = replay->n_proven++ % N_ELEMENTS(replay->proven);

	(void)snprintf(replay->proven[place], MEMORY_NAME, "%s", name);
}

void
replay_end_doubt(struct replay *replay)
{
	char name[MEMORY_NAME];
	char after[MEMORY_NAME];

	replay_read_mark(replay->found, name, after);
	if (*name == '\0' || strcmp(name, replay->doubtful) != 0)
		return;
	replay->doubtful[0] = '\0';
	note_proven(replay, name); /* by what it has replaced */
}

static bool
is_proven(const struct replay *replay, const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(replay->proven); i++)
		if (strcmp(replay->proven[i], name) == 0)
			return true;
	return false;
}

/* Whether a mark can be believed that was set after an acknowledged batch and
 * is not known to be acknowledged itself.  Who set it may have met a server
 * that had gone back behind its connection, and not have lived to know: unless
 * it was us, and we had the proof.  To go back so takes a promotion, which the
 * server shows since the batch was acknowledged. */
static bool
may_follow(const struct replay *replay, const char *name)
{
	return *memory_head(&replay->memory) == '\0' ||
	       is_proven(replay, name) ||
	       is_same_server(&replay->server, &replay->held_by);
}

bool
replay_judge(struct replay *replay)
{
	const struct memory *memory = &replay->memory;
	const char *mark;
	char name[MEMORY_NAME];
	char after[MEMORY_NAME];

	replay->lost = NULL;
	replay_read_mark(replay->found, name, after);
	mark = see_through(replay, name);
	if (mark == NULL) {
		replay->reason = "it was promoted while a mark was set";
		return true;
	}
	if (*mark == '\0')
		return judge_absent(replay);
	replay_read_mark(mark, name, after);
	if (memory_find(memory, name, &replay->lost))
		return replay->lost != NULL;
	if (may_follow(replay, name) &&
	    memory_find(memory, after, &replay->lost))
		return replay->lost != NULL;
	replay->reason = "its mark is not known";
	return true;
}

/* Setting. */

int
replay_prepare(struct replay *replay, const char *name,
    struct replay_mark *ret_mark, struct pgripple_error *err)
{
	const char *head = memory_head(&replay->memory);

	if (replay->state != REPLAY_READY || !replay->is_claimed)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" was not looked at yet",
		    redis_connection_describe(replay->options.redis));
	*ret_mark = (struct replay_mark){.generation = replay->generation};
	(void)snprintf(ret_mark->name, sizeof(ret_mark->name), "%s", name);
	(void)snprintf(ret_mark->text, sizeof(ret_mark->text), "%s %s", name,
	    *head == '\0' ? NO_BATCH : head);
	memcpy(ret_mark->before, replay->mark, sizeof(ret_mark->before));
	(void)snprintf(ret_mark->replication_id,
	    sizeof(ret_mark->replication_id), "%s",
	    replay->server.replication_id);
	ret_mark->redis = (struct redis_mark){
	    .key = replay->key,
	    .text = ret_mark->text,
	    .before = ret_mark->before,
	    .replication_id = ret_mark->replication_id,
	};
	return 0;
}

/* Redis is full: what was applied is applied, but the mark is an older one. */
static void
tell_full(struct replay *replay)
{
	if (!replay->is_full)
		log_event(LOG_LEVEL_WARNING, "redis.mark_refused",
		    log_string("target", replay->options.name),
		    log_string("hint",
			"Redis is full.  What is removed from it is removed; "
			"should it be started again now, more is repeated."));
	replay->is_full = true;
}

static void
doubt(struct replay *replay, const struct replay_mark *mark,
    const struct redis_apply_result *result)
{
	memcpy(replay->doubtful, mark->name, sizeof(replay->doubtful));
	replay->is_doubt_known = result->mark_found != NULL;
	(void)snprintf(replay->doubt_found, sizeof(replay->doubt_found), "%s",
	    replay->is_doubt_known ? result->mark_found : "");
	replay->doubt_server = replay->server;
}

void
replay_note(struct replay *replay, const struct replay_mark *mark,
    enum redis_apply_outcome outcome, const struct redis_apply_result *result)
{
	if (mark->generation != replay->generation)
		return;
	if (outcome == REDIS_APPLY_LOST) {
		doubt(replay, mark, result);
		return;
	}
	if (result->is_marked) {
		memcpy(replay->mark, mark->text, sizeof(replay->mark));
		replay->is_full = false;
	} else if (outcome == REDIS_APPLY_DONE) {
		tell_full(replay);
	}
	if (outcome != REDIS_APPLY_DONE)
		return;
	replay->proven_us = clock_monotonic_us();
	if (result->is_marked)
		note_proven(replay, mark->name);
}

int
replay_state_mark(const struct replay *replay, const struct replay_mark *mark,
    struct state_mark *ret_state, struct pgripple_error *err)
{
	if (mark->generation != replay->generation)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" was lost since, and may have gone back",
		    redis_connection_describe(replay->options.redis));
	*ret_state = (struct state_mark){
	    .target = replay->options.name,
	    .number = mark->name,
	    .run_id = replay->server.run_id,
	    .replication_id = replay->server.replication_id,
	};
	return 0;
}
