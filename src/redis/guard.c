/*
 * What hiredis may take from a server.
 *
 * The reader of hiredis makes objects of what it reads by a table of functions;
 * ours stand before them.  To return NULL is hiredis's way of saying that there
 * is no memory for the object, and ends the connection on all versions.
 */
#include "redis/guard.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "base/util.h"

#define OBJECT_BYTES (sizeof(redisReply) + 16) /* and malloc()'s own */

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static const char unasked[] = "sent a reply that nobody asked for";
static const char too_large[] =
    "sent a reply that is larger than limits.reply_bytes";

static bool
is_asked_for(struct redis_guard *guard, const redisReadTask *task)
{
	if (task->parent != NULL)
		return true;
	guard->n_bytes = 0;
	if (guard->n_owed > 0) {
		guard->n_owed--;
		return true;
	}
	/* hiredis hands over the text of an error before it closes. */
	return task->type == REDIS_REPLY_ERROR;
}

/* The maker of the object, if it may be made. */
static const redisReplyObjectFunctions *
admit(const redisReadTask *task, size_t n_bytes)
{
	struct redis_guard *guard = task->privdata;

	if (!is_asked_for(guard, task)) {
		guard->fault = unasked;
		return NULL;
	}
	if (n_bytes > guard->max_bytes ||
	    guard->n_bytes > guard->max_bytes - n_bytes) {
		guard->fault = too_large;
		return NULL;
	}
	guard->n_bytes += OBJECT_BYTES + n_bytes;
	return guard->inner;
}

static void *
create_string(const redisReadTask *task, char *bytes, size_t n)
{
	const redisReplyObjectFunctions *inner = admit(task, n);

	return inner != NULL ? inner->createString(task, bytes, n) : NULL;
}

/* A short header can announce any number of elements, and the room for them is
 * made at once. */
static void *
create_array(const redisReadTask *task, element_count n)
{
	const redisReplyObjectFunctions *inner =
	    admit(task, (size_t)n * sizeof(redisReply *));

	return inner != NULL ? inner->createArray(task, n) : NULL;
}

static void *
create_integer(const redisReadTask *task, long long number)
{
	const redisReplyObjectFunctions *inner = admit(task, 0);

	return inner != NULL ? inner->createInteger(task, number) : NULL;
}

static void *
create_nil(const redisReadTask *task)
{
	const redisReplyObjectFunctions *inner = admit(task, 0);

	return inner != NULL ? inner->createNil(task) : NULL;
}

#if HIREDIS_MAJOR >= 1
/* Of RESP3, which was not asked for. */
static void *
create_double(const redisReadTask *task, double number UNUSED,
    char *bytes UNUSED, size_t n UNUSED)
{
	((struct redis_guard *)task->privdata)->fault = unasked;
	return NULL;
}

static void *
create_bool(const redisReadTask *task, int truth UNUSED)
{
	((struct redis_guard *)task->privdata)->fault = unasked;
	return NULL;
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = freeReplyObject,
};

void
redis_guard_attach(
    struct redis_guard *guard, size_t max_bytes, redisAsyncContext *ac)
{
	*guard = (struct redis_guard){
	    .inner = ac->c.reader->fn,
	    .max_bytes = max_bytes,
	};
	ac->c.reader->fn = &functions;
	ac->c.reader->privdata = guard;
}

void
redis_guard_expect(struct redis_guard *guard)
{
	guard->n_owed++;
}

bool
redis_guard_may_read(struct redis_guard *guard, const redisAsyncContext *ac)
{
	const redisReader *reader = ac->c.reader;

	if (reader->len - reader->pos <= guard->max_bytes)
		return true;
	guard->fault = too_large;
	return false;
}
