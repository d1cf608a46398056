/*
 * A small HTTP server, for metrics and the status page: GET alone, one request
 * on a connection, and everything has a bound, because whoever can connect may
 * mean ill.
 *
 *   connections   when there are as many as may be, the oldest that has not
 *                 sent its request is closed: who is quick always gets in
 *   time          for the request and for taking the answer, together
 *   size          of a request's head; a body is not read
 *   streams       of events, for pages that stay open: few, and one that does
 *                 not read what it is sent is closed
 *
 * At an address of the machine itself it answers only who asked for such an
 * address, so that a page of somebody else cannot have a browser read it.
 */
#ifndef PGRIPPLE_OBSERVE_HTTP_H
#define PGRIPPLE_OBSERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/util.h"

struct event_base;
struct http;

struct http_reply {
	int status; /* 404 unless it is set */
	const char *type; /* of the content */
	/* What a handler wrote itself; or */
	struct buf body;
	/* what lives for ever. */
	const char *text;
	size_t length;
	bool is_stream; /* the body, then what http_send() gives */
};

/* Answers a GET; the path has no "?" and what follows it. */
typedef void (*http_cb)(
    void *context, const char *path, struct http_reply *reply);

struct http_limits {
	int64_t connections;
	int64_t streams;
	int64_t stream_bytes; /* that one may be behind */
	int64_t timeout_ms;
};

/* The address is as the settings have it, and copied.  -1: NOMEM. */
int http_new(struct event_base *base, const char *address, http_cb handler,
    void *context, struct http **ret_http,
    struct pgripple_error *err) MUST_CHECK;
void http_free(struct http *http);
void http_configure(struct http *http, const struct http_limits *limits);
/* Listens; if that fails it is logged, and tried again every few seconds: the
 * daemon's work does not depend on it. */
void http_start(struct http *http);

size_t http_n_streams(const struct http *http);
/* To all streams. */
void http_send(struct http *http, const char *bytes, size_t n);

#endif
