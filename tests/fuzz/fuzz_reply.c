/*
 * What Redis answers.  The first byte chooses what is asked (operations of
 * every kind, a slice of a scan, the verification of a server); the rest is the
 * stream of replies, which hiredis's reader takes apart.  Where it ends, or is
 * none, the connection is lost.
 *
 * src/redis/connection.h is defined here, over that stream.
 */
#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "fuzz.h"
#include "redis/apply.h"
#include "redis/connection.h"
#include "redis/scan.h"
#include "redis/verify.h"

#define NONCE "n"
#define MAX_OWED 64

struct redis_connection {
	struct {
		redis_reply_cb callback;
		void *context;
	} owed[MAX_OWED];
	size_t n_sent;
	size_t n_answered;
	bool is_down;
};

/* The connection. */

int
redis_command(struct redis_connection *connection, int argc UNUSED,
    const char **argv UNUSED, const size_t *lengths UNUSED,
    redis_reply_cb callback, void *context, struct pgripple_error *err)
{
	size_t place = connection->n_sent % MAX_OWED;

	if (connection->is_down ||
	    connection->n_sent - connection->n_answered == MAX_OWED)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_PEER, "not accepted");
	connection->owed[place].callback = callback;
	connection->owed[place].context = context;
	connection->n_sent++;
	return 0;
}

static void
answer(struct redis_connection *connection, const struct redis_reply *reply)
{
	size_t place = connection->n_answered++ % MAX_OWED;

	connection->owed[place].callback(
	    connection->owed[place].context, reply);
}

bool
redis_connection_is_up(const struct redis_connection *connection)
{
	return !connection->is_down;
}

void
redis_connection_drop(struct redis_connection *connection,
    const struct pgripple_error *why UNUSED)
{
	connection->is_down = true;
}

const char *
redis_connection_describe(const struct redis_connection *connection UNUSED)
{
	return "redis://fuzzed";
}

const char *
redis_connection_prefix(const struct redis_connection *connection UNUSED)
{
	return "p:";
}

const struct redis_server *
redis_connection_server(const struct redis_connection *connection UNUSED)
{
	static const struct redis_server server;

	return &server;
}

/* Everything that is owed completes, the last of it with NULL. */
static void
answer_all(
    struct redis_connection *connection, const char *stream, size_t length)
{
	redisReader *reader = redisReaderCreate();
	void *raw = NULL;

	EXPECT(reader != NULL);
	(void)redisReaderFeed(reader, stream, length);
	while (!connection->is_down &&
	       connection->n_answered < connection->n_sent &&
	       redisReaderGetReply(reader, &raw) == REDIS_OK && raw != NULL) {
		struct redis_reply reply = redis_reply_from(raw);

		answer(connection, &reply);
		freeReplyObject(raw);
	}
	redisReaderFree(reader);
	connection->is_down = true;
	while (connection->n_answered < connection->n_sent)
		answer(connection, NULL);
}

/* Operations. */

static struct pgripple_bytes cells[] = {{"f", 1}, {"v", 1}};

#define OPERATION(kind_, key_, n_)                               \
	{                                                        \
		.kind = PGRIPPLE_OPERATION_##kind_, .key = key_, \
		.key_length = sizeof(key_) - 1, .values = cells, \
		.n_values = n_, .number = 10                     \
	}

static const struct pgripple_operation operations[] = {
    OPERATION(FENCE, "fence:a", 0),
    OPERATION(UNLINK, "a", 0),
    OPERATION(UNLINK, "b", 0),
    OPERATION(HDEL, "h", 1),
    OPERATION(VERSION, "v", 0),
    OPERATION(VERSION, "w", 0),
    OPERATION(TAG, "t", 0),
    OPERATION(PUBLISH, "c", 1),
    OPERATION(STREAM, "s", 2),
    OPERATION(DRAIN, "d", 0),
    OPERATION(CONJ, "conj:d", 0),
};

static void
on_applied(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err)
{
	int *n_ends = context;

	++*n_ends;
	EXPECT((outcome == REDIS_APPLY_DONE) == (err == NULL));
	EXPECT(result->n_rejections <= N_ELEMENTS(operations));
	for (size_t i = 0; i < result->n_rejections; i++)
		EXPECT(
		    result->rejections[i].operation < N_ELEMENTS(operations) &&
		    result->rejections[i].reason[0] != '\0');
	for (size_t i = 0; i < result->n_leftovers; i++)
		EXPECT(result->leftovers[i].operation < N_ELEMENTS(operations));
}

/* Done is only what was answered to its end. */
static void
fuzz_apply(const char *stream, size_t length)
{
	struct redis_connection connection = {.is_down = false};
	const struct redis_apply_options options = {
	    .nonce = NONCE, .tag_members = 10};
	struct pgripple_error err;
	int n_ends = 0;

	EXPECT(redis_apply(&connection, operations, N_ELEMENTS(operations),
		   &options, on_applied, &n_ends, &err) == 0);
	answer_all(&connection, stream, length);
	EXPECT(n_ends == 1);
}

static void
on_scanned(void *context, enum redis_apply_outcome outcome,
    const struct redis_scan_result *result, const struct pgripple_error *err)
{
	int *n_ends = context;

	++*n_ends;
	EXPECT((outcome == REDIS_APPLY_DONE) == (err == NULL));
	EXPECT((outcome == REDIS_APPLY_DONE) == (result != NULL));
	if (result != NULL)
		EXPECT(strlen(result->next_cursor) < REDIS_CURSOR_TEXT);
}

static void
fuzz_scan(const char *stream, size_t length, enum pgripple_operation_kind each)
{
	struct redis_connection connection = {.is_down = false};
	const struct pgripple_operation operation = {
	    .kind = PGRIPPLE_OPERATION_SCAN,
	    .each = each,
	    .key = "a:*",
	    .key_length = 3,
	};
	const struct redis_scan scan = {
	    .cursor = "0",
	    .operation = &operation,
	    .count = 10,
	    .tag_members = 10,
	};
	struct pgripple_error err;
	int n_ends = 0;

	EXPECT(redis_scan_step(&connection, &scan, on_scanned, &n_ends, &err) ==
	       0);
	answer_all(&connection, stream, length);
	EXPECT(n_ends == 1);
}

/* A server. */

static void
fuzz_verify(const char *stream, size_t length)
{
	redisReader *reader = redisReaderCreate();
	struct redis_url url = {0};
	struct redis_verify verify;
	struct redis_verify_command command;
	struct pgripple_error err;
	void *raw = NULL;
	int outcome = REDIS_VERIFY_MORE;

	EXPECT(reader != NULL &&
	       redis_url_parse("redis://u:p@h:1/2", &url, &err) == 0);
	redis_verify_init(&verify, &url);
	while (redis_verify_next(&verify, &command))
		EXPECT(command.argc <= REDIS_VERIFY_ARGS);
	(void)redisReaderFeed(reader, stream, length);
	while (outcome == REDIS_VERIFY_MORE &&
	       redisReaderGetReply(reader, &raw) == REDIS_OK && raw != NULL) {
		struct redis_reply reply = redis_reply_from(raw);

		outcome = redis_verify_reply(&verify, &reply, &err);
		EXPECT(outcome >= 0 || err.text[0] != '\0');
		freeReplyObject(raw);
	}
	redis_url_done(&url);
	redisReaderFree(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *stream = (const char *)data + 1;

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'a':
		fuzz_apply(stream, size - 1);
		break;
	case 's':
		fuzz_scan(stream, size - 1, PGRIPPLE_OPERATION_UNLINK);
		break;
	case 'd':
		fuzz_scan(stream, size - 1, PGRIPPLE_OPERATION_DRAIN);
		break;
	default:
		fuzz_verify(stream, size - 1);
	}
	return 0;
}
