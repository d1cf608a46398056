/*
 * The inside of the HTTP server, shared by http.c (listening) and
 * http_connection.c (requests and answers).
 */
#ifndef PGRIPPLE_OBSERVE_HTTP_PRIVATE_H
#define PGRIPPLE_OBSERVE_HTTP_PRIVATE_H

#include <sys/queue.h>

#include <event2/util.h>

#include "observe/http.h"
#include "observe/http_request.h"

struct event;

enum http_state {
	HTTP_READING, /* the request */
	HTTP_WRITING, /* the answer */
	HTTP_STREAMING, /* events, while there are any */
	HTTP_LINGERING, /* told the end; until the other side closes */
	HTTP_ENDED, /* about to be freed */
};

struct http_connection {
	struct http *http;
	TAILQ_ENTRY(http_connection) link;
	evutil_socket_t fd;
	enum http_state state;
	struct event *readable;
	struct event *writable;
	struct event *deadline;
	size_t n_in;
	size_t n_sent; /* of out */
	struct buf out;
	const char *text; /* after out; lives for ever */
	size_t n_text;
	char in[HTTP_MAX_HEAD];
};

struct http {
	struct event_base *base;
	char *text; /* the address, as written */
	http_cb handler;
	void *context;
	struct http_limits limits;
	int fd; /* -1: does not listen */
	bool is_loopback;
	bool must_unlink;
	struct event *acceptable; /* NULL: does not listen */
	struct event *retry;
	TAILQ_HEAD(, http_connection) connections; /* the oldest first */
	size_t n_connections;
	size_t n_streams;
};

/* Takes the descriptor over.  -1: no memory; it is not. */
int http_connection_new(struct http *http, evutil_socket_t fd) MUST_CHECK;
/* Never from inside a callback of this connection's own events. */
void http_connection_free(struct http_connection *connection);
/* Its request has not come, or it has its answer already. */
bool http_connection_is_idle(const struct http_connection *connection);
/* If it is a stream; closes one that does not read. */
void http_connection_send(
    struct http_connection *connection, const char *bytes, size_t n);

#endif
