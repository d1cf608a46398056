/*
 * One connection of the HTTP server.
 *
 *	reading --> writing ---> lingering --> closed
 *	        \-> streaming -----------------^
 *
 * Closing at once while bytes of the other side are unread would make the
 * kernel reset the connection, and the answer be lost; so the end is told, and
 * what still comes is read and forgotten for as long as the deadline lasts.
 *
 * Nothing is freed inside its own callback: a connection that has ended is
 * freed by its deadline, which is then made to be over at once.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "observe/http_private.h"
#include "observe/metrics.h"

static const char headers[] =
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "Connection: close\r\n";

static const char *
status_text(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 414:
		return "URI Too Long";
	case 421:
		return "Misdirected Request";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	}
	return "Error";
}

/* Only here is the state written. */
static void
enter(struct http_connection *connection, enum http_state next)
{
	struct http *http = connection->http;

	http->n_streams += next == HTTP_STREAMING;
	http->n_streams -= connection->state == HTTP_STREAMING;
	connection->state = next;
}

/* Ending. */

static void
end(struct http_connection *connection)
{
	static const struct timeval at_once = {0};

	enter(connection, HTTP_ENDED);
	(void)event_del(connection->readable);
	(void)event_del(connection->writable);
	(void)event_add(connection->deadline, &at_once); /* exists already */
}

static void
linger(struct http_connection *connection)
{
	enter(connection, HTTP_LINGERING);
	buf_done(&connection->out);
	(void)event_del(connection->writable);
	if (shutdown(connection->fd, SHUT_WR) != 0)
		end(connection);
}

/* Writing. */

/* How much was sent, or -1 with errno. */
static ssize_t
send_some(const struct http_connection *connection)
{
	const struct buf *out = &connection->out;
	size_t sent = connection->n_sent;

	if (sent < out->n)
		return send(connection->fd, out->bytes + sent, out->n - sent,
		    MSG_NOSIGNAL);
	sent -= out->n;
	return send(connection->fd, connection->text + sent,
	    connection->n_text - sent, MSG_NOSIGNAL);
}

static size_t
behind(const struct http_connection *connection)
{
	return connection->out.n + connection->n_text - connection->n_sent;
}

static void
on_written(struct http_connection *connection)
{
	if (connection->state == HTTP_WRITING) {
		linger(connection);
		return;
	}
	buf_reset(&connection->out);
	connection->n_sent = 0;
	(void)event_del(connection->writable);
}

/* A turn writes no more than the socket takes at once. */
static void
on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct http_connection *connection = context;
	ssize_t n = send_some(connection);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end(connection);
		return;
	}
	connection->n_sent += (size_t)n;
	if (behind(connection) == 0)
		on_written(connection);
}

static void
start_writing(struct http_connection *connection)
{
	if (connection->out.failed || event_add(connection->writable, NULL) < 0)
		end(connection);
}

/* Answering. */

static void
print_head(struct buf *buf, const struct http_reply *reply)
{
	buf_printf(buf, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", reply->status,
	    status_text(reply->status), reply->type);
	if (reply->status == 405)
		buf_add_string(buf, "Allow: GET\r\n");
	if (!reply->is_stream)
		buf_printf(buf, "Content-Length: %zu\r\n",
		    reply->body.n + reply->length);
	buf_add_string(buf, headers);
	buf_add_string(buf, "\r\n");
}

static void
count_answer(int status)
{
	char code[16];

	(void)snprintf(code, sizeof(code), "%d", status);
	metrics_add(METRIC_HTTP_REQUESTS, code, NULL, 1);
}

/* One that has nothing to say for itself says its status. */
static void
fill_in(struct http_reply *reply)
{
	if (reply->body.n + reply->length > 0)
		return;
	reply->type = "text/plain; charset=utf-8";
	buf_printf(
	    &reply->body, "%d %s\n", reply->status, status_text(reply->status));
}

static void
answer(struct http_connection *connection, struct http_reply *reply)
{
	fill_in(reply);
	count_answer(reply->status);
	enter(connection, reply->is_stream ? HTTP_STREAMING : HTTP_WRITING);
	if (reply->is_stream)
		(void)event_del(connection->deadline);
	print_head(&connection->out, reply);
	buf_add(&connection->out, reply->body.bytes, reply->body.n);
	connection->out.failed |= reply->body.failed;
	connection->text = reply->text;
	connection->n_text = reply->length;
	buf_done(&reply->body);
	start_writing(connection);
}

static void
handle(struct http_connection *connection, const struct http_request *request)
{
	struct http *http = connection->http;
	struct http_reply reply = {.status = 404};

	metrics_set(
	    METRIC_HTTP_CONNECTIONS, NULL, NULL, (int64_t)http->n_connections);
	if (http->is_loopback && !http_host_is_local(request->host))
		reply.status = 421;
	else
		http->handler(http->context, request->path, &reply);
	if (reply.is_stream &&
	    (int64_t)http->n_streams >= http->limits.streams) {
		metrics_add(METRIC_LIMITS, "http.streams", NULL, 1);
		buf_done(&reply.body);
		reply = (struct http_reply){.status = 503};
	}
	answer(connection, &reply);
}

/* Reading. */

static void
read_request(struct http_connection *connection)
{
	struct http_request request;
	int parsed =
	    http_request_parse(connection->in, connection->n_in, &request);

	if (parsed == HTTP_PARSE_MORE)
		return;
	if (parsed == HTTP_PARSE_DONE) {
		handle(connection, &request);
	} else {
		struct http_reply reply = {.status = parsed};

		answer(connection, &reply);
	}
}

/* What comes after the request is read and forgotten. */
static void
on_readable(evutil_socket_t fd, short what UNUSED, void *context)
{
	struct http_connection *connection = context;
	bool is_reading = connection->state == HTTP_READING;
	size_t from = is_reading ? connection->n_in : 0;
	ssize_t n =
	    recv(fd, connection->in + from, sizeof(connection->in) - from, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && is_reading) {
		connection->n_in += (size_t)n;
		read_request(connection);
	} else if (n == 0 && connection->state == HTTP_WRITING) {
		/* It has said all, and may well listen on. */
		(void)event_del(connection->readable);
	} else if (n <= 0) {
		end(connection);
	}
}

static void
on_deadline(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct http_connection *connection = context;

	/* Not one that has ended, or was told the end. */
	if (connection->state == HTTP_READING ||
	    connection->state == HTTP_WRITING)
		metrics_add(METRIC_LIMITS, "http.timeout", NULL, 1);
	http_connection_free(connection);
}

/* Life. */

int
http_connection_new(struct http *http, evutil_socket_t fd)
{
	struct http_connection *connection = calloc(1, sizeof(*connection));
	struct timeval patience = {
	    .tv_sec = http->limits.timeout_ms / 1000,
	    .tv_usec = http->limits.timeout_ms % 1000 * 1000,
	};

	if (connection == NULL)
		return -1;
	connection->http = http;
	connection->fd = -1;
	connection->readable = event_new(
	    http->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	connection->writable = event_new(
	    http->base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
	connection->deadline = evtimer_new(http->base, on_deadline, connection);
	TAILQ_INSERT_TAIL(&http->connections, connection, link);
	http->n_connections++;
	if (connection->readable == NULL || connection->writable == NULL ||
	    connection->deadline == NULL ||
	    event_add(connection->readable, NULL) < 0 ||
	    event_add(connection->deadline, &patience) < 0) {
		http_connection_free(connection);
		return -1;
	}
	connection->fd = fd;
	return 0;
}

void
http_connection_free(struct http_connection *connection)
{
	struct http *http = connection->http;

	TAILQ_REMOVE(&http->connections, connection, link);
	http->n_connections--;
	enter(connection, HTTP_ENDED);
	if (connection->readable != NULL)
		event_free(connection->readable);
	if (connection->writable != NULL)
		event_free(connection->writable);
	if (connection->deadline != NULL)
		event_free(connection->deadline);
	if (connection->fd >= 0)
		(void)evutil_closesocket(connection->fd);
	buf_done(&connection->out);
	free(connection);
}

bool
http_connection_is_idle(const struct http_connection *connection)
{
	return connection->state != HTTP_WRITING &&
	       connection->state != HTTP_STREAMING;
}

static size_t
max_behind(const struct http_connection *connection)
{
	return (size_t)connection->http->limits.stream_bytes;
}

/* What was sent goes, also where there is always something left to send. */
static void
compact(struct http_connection *connection)
{
	struct buf *out = &connection->out;

	if (connection->n_sent < max_behind(connection))
		return;
	memmove(out->bytes, out->bytes + connection->n_sent,
	    out->n - connection->n_sent);
	out->n -= connection->n_sent;
	connection->n_sent = 0;
}

void
http_connection_send(
    struct http_connection *connection, const char *bytes, size_t n)
{
	if (connection->state != HTTP_STREAMING)
		return;
	if (behind(connection) + n > max_behind(connection)) {
		metrics_add(METRIC_LIMITS, "http.stream_bytes", NULL, 1);
		end(connection);
		return;
	}
	compact(connection);
	buf_add(&connection->out, bytes, n);
	start_writing(connection);
}
