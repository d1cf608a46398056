/*
 * The wire to Redis: src/redis/connection.h over the modelled server.
 *
 * What is sent on a line is executed in order, each command a while later, and
 * answered in order.  Between the commands of one client those of others are
 * executed.  When a client gives a line up, what it had sent may still arrive,
 * all of it or some, seconds later.  A proxy in between may lose a command, or
 * answer in another way than the server.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "redis/connection.h"
#include "world.h"

#define CONNECT_US (10 * MS)
#define RETRY_US SECOND
#define COMMAND_US (3 * MS)
#define NOTICE_US (2 * SECOND)

struct request {
	size_t argc;
	char **argv;
	struct request *next;
};

struct answer {
	redisReply *reply;
	struct answer *next;
};

/* One connection, as the server sees it. */
struct line {
	struct redis_connection *client; /* NULL: given up */
	bool is_dead; /* the server is gone, or was another one */
	bool is_cut;
	struct request *requests;
	struct answer *answers;
	struct job *execute, *deliver;
	struct line *next;
};

struct pending {
	redis_reply_cb callback;
	void *context;
	struct pending *next;
};

struct redis_connection {
	struct redis_options options;
	struct redis_listener listener;
	struct redis_server server;
	struct line *line; /* NULL unless up, or closing */
	bool is_closing;
	struct pending *pending;
	size_t n_pending;
	struct job *connect, *notice, *watch;
	struct redis_connection *next;
};

int64_t wire_odd_replies;
int64_t wire_swallowed;

static struct line *lines;
static struct redis_connection *connections;

/* Lines. */

static void
free_request(struct request *request)
{
	for (size_t i = 0; i < request->argc; i++)
		free(request->argv[i]);
	free(request->argv);
	free(request);
}

static void
forget_requests(struct line *line, size_t n_kept)
{
	struct request **link = &line->requests;

	while (*link != NULL && n_kept-- > 0)
		link = &(*link)->next;
	while (*link != NULL) {
		struct request *request = *link;

		*link = request->next;
		free_request(request);
	}
}

static void
forget_answers(struct line *line)
{
	while (line->answers != NULL) {
		struct answer *answer = line->answers;

		line->answers = answer->next;
		freeReplyObject(answer->reply);
		free(answer);
	}
}

static void
free_line_if_done(struct line *line)
{
	struct line **link = &lines;

	if (line->client != NULL || line->execute != NULL)
		return;
	while (*link != line)
		link = &(*link)->next;
	*link = line->next;
	forget_requests(line, 0);
	forget_answers(line);
	agenda_cancel(line->deliver);
	free(line);
}

static void on_deliver(void *context);
static void on_execute(void *context);

/* What a proxy, or a server gone mad, would say. */
static redisReply *
odd_reply(redisReply *reply)
{
	static const int types[] = {
	    REDIS_REPLY_NIL, REDIS_REPLY_STRING, REDIS_REPLY_ERROR};
	redisReply *odd = calloc(1, sizeof(*odd));

	if (odd == NULL)
		abort();
	freeReplyObject(reply);
	odd->type = types[chance_below(N_ELEMENTS(types))];
	if (odd->type != REDIS_REPLY_NIL) {
		odd->str = strdup("ERR something odd");
		odd->len = strlen(odd->str);
	}
	return odd;
}

static void
add_answer(struct line *line, redisReply *reply)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	struct answer **link = &line->answers;

	if (answer == NULL)
		abort();
	answer->reply = reply;
	while (*link != NULL)
		link = &(*link)->next;
	*link = answer;
	if (line->deliver == NULL)
		line->deliver =
		    agenda_add(chance_delay(COMMAND_US), on_deliver, line);
}

static void
execute(struct line *line, struct request *request)
{
	redisReply *reply;

	if (chance_percent(wire_swallowed)) {
		story("swallowed %s", request->argv[0]);
		return;
	}
	reply = redis_execute(request->argc, request->argv);
	story("redis %s %s -> %s", request->argv[0],
	    request->argc > 1 ? request->argv[1] : "",
	    reply->str == NULL ? "" : reply->str);
	if (chance_percent(wire_odd_replies))
		reply = odd_reply(reply);
	if (line->client != NULL)
		add_answer(line, reply);
	else
		freeReplyObject(reply);
}

static void
on_execute(void *context)
{
	struct line *line = context;
	struct request *request = line->requests;

	line->execute = NULL;
	if (line->is_dead || redis.is_down) {
		forget_requests(line, 0);
	} else if (redis.paused_until_us > agenda_now_us()) {
		line->execute = agenda_add(
		    redis.paused_until_us - agenda_now_us(), on_execute, line);
		return;
	} else if (request != NULL) {
		line->requests = request->next;
		execute(line, request);
		free_request(request);
	}
	if (line->requests != NULL)
		line->execute =
		    agenda_add(chance_delay(COMMAND_US), on_execute, line);
	free_line_if_done(line);
}

/* Connections. */

static void
complete_all(struct redis_connection *connection)
{
	while (connection->pending != NULL) {
		struct pending pending = *connection->pending;

		free(connection->pending);
		connection->pending = pending.next;
		connection->n_pending--;
		pending.callback(pending.context, NULL);
	}
}

/* Some of what was sent is still under way; the rest never arrives. */
static void
give_line_up(struct redis_connection *connection)
{
	struct line *line = steal(&connection->line);

	if (line == NULL)
		return;
	line->client = NULL;
	forget_requests(line, chance_percent(50) ? (size_t)chance_below(8) : 0);
	if (line->requests == NULL)
		agenda_cancel(steal(&line->execute));
	free_line_if_done(line);
}

static void on_connect(void *context);

static void
lose(struct redis_connection *connection, const char *why)
{
	struct pgripple_error err;

	if (connection->line == NULL)
		return;
	story("redis is lost: %s", why);
	agenda_cancel(steal(&connection->notice));
	agenda_cancel(steal(&connection->watch));
	give_line_up(connection);
	connection->is_closing = false;
	complete_all(connection);
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER, "%s", why);
	connection->listener.on_down(connection->listener.context, &err);
	connection->connect =
	    agenda_add(chance_delay(RETRY_US), on_connect, connection);
}

static void
on_notice(void *context)
{
	struct redis_connection *connection = context;

	connection->notice = NULL;
	lose(connection, "the connection broke");
}

static void
notice_in_us(struct redis_connection *connection, int64_t delay_us)
{
	if (connection->line != NULL && connection->notice == NULL)
		connection->notice =
		    agenda_add(delay_us, on_notice, connection);
}

static void
on_silence(void *context)
{
	struct redis_connection *connection = context;

	connection->watch = NULL;
	lose(connection, "no reply in time");
}

static void
watch(struct redis_connection *connection)
{
	agenda_cancel(steal(&connection->watch));
	if (connection->pending != NULL)
		connection->watch =
		    agenda_add(connection->options.command_timeout_ms * MS,
			on_silence, connection);
}

static void
deliver(struct redis_connection *connection, redisReply *raw)
{
	struct pending *pending = connection->pending;
	struct redis_reply reply = redis_reply_from(raw);

	if (pending == NULL)
		return;
	connection->pending = pending->next;
	connection->n_pending--;
	watch(connection);
	pending->callback(pending->context, &reply);
	free(pending);
	if (reply.kind == REDIS_REPLY_KIND_ERROR &&
	    redis_refusal_of(reply.text) == REDIS_REFUSAL_ROLE)
		lose(connection, reply.text);
}

static void
on_deliver(void *context)
{
	struct line *line = context;
	struct answer *answer = line->answers;

	line->deliver = NULL;
	if (answer == NULL)
		return;
	line->answers = answer->next;
	if (line->answers != NULL)
		line->deliver =
		    agenda_add(chance_delay(COMMAND_US), on_deliver, line);
	if (line->client != NULL && !line->is_cut && !line->client->is_closing)
		deliver(line->client, answer->reply);
	freeReplyObject(answer->reply);
	free(answer);
}

static void
on_connect(void *context)
{
	struct redis_connection *connection = context;
	struct line *line;

	connection->connect = NULL;
	if (redis.is_down || redis.mood == REDIS_LOADING ||
	    redis.mood == REDIS_REPLICA ||
	    redis.paused_until_us > agenda_now_us()) {
		connection->connect =
		    agenda_add(chance_delay(RETRY_US), on_connect, connection);
		return;
	}
	line = calloc(1, sizeof(*line));
	if (line == NULL)
		abort();
	line->client = connection;
	line->next = lines;
	lines = line;
	connection->line = line;
	(void)snprintf(connection->server.run_id,
	    sizeof(connection->server.run_id), "run-%u", redis.run);
	story("redis is there");
	connection->listener.on_up(connection->listener.context);
}

/* Faults. */

static void
cut(struct line *line)
{
	line->is_cut = true;
	if (line->client != NULL)
		notice_in_us(line->client, chance_delay(NOTICE_US));
}

void
wire_cut_one(void)
{
	if (lines != NULL)
		cut(lines);
}

void
wire_cut_all(void)
{
	for (struct line *line = lines; line != NULL; line = line->next) {
		line->is_dead = true;
		cut(line);
	}
}

/* The interface. */

int
redis_connection_new(struct event_base *base UNUSED,
    const struct redis_options *options, const struct redis_listener *listener,
    struct redis_connection **ret_connection, struct pgripple_error *err)
{
	struct redis_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return pgripple_error_nomem(err);
	connection->options = *options;
	connection->listener = *listener;
	connection->next = connections;
	connections = connection;
	*ret_connection = connection;
	return 0;
}

void
redis_connection_free(struct redis_connection *connection)
{
	struct redis_connection **link = &connections;

	if (connection == NULL)
		return;
	agenda_cancel(connection->connect);
	agenda_cancel(connection->notice);
	agenda_cancel(connection->watch);
	give_line_up(connection);
	complete_all(connection);
	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	free(connection);
}

void
redis_connection_start(struct redis_connection *connection)
{
	connection->connect =
	    agenda_add(chance_delay(CONNECT_US), on_connect, connection);
}

bool
redis_connection_is_up(const struct redis_connection *connection)
{
	return connection->line != NULL && !connection->is_closing;
}

const char *
redis_connection_describe(const struct redis_connection *connection UNUSED)
{
	return "redis://modelled";
}

const char *
redis_connection_prefix(const struct redis_connection *connection UNUSED)
{
	return "";
}

const struct redis_server *
redis_connection_server(const struct redis_connection *connection)
{
	return &connection->server;
}

static struct request *
copy_request(size_t argc, const char **argv, const size_t *lengths)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL ||
	    (request->argv = calloc(argc, sizeof(char *))) == NULL)
		abort();
	request->argc = argc;
	for (size_t i = 0; i < argc; i++)
		request->argv[i] = lengths == NULL
				       ? strdup(argv[i])
				       : strndup(argv[i], lengths[i]);
	return request;
}

static void
send_request(struct line *line, struct request *request)
{
	struct request **link = &line->requests;

	if (line->is_cut) {
		free_request(request);
		return;
	}
	while (*link != NULL)
		link = &(*link)->next;
	*link = request;
	if (line->execute == NULL)
		line->execute =
		    agenda_add(chance_delay(COMMAND_US), on_execute, line);
}

int
redis_command(struct redis_connection *connection, int argc, const char **argv,
    const size_t *lengths, redis_reply_cb callback, void *context,
    struct pgripple_error *err)
{
	struct pending *pending;
	struct pending **link = &connection->pending;

	if (!redis_connection_is_up(connection))
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_PEER, "redis is not connected");
	if (connection->n_pending == REDIS_MAX_PENDING)
		return pgripple_error_set(
		    err, PGRIPPLE_ERROR_LIMIT, "too much is under way");
	pending = malloc(sizeof(*pending));
	if (pending == NULL)
		return pgripple_error_nomem(err);
	*pending = (struct pending){callback, context, NULL};
	while (*link != NULL)
		link = &(*link)->next;
	*link = pending;
	if (connection->n_pending++ == 0)
		watch(connection);
	send_request(
	    connection->line, copy_request((size_t)argc, argv, lengths));
	return 0;
}

void
redis_connection_drop(
    struct redis_connection *connection, const struct pgripple_error *why)
{
	if (!redis_connection_is_up(connection))
		return;
	story("redis is dropped: %s", why->text);
	connection->is_closing = true;
	agenda_cancel(steal(&connection->notice));
	notice_in_us(connection, 0);
}
