/*
 * An apply under way.  Private to redis/apply*.c.
 *
 *	apply.c          what is sent when, and the end
 *	apply_command.c  operations -> commands
 *	apply_reply.c    replies -> what became of the operations
 */
#ifndef PGRIPPLE_REDIS_APPLY_PRIVATE_H
#define PGRIPPLE_REDIS_APPLY_PRIVATE_H

#include "base/buf.h"
#include "redis/apply.h"
#include "redis/mark.h"

#define NONCE_SIZE 96

/* Neighbours among the operations that one command does. */
struct range {
	size_t from;
	size_t n;
	size_t bytes;
	bool is_single; /* to be sent again, one by one */
};

/* The words of a command; their texts live elsewhere, or in "made", which
 * begins anew with each command. */
struct words {
	const char **argv;
	size_t *lengths;
	size_t n;
	size_t capacity;
	struct buf made;
	bool failed;
};

struct apply {
	struct redis_connection *conn;
	const struct pgripple_operation *operations;
	size_t n_operations;
	size_t n_sent;
	char nonce[NONCE_SIZE];
	int64_t tag_members;
	size_t max_flown; /* commands */

	/* In flight, in the order of their replies: a ring. */
	struct range flights[REDIS_APPLY_FLIGHT_COMMANDS];
	uint64_t n_flown;
	uint64_t n_landed;
	size_t flight_bytes;
	/* To be sent again before anything new is. */
	struct range *again;
	size_t n_again;
	size_t again_capacity;
	bool has_scripts; /* texts are sent: the server does not know them */
	/* At the end: an echo of the nonce, or the mark and what proves it. */
	const struct redis_mark *mark; /* or NULL */
	int n_proofs; /* replies that are owed */
	bool is_end_sent;
	bool is_mark_found;
	char mark_found[REDIS_MARK_TEXT];
	struct words words;

	struct redis_apply_result result;
	struct redis_rejection *rejections;
	size_t rejection_capacity;
	struct redis_leftover *leftovers;
	size_t leftover_capacity;

	bool has_failed;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;
	redis_apply_cb callback;
	void *context;
};

/* "UNLINK"; for messages. */
const char *command_name(enum pgripple_operation_kind kind);
enum redis_reply_kind command_expects(enum pgripple_operation_kind kind);
bool command_is_script(enum pgripple_operation_kind kind);
/* What the next command does: a range of n = 0 if nothing is left. */
struct range command_range(const struct apply *apply, size_t from);
/* Makes the command in apply->words.  -1: NOMEM. */
int command_make(struct apply *apply, const struct range *range,
    struct pgripple_error *err) MUST_CHECK;
void words_done(struct words *words);

/* The reply to the commands of a range. */
void reply_take(struct apply *apply, const struct range *range,
    const struct redis_reply *reply);
/* A loss says more than a refusal. */
void reply_fail(struct apply *apply, enum redis_apply_outcome outcome,
    const struct pgripple_error *err);

#endif
