/*
 * Whether a connection keeps what belongs to a session.
 */
#ifndef PGRIPPLE_CLI_POOLER_H
#define PGRIPPLE_CLI_POOLER_H

#include "base/util.h"

struct command;

enum pooler_outcome {
	POOLER_NONE = 0,
	POOLER_FOUND = 1,
};

/* Tells a transaction pooler from a server, or from a pooler in session mode.
 * one and two are two connections to the same place.  On POOLER_FOUND
 * *ret_sign is what gave it away, a constant. */
int pooler_look(struct command *one, struct command *two, const char **ret_sign,
    struct pgripple_error *err) MUST_CHECK;

#endif
