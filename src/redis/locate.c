/*
 * Where the server of a Redis URL is.
 *
 * A sentinel may lead to a server that has just ceased to be the master, and a
 * master that lost its office without noticing goes on taking commands: so the
 * sentinels are asked at every attempt, and again and again while a connection
 * is up.  Those that know less than what led to the connection are not
 * believed then.
 */
#include "redis/locate.h"

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "net/background.h"
#include "net/resolve.h"
#include "observe/log.h"
#include "redis/sentinel.h"

/* A question to the sentinels: all that its thread touches. */
struct question {
	struct redis_url url;
	int64_t timeout_ms;
	int status;
	struct redis_masters masters;
	struct pgripple_error err;
};

struct redis_locate {
	struct event_base *base;
	struct redis_locate_options options;
	struct redis_locate_listener listener;
	struct background *asking;
	struct resolve *resolving;
	struct event *timer; /* of watching */
	struct redis_masters masters; /* as the sentinels said */
	size_t next_master;
	struct redis_master master; /* that the addresses are of */
	bool is_silent; /* the sentinels, as the log knows */
	uint16_t port;
	struct resolved resolved;
	size_t next_address;
};

static void
fail(struct redis_locate *locate, const struct pgripple_error *err)
{
	locate->listener.on_place(locate->listener.context, NULL, err);
}

static void
tell_address(struct redis_locate *locate)
{
	const struct redis_place place = {
	    .address = locate->resolved.addresses[locate->next_address++],
	    .port = locate->port,
	};

	locate->listener.on_place(locate->listener.context, &place, NULL);
}

static void
tell_socket(struct redis_locate *locate)
{
	const struct redis_place place = {
	    .is_unix = true,
	    .address = locate->options.url->path,
	};

	locate->listener.on_place(locate->listener.context, &place, NULL);
}

/* Names */

static void
on_resolved(void *context, const struct resolved *resolved,
    const struct pgripple_error *err)
{
	struct redis_locate *locate = context;

	locate->resolving = NULL;
	if (resolved == NULL) {
		fail(locate, err);
		return;
	}
	locate->resolved = *resolved;
	locate->next_address = 0;
	tell_address(locate);
}

static void
resolve(struct redis_locate *locate, const char *host, uint16_t port)
{
	struct pgripple_error err;

	locate->port = port;
	if (resolve_start(locate->base, host, on_resolved, locate,
		&locate->resolving, &err) < 0)
		fail(locate, &err);
}

/* Sentinels */

static void
run_question(void *work)
{
	struct question *question = work;

	question->status = redis_sentinel_ask(&question->url,
	    question->timeout_ms, &question->masters, &question->err);
}

static void
free_question(void *work)
{
	struct question *question = work;

	redis_url_done(&question->url);
	free(question);
}

static int
ask(struct redis_locate *locate, background_done_cb done,
    struct pgripple_error *err)
{
	struct question *question = calloc(1, sizeof(*question));
	struct background_job job = {run_question, free_question, question};

	if (question == NULL)
		return pgripple_error_nomem(err);
	if (redis_url_copy(locate->options.url, &question->url, err) < 0) {
		free(question);
		return -1;
	}
	question->timeout_ms = locate->options.timeout_ms;
	return background_start(
	    locate->base, &job, done, locate, &locate->asking, err);
}

static void
resolve_master(struct redis_locate *locate)
{
	locate->master = locate->masters.items[locate->next_master++];
	resolve(locate, locate->master.host, locate->master.port);
}

static void
on_named(void *context, void *work)
{
	struct redis_locate *locate = context;
	const struct question *question = work;

	locate->asking = NULL;
	if (question->status < 0) {
		fail(locate, &question->err);
		return;
	}
	locate->masters = question->masters;
	locate->next_master = 0;
	resolve_master(locate);
}

/* Watching */

static void
arm(struct redis_locate *locate)
{
	const struct timeval interval = {
	    (time_t)(locate->options.interval_ms / 1000),
	    (suseconds_t)(locate->options.interval_ms % 1000 * 1000)};

	/* Without memory nobody watches until the next connection. */
	(void)event_add(locate->timer, &interval);
}

/* Once, until they answer again. */
static void
complain(struct redis_locate *locate, const struct pgripple_error *err)
{
	if (!locate->is_silent)
		log_event(LOG_LEVEL_WARNING, "redis.sentinels_silent",
		    log_string("target", locate->options.target),
		    log_string("error", err->text),
		    log_string("next", "going on with the present master"));
	locate->is_silent = true;
}

/* Sentinels that know less than what led here do not count; and as long as
 * one of the others names the present master, it stays. */
static bool
has_moved(const struct redis_locate *locate, const struct redis_masters *named)
{
	if (named->items[0].epoch < locate->master.epoch)
		return false;
	for (size_t i = 0; i < named->n_items; i++)
		if (redis_master_equals(&named->items[i], &locate->master))
			return false;
	return true;
}

static void
on_watched(void *context, void *work)
{
	struct redis_locate *locate = context;
	const struct question *question = work;
	struct pgripple_error err;

	locate->asking = NULL;
	if (question->status == 0 && has_moved(locate, &question->masters)) {
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
		    "the sentinels name another master of \"%s\": %s:%u "
		    "instead of %s:%u",
		    locate->options.url->master,
		    question->masters.items[0].host,
		    question->masters.items[0].port, locate->master.host,
		    locate->master.port);
		locate->listener.on_moved(locate->listener.context, &err);
		return;
	}
	if (question->status < 0)
		complain(locate, &question->err);
	else
		locate->is_silent = false;
	arm(locate);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct redis_locate *locate = context;
	struct pgripple_error err;

	if (ask(locate, on_watched, &err) == 0)
		return;
	complain(locate, &err);
	arm(locate);
}

/* What others call */

void
redis_place_print(const struct redis_place *place, char *buffer, size_t size)
{
	if (place->is_unix)
		(void)snprintf(buffer, size, "%s", place->address);
	else
		(void)redis_endpoint_print(
		    place->address, place->port, buffer, size);
}

int
redis_locate_new(struct event_base *base,
    const struct redis_locate_options *options,
    const struct redis_locate_listener *listener,
    struct redis_locate **ret_locate, struct pgripple_error *err)
{
	struct redis_locate *locate = calloc(1, sizeof(*locate));

	if (locate == NULL)
		return pgripple_error_nomem(err);
	locate->base = base;
	locate->options = *options;
	locate->listener = *listener;
	locate->timer = evtimer_new(base, on_timer, locate);
	if (locate->timer == NULL) {
		free(locate);
		return pgripple_error_nomem(err);
	}
	*ret_locate = locate;
	return 0;
}

void
redis_locate_free(struct redis_locate *locate)
{
	if (locate == NULL)
		return;
	redis_locate_cancel(locate);
	event_free(locate->timer);
	free(locate);
}

void
redis_locate_next(struct redis_locate *locate)
{
	const struct redis_url *url = locate->options.url;
	struct pgripple_error err;

	if (url->is_unix) {
		tell_socket(locate);
		return;
	}
	if (locate->next_address < locate->resolved.n_addresses)
		tell_address(locate);
	else if (locate->next_master < locate->masters.n_items)
		resolve_master(locate);
	else if (url->n_sentinels == 0)
		resolve(locate, url->host, url->port);
	else if (ask(locate, on_named, &err) < 0)
		fail(locate, &err);
}

bool
redis_locate_has_more(const struct redis_locate *locate)
{
	return locate->next_address < locate->resolved.n_addresses ||
	       locate->next_master < locate->masters.n_items;
}

void
redis_locate_settle(struct redis_locate *locate)
{
	locate->resolved.n_addresses = locate->next_address = 0;
	locate->masters.n_items = locate->next_master = 0;
	locate->is_silent = false;
	if (locate->options.url->n_sentinels > 0)
		arm(locate);
}

void
redis_locate_cancel(struct redis_locate *locate)
{
	if (locate == NULL)
		return;
	background_cancel(steal(&locate->asking));
	resolve_cancel(steal(&locate->resolving));
	(void)event_del(locate->timer);
}
