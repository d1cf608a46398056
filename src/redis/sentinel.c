/*
 * Redis Sentinel: which server is the master now?
 */
#include "redis/sentinel.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "net/resolve.h"
#include "redis/reply.h"
#include "redis/socket.h"

#define NAME_TEXT 320

struct asking {
	const struct redis_url *url;
	struct timeval timeout;
	int64_t timeout_ms;
	char name[NAME_TEXT]; /* "host:port" of the sentinel */
	redisContext *context;
};

static void
free_reply(redisReply **reply)
{
	if (*reply != NULL)
		freeReplyObject(*reply);
}

static int
refuse(const struct asking *asking, const char *why, struct pgripple_error *err)
{
	return pgripple_error_set(
	    err, PGRIPPLE_ERROR_PEER, "sentinel \"%s\": %s", asking->name, why);
}

static int
ask(const struct asking *asking, int argc, const char **argv,
    redisReply **ret_raw, struct pgripple_error *err)
{
	redisReply *raw = redisCommandArgv(asking->context, argc, argv, NULL);

	if (raw == NULL)
		return refuse(asking, asking->context->errstr, err);
	if (raw->type == REDIS_REPLY_ERROR) {
		(void)refuse(asking, raw->str, err);
		freeReplyObject(raw);
		return -1;
	}
	*ret_raw = raw;
	return 0;
}

static int
authenticate(const struct asking *asking, struct pgripple_error *err)
{
	const struct redis_url *url = asking->url;
	const char *argv[3] = {"AUTH"};
	int argc = 1;
	CLEANUP(free_reply) redisReply *raw = NULL;

	if (url->sentinel_password == NULL)
		return 0;
	if (url->sentinel_user != NULL)
		argv[argc++] = url->sentinel_user;
	argv[argc++] = url->sentinel_password;
	return ask(asking, argc, argv, &raw, err);
}

static bool
decode_number(const struct redis_reply *reply, int64_t max, int64_t *ret_number)
{
	char *end;
	long long number;

	if (reply->kind != REDIS_REPLY_KIND_TEXT || reply->length == 0)
		return false;
	number = strtoll(reply->text, &end, 10);
	if (*end != '\0' || number < 0 || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* SENTINEL MASTER replies with names and values in turn. */
static int
take_epoch(const struct asking *asking, const struct redis_reply *fields,
    int64_t *ret_epoch, struct pgripple_error *err)
{
	if (fields->kind != REDIS_REPLY_KIND_ARRAY)
		return refuse(asking, "an unexpected reply", err);
	for (size_t i = 0; i + 1 < fields->n_items; i += 2) {
		struct redis_reply name = redis_reply_item(fields, i);
		struct redis_reply value = redis_reply_item(fields, i + 1);

		if (redis_reply_equals(&name, "config-epoch") &&
		    decode_number(&value, INT64_MAX, ret_epoch))
			return 0;
	}
	return refuse(asking, "it tells no config-epoch", err);
}

static int
ask_epoch(
    const struct asking *asking, int64_t *ret_epoch, struct pgripple_error *err)
{
	const char *argv[] = {"SENTINEL", "MASTER", asking->url->master};
	CLEANUP(free_reply) redisReply *raw = NULL;
	struct redis_reply fields;

	if (ask(asking, N_ELEMENTS(argv), argv, &raw, err) < 0)
		return -1;
	fields = redis_reply_from(raw);
	return take_epoch(asking, &fields, ret_epoch, err);
}

/* [host, port]; the promoted replica's while a failover is under way. */
static int
ask_address(const struct asking *asking, struct redis_master *master,
    struct pgripple_error *err)
{
	const char *argv[] = {
	    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", asking->url->master};
	CLEANUP(free_reply) redisReply *raw = NULL;
	struct redis_reply reply, host, port;
	int64_t number = 0;

	if (ask(asking, N_ELEMENTS(argv), argv, &raw, err) < 0)
		return -1;
	reply = redis_reply_from(raw);
	if (reply.kind != REDIS_REPLY_KIND_ARRAY || reply.n_items != 2)
		return refuse(asking, "it knows no such master", err);
	host = redis_reply_item(&reply, 0);
	port = redis_reply_item(&reply, 1);
	if (host.kind != REDIS_REPLY_KIND_TEXT || host.length == 0 ||
	    host.length >= sizeof(master->host) ||
	    !decode_number(&port, UINT16_MAX, &number) || number == 0)
		return refuse(asking, "it names no address", err);
	(void)snprintf(master->host, sizeof(master->host), "%s", host.text);
	master->port = (uint16_t)number;
	return 0;
}

/* The epoch first: an address that is newer than its epoch does no harm. */
static int
converse(const struct asking *asking, struct redis_master *ret_master,
    struct pgripple_error *err)
{
	if (authenticate(asking, err) < 0 ||
	    ask_epoch(asking, &ret_master->epoch, err) < 0)
		return -1;
	return ask_address(asking, ret_master, err);
}

static int
ask_at(struct asking *asking, const char *address, uint16_t port,
    struct redis_master *ret_master, struct pgripple_error *err)
{
	int status = -1;

	asking->context =
	    redisConnectWithTimeout(address, port, asking->timeout);
	if (asking->context == NULL)
		return pgripple_error_nomem(err);
	if (asking->context->err != 0 ||
	    redisSetTimeout(asking->context, asking->timeout) != REDIS_OK) {
		(void)refuse(asking, asking->context->errstr, err);
	} else {
		redis_socket_tune(asking->context->fd, asking->timeout_ms);
		status = converse(asking, ret_master, err);
	}
	redisFree(steal(&asking->context));
	return status;
}

static int
ask_one(struct asking *asking, const struct redis_endpoint *sentinel,
    struct redis_master *ret_master, struct pgripple_error *err)
{
	struct resolved resolved;

	(void)snprintf(asking->name, sizeof(asking->name), "%s:%u",
	    sentinel->host, sentinel->port);
	if (resolve_now(sentinel->host, &resolved, err) < 0)
		return -1;
	for (size_t i = 0; i < resolved.n_addresses; i++)
		if (ask_at(asking, resolved.addresses[i], sentinel->port,
			ret_master, err) == 0)
			return 0;
	return -1;
}

bool
redis_master_equals(const struct redis_master *a, const struct redis_master *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Those of a lower epoch are out of date. */
static void
add_master(struct redis_masters *masters, const struct redis_master *master)
{
	if (masters->n_items > 0 && master->epoch < masters->items[0].epoch)
		return;
	if (masters->n_items > 0 && master->epoch > masters->items[0].epoch)
		masters->n_items = 0;
	for (size_t i = 0; i < masters->n_items; i++)
		if (redis_master_equals(&masters->items[i], master))
			return;
	masters->items[masters->n_items++] = *master;
}

int
redis_sentinel_ask(const struct redis_url *url, int64_t timeout_ms,
    struct redis_masters *ret_masters, struct pgripple_error *err)
{
	struct asking asking = {
	    .url = url,
	    .timeout = {(time_t)(timeout_ms / 1000),
		(suseconds_t)(timeout_ms % 1000 * 1000)},
	    .timeout_ms = timeout_ms,
	};
	struct redis_master master;

	ret_masters->n_items = 0;
	for (size_t i = 0; i < url->n_sentinels; i++)
		if (ask_one(&asking, &url->sentinels[i], &master, err) == 0)
			add_master(ret_masters, &master);
	return ret_masters->n_items > 0 ? 0 : -1;
}
