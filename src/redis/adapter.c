/*
 * Lets hiredis wait on libevent.
 *
 * Not the adapter that hiredis brings: those of 0.14 and 1.x differ, and that
 * of 1.x re-arms its time-out with every command, so that a silent server that
 * is kept busy is never noticed.  Deadlines are the connection's own.
 */
#include "redis/adapter.h"

#include <event2/event.h>
#include <hiredis/async.h>

#include "redis/guard.h"

struct adapter {
	redisAsyncContext *ac;
	struct redis_guard *guard;
	struct event *readable;
	struct event *writable;
};

/* The context may be gone, and the adapter with it, when these return. */
static void
on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *data)
{
	struct adapter *adapter = data;

	if (redis_guard_may_read(adapter->guard, adapter->ac))
		redisAsyncHandleRead(adapter->ac);
	else
		redisAsyncFree(adapter->ac);
}

static void
on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *ac)
{
	redisAsyncHandleWrite(ac);
}

/* The hooks cannot report that event_add() failed; the silence that follows is
 * noticed by the connection's deadline. */
static void
add_read(void *data)
{
	(void)event_add(((struct adapter *)data)->readable, NULL);
}

static void
del_read(void *data)
{
	(void)event_del(((struct adapter *)data)->readable);
}

static void
add_write(void *data)
{
	(void)event_add(((struct adapter *)data)->writable, NULL);
}

static void
del_write(void *data)
{
	(void)event_del(((struct adapter *)data)->writable);
}

static void
cleanup(void *data)
{
	struct adapter *adapter = data;

	if (adapter->readable != NULL)
		event_free(adapter->readable);
	if (adapter->writable != NULL)
		event_free(adapter->writable);
	free(adapter);
}

int
redis_adapter_attach(redisAsyncContext *ac, struct event_base *base,
    struct redis_guard *guard, struct pgripple_error *err)
{
	struct adapter *adapter = calloc(1, sizeof(*adapter));

	if (adapter == NULL)
		return pgripple_error_nomem(err);
	adapter->ac = ac;
	adapter->guard = guard;
	adapter->readable = event_new(
	    base, ac->c.fd, EV_READ | EV_PERSIST, on_readable, adapter);
	adapter->writable =
	    event_new(base, ac->c.fd, EV_WRITE | EV_PERSIST, on_writable, ac);
	if (adapter->readable == NULL || adapter->writable == NULL) {
		cleanup(adapter);
		return pgripple_error_nomem(err);
	}
	ac->ev.data = adapter;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = cleanup;
	return 0;
}
