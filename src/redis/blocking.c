/*
 * A blocking connection to Redis for the command line.
 */
#include "redis/blocking.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "net/resolve.h"
#include "redis/reply.h"
#include "redis/sentinel.h"
#include "redis/socket.h"
#include "redis/tls.h"
#include "redis/url.h"

struct redis_blocking {
	redisContext *context;
	struct redis_url url;
	char name[REDIS_URL_TEXT];
	struct timeval timeout;
	int64_t timeout_ms;
	struct redis_server server;
};

static void
free_reply(redisReply **reply)
{
	if (*reply != NULL)
		freeReplyObject(*reply);
}

static int
fail(const struct redis_blocking *blocking, const char *what,
    struct pgripple_error *err)
{
	const redisContext *context = blocking->context;

	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER, "%s \"%s\": %s",
	    what, blocking->name,
	    context != NULL ? context->errstr : "out of memory");
}

/* Sends a command and waits; the caller frees what comes back. */
static redisReply *
ask(struct redis_blocking *blocking, int argc, const char **argv,
    struct pgripple_error *err)
{
	redisReply *raw = redisCommandArgv(blocking->context, argc, argv, NULL);

	if (raw != NULL)
		return raw;
	if (blocking->context->err == REDIS_ERR_IO && errno == EAGAIN)
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" did not answer %s within %lld ms",
		    blocking->name, argv[0], (long long)blocking->timeout_ms);
	else
		(void)fail(blocking, "lost the connection to redis at", err);
	return NULL;
}

static int
verify(struct redis_blocking *blocking, struct pgripple_error *err)
{
	struct redis_verify_command command;
	struct redis_verify state;

	redis_verify_init(&state, &blocking->url);
	while (redis_verify_next(&state, &command)) {
		CLEANUP(free_reply)
		redisReply *raw =
		    ask(blocking, command.argc, command.argv, err);
		struct redis_reply reply;

		if (raw == NULL)
			return -1;
		reply = redis_reply_from(raw);
		if (redis_verify_reply(&state, &reply, err) < 0)
			return -1;
	}
	blocking->server = state.server;
	return 0;
}

/* Takes over the context, good or bad. */
static int
adopt(struct redis_blocking *blocking, redisContext *context,
    struct pgripple_error *err)
{
	if (blocking->context != NULL)
		redisFree(blocking->context);
	blocking->context = context;
	if (context == NULL || context->err != 0)
		return fail(blocking, "could not connect to redis at", err);
	redis_socket_tune(context->fd, blocking->timeout_ms);
	if (redisSetTimeout(context, blocking->timeout) != REDIS_OK)
		return fail(
		    blocking, "could not set the timeout of redis at", err);
	if (blocking->url.is_tls &&
	    redis_tls_start(&blocking->url, context, err) < 0)
		return -1;
	return verify(blocking, err);
}

static int
connect_host(struct redis_blocking *blocking, const char *host, uint16_t port,
    struct pgripple_error *err)
{
	struct resolved resolved;

	if (resolve_now(host, &resolved, err) < 0)
		return -1;
	for (size_t i = 0; i < resolved.n_addresses; i++)
		if (adopt(blocking,
			redisConnectWithTimeout(
			    resolved.addresses[i], port, blocking->timeout),
			err) == 0)
			return 0;
	return -1;
}

static int
connect_any(struct redis_blocking *blocking, struct pgripple_error *err)
{
	const struct redis_url *url = &blocking->url;
	struct redis_masters masters;

	if (url->is_unix)
		return adopt(blocking,
		    redisConnectUnixWithTimeout(url->path, blocking->timeout),
		    err);
	if (url->n_sentinels == 0)
		return connect_host(blocking, url->host, url->port, err);
	if (redis_sentinel_ask(url, blocking->timeout_ms, &masters, err) < 0)
		return -1;
	for (size_t i = 0; i < masters.n_items; i++)
		if (connect_host(blocking, masters.items[i].host,
			masters.items[i].port, err) == 0)
			return 0;
	return -1;
}

int
redis_blocking_open(const char *url, int64_t timeout_ms,
    struct redis_blocking **ret_blocking, struct pgripple_error *err)
{
	struct redis_blocking *blocking = calloc(1, sizeof(*blocking));

	if (blocking == NULL)
		return pgripple_error_nomem(err);
	blocking->timeout_ms = timeout_ms;
	blocking->timeout.tv_sec = (time_t)(timeout_ms / 1000);
	blocking->timeout.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000);
	if (redis_url_parse(url, &blocking->url, err) < 0) {
		redis_blocking_close(blocking);
		return -1;
	}
	redis_url_print(&blocking->url, blocking->name, sizeof(blocking->name));
	if (connect_any(blocking, err) < 0) {
		redis_blocking_close(blocking);
		return -1;
	}
	*ret_blocking = blocking;
	return 0;
}

void
redis_blocking_close(struct redis_blocking *blocking)
{
	if (blocking == NULL)
		return;
	if (blocking->context != NULL)
		redisFree(blocking->context);
	redis_url_done(&blocking->url);
	free(blocking);
}

const char *
redis_blocking_describe(const struct redis_blocking *blocking)
{
	return blocking->name;
}

const struct redis_server *
redis_blocking_server(const struct redis_blocking *blocking)
{
	return &blocking->server;
}

/* A command whose reply must be an integer; the key may be NULL. */
static int
ask_integer(struct redis_blocking *blocking, const char *command,
    const char *key, int64_t *ret_integer, struct pgripple_error *err)
{
	const char *argv[] = {command, key};
	CLEANUP(free_reply)
	redisReply *raw = ask(blocking, key == NULL ? 1 : 2, argv, err);
	struct redis_reply reply;

	if (raw == NULL)
		return -1;
	reply = redis_reply_from(raw);
	if (reply.kind != REDIS_REPLY_KIND_INTEGER) {
		(void)redis_reply_refuse(&reply, blocking->name, command, err);
		return -1;
	}
	*ret_integer = reply.integer;
	return 0;
}

int
redis_blocking_set(struct redis_blocking *blocking, const char *key,
    const char *value, int64_t ttl_ms, struct pgripple_error *err)
{
	char ttl[24];
	const char *argv[] = {"SET", key, value, "PX", ttl};
	CLEANUP(free_reply) redisReply *raw = NULL;
	struct redis_reply reply;

	(void)snprintf(ttl, sizeof(ttl), "%lld", (long long)ttl_ms);
	raw = ask(blocking, N_ELEMENTS(argv), argv, err);
	if (raw == NULL)
		return -1;
	reply = redis_reply_from(raw);
	if (!redis_reply_equals(&reply, "OK"))
		return redis_reply_refuse(&reply, blocking->name, "SET", err);
	return 0;
}

int
redis_blocking_exists(struct redis_blocking *blocking, const char *key,
    bool *ret_exists, struct pgripple_error *err)
{
	int64_t n;

	if (ask_integer(blocking, "EXISTS", key, &n, err) < 0)
		return -1;
	*ret_exists = n > 0;
	return 0;
}

int
redis_blocking_count_keys(
    struct redis_blocking *blocking, int64_t *ret_n, struct pgripple_error *err)
{
	return ask_integer(blocking, "DBSIZE", NULL, ret_n, err);
}

int
redis_blocking_unlink(struct redis_blocking *blocking, const char *key,
    struct pgripple_error *err)
{
	int64_t n_removed;

	return ask_integer(blocking, "UNLINK", key, &n_removed, err);
}

static void
tell_texts(const struct redis_reply *texts, redis_blocking_text_cb callback,
    void *context)
{
	for (size_t i = 0; i < texts->n_items; i++) {
		struct redis_reply text = redis_reply_item(texts, i);

		if (text.kind == REDIS_REPLY_KIND_TEXT)
			callback(context, text.text);
	}
}

int
redis_blocking_members(struct redis_blocking *blocking, const char *key,
    redis_blocking_text_cb callback, void *context, struct pgripple_error *err)
{
	const char *argv[] = {"SMEMBERS", key};
	CLEANUP(free_reply) redisReply *raw = ask(blocking, 2, argv, err);
	struct redis_reply reply;

	if (raw == NULL)
		return -1;
	reply = redis_reply_from(raw);
	if (reply.kind != REDIS_REPLY_KIND_ARRAY)
		return redis_reply_refuse(
		    &reply, blocking->name, "SMEMBERS", err);
	tell_texts(&reply, callback, context);
	return 0;
}

/* One page; the cursor becomes the next one. */
static int
scan_page(struct redis_blocking *blocking, const char *pattern, char *cursor,
    size_t size, redis_blocking_text_cb callback, void *context,
    struct pgripple_error *err)
{
	const char *argv[] = {
	    "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", "TYPE", "set"};
	CLEANUP(free_reply)
	redisReply *raw = ask(blocking, N_ELEMENTS(argv), argv, err);
	struct redis_reply reply, next, keys;

	if (raw == NULL)
		return -1;
	reply = redis_reply_from(raw);
	if (reply.kind != REDIS_REPLY_KIND_ARRAY || reply.n_items != 2)
		return redis_reply_refuse(&reply, blocking->name, "SCAN", err);
	next = redis_reply_item(&reply, 0);
	keys = redis_reply_item(&reply, 1);
	if (next.kind != REDIS_REPLY_KIND_TEXT)
		return redis_reply_refuse(&next, blocking->name, "SCAN", err);
	(void)snprintf(cursor, size, "%s", next.text);
	if (keys.kind == REDIS_REPLY_KIND_ARRAY)
		tell_texts(&keys, callback, context);
	return 0;
}

int
redis_blocking_scan(struct redis_blocking *blocking, const char *pattern,
    redis_blocking_text_cb callback, void *context, struct pgripple_error *err)
{
	char cursor[24] = "0";

	do
		if (scan_page(blocking, pattern, cursor, sizeof(cursor),
			callback, context, err) < 0)
			return -1;
	while (strcmp(cursor, "0") != 0);
	return 0;
}
