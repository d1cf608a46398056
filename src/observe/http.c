/*
 * The HTTP server: listening, and which connections there are.
 */
#include "observe/http.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "config/listen_address.h"
#include "observe/http_private.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define BACKLOG 128
/* In one turn of the event loop. */
#define MAX_ACCEPTS 16
/* After listening or accepting failed. */
#define RETRY_S 5

/* Room for the newest: the oldest that has not sent its request goes. */
static bool
make_room(struct http *http)
{
	struct http_connection *connection;

	if ((int64_t)http->n_connections < http->limits.connections)
		return true;
	metrics_add(METRIC_LIMITS, "http.connections", NULL, 1);
	TAILQ_FOREACH(connection, &http->connections, link)
	if (http_connection_is_idle(connection)) {
		http_connection_free(connection);
		return true;
	}
	return false;
}

static void
take(struct http *http, evutil_socket_t fd)
{
	if (evutil_make_socket_nonblocking(fd) < 0 || !make_room(http) ||
	    http_connection_new(http, fd) < 0)
		(void)evutil_closesocket(fd);
}

static void
retry_later(struct http *http)
{
	struct timeval pause = {.tv_sec = RETRY_S};

	(void)event_add(http->retry, &pause); /* the timer exists already */
}

static void
on_acceptable(evutil_socket_t fd, short what UNUSED, void *context)
{
	struct http *http = context;

	for (int i = 0; i < MAX_ACCEPTS; i++) {
		int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (accepted >= 0) {
			take(http, accepted);
			continue;
		}
		/* Out of descriptors, say: the listener would be ready again
		 * at once. */
		if (errno != EAGAIN && errno != EINTR &&
		    errno != ECONNABORTED) {
			(void)event_del(http->acceptable);
			retry_later(http);
		}
		return;
	}
}

/* Listening. */

static bool
is_stale(const struct listen_address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_refused;

	if (fd < 0)
		return false;
	is_refused = connect(fd, (const struct sockaddr *)&address->socket,
			 address->length) != 0 &&
		     errno == ECONNREFUSED;
	(void)close(fd);
	return is_refused;
}

static int
try_to_listen(struct http *http, struct listen_address *address)
{
	int fd = socket(address->socket.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* What a daemon left that was killed. */
	if (address->path != NULL && is_stale(address))
		(void)unlink(address->path);
	if (evutil_make_listen_socket_reuseable(fd) < 0 ||
	    bind(fd, (const struct sockaddr *)&address->socket,
		address->length) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int reason = errno;

		(void)close(fd);
		errno = reason;
		return -1;
	}
	http->fd = fd;
	http->must_unlink = address->path != NULL;
	return 0;
}

static void
tell_address(const struct http *http)
{
	struct sockaddr_storage socket = {0};
	socklen_t length = sizeof(socket);
	char text[256];

	/* The port may be of the system's choice. */
	(void)snprintf(text, sizeof(text), "%s", http->text);
	if (!http->must_unlink &&
	    getsockname(http->fd, (struct sockaddr *)&socket, &length) == 0)
		listen_address_print(
		    (const struct sockaddr *)&socket, text, sizeof(text));
	log_event(
	    LOG_LEVEL_INFO, "http.listening", log_string("address", text));
}

static void
start_listening(struct http *http)
{
	struct listen_address address;

	if (!listen_address_parse(http->text, &address))
		return; /* the settings were checked */
	if (try_to_listen(http, &address) < 0) {
		log_event(LOG_LEVEL_WARNING, "http.failed",
		    log_string("address", http->text),
		    log_string("error", strerror(errno)),
		    log_string(
			"next", "it is tried again; changes are not affected"));
		retry_later(http);
		return;
	}
	http->is_loopback = address.is_loopback;
	http->acceptable = event_new(
	    http->base, http->fd, EV_READ | EV_PERSIST, on_acceptable, http);
	if (http->acceptable == NULL || event_add(http->acceptable, NULL) < 0)
		abort();
	tell_address(http);
}

static void
on_retry(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct http *http = context;

	if (http->fd < 0)
		start_listening(http);
	else
		(void)event_add(http->acceptable, NULL);
}

/* Life. */

int
http_new(struct event_base *base, const char *address, http_cb handler,
    void *context, struct http **ret_http, struct pgripple_error *err)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return pgripple_error_nomem(err);
	TAILQ_INIT(&http->connections);
	http->base = base;
	http->fd = -1;
	http->handler = handler;
	http->context = context;
	http->text = strdup(address);
	http->retry = evtimer_new(base, on_retry, http);
	if (http->text == NULL || http->retry == NULL) {
		http_free(http);
		return pgripple_error_nomem(err);
	}
	*ret_http = http;
	return 0;
}

void
http_free(struct http *http)
{
	struct listen_address address;

	if (http == NULL)
		return;
	while (!TAILQ_EMPTY(&http->connections))
		http_connection_free(TAILQ_FIRST(&http->connections));
	if (http->acceptable != NULL)
		event_free(http->acceptable);
	if (http->retry != NULL)
		event_free(http->retry);
	if (http->fd >= 0)
		(void)close(http->fd);
	if (http->must_unlink && listen_address_parse(http->text, &address))
		(void)unlink(address.path);
	free(http->text);
	free(http);
}

void
http_configure(struct http *http, const struct http_limits *limits)
{
	http->limits = *limits;
}

void
http_start(struct http *http)
{
	start_listening(http);
}

/* Streams. */

size_t
http_n_streams(const struct http *http)
{
	return http->n_streams;
}

void
http_send(struct http *http, const char *bytes, size_t n)
{
	struct http_connection *connection, *next;

	for (connection = TAILQ_FIRST(&http->connections); connection != NULL;
	     connection = next) {
		next = TAILQ_NEXT(connection, link);
		http_connection_send(connection, bytes, n);
	}
}
