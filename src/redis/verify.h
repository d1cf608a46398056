/*
 * What a new connection must show before it is used: that the password is
 * good, and that the server is a master, of Redis 6.2 or later, and no
 * cluster.  Pure; shared by the daemon's connection and the command line's.
 *
 *	redis_verify_init(&verify, url)
 *	while (redis_verify_next(&verify, &command))	send it, pipelined or
 *not redis_verify_reply(&verify, reply, err)		for each, in order
 *
 * An error that a server sends unasked ("max number of clients reached") looks
 * like the reply to the first command, so that must be one that cannot fail
 * otherwise without the connection being useless.
 */
#ifndef PGRIPPLE_REDIS_VERIFY_H
#define PGRIPPLE_REDIS_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"
#include "redis/reply.h"
#include "redis/url.h"

/* What is known of a server that passed. */
struct redis_server {
	char version[32];
	char run_id[64]; /* changes with every start of the server */
};

#define REDIS_VERIFY_ARGS 3

struct redis_verify_command {
	const char *argv[REDIS_VERIFY_ARGS]; /* terminated; borrow the URL */
	int argc;
};

struct redis_verify {
	const struct redis_url *url;
	char name[REDIS_URL_TEXT];
	char db[16];
	int next; /* enum verify_step of verify.c */
	int answered;
	struct redis_server server;
};

/* Borrows the URL. */
void redis_verify_init(
    struct redis_verify *verify, const struct redis_url *url);

/* False: there are no more commands. */
bool redis_verify_next(
    struct redis_verify *verify, struct redis_verify_command *ret_command);

enum redis_verify_outcome {
	REDIS_VERIFY_MORE = 0, /* replies are outstanding */
	REDIS_VERIFY_DONE = 1, /* verify->server is complete */
};

/* -1: CONFIG when the server is there but cannot be used as it is, PEER when
 * it may be fit a moment later. */
int redis_verify_reply(struct redis_verify *verify,
    const struct redis_reply *reply, struct pgripple_error *err) MUST_CHECK;

#endif
