/*
 * The head of an HTTP request.  Pure.
 */
#ifndef PGRIPPLE_OBSERVE_HTTP_REQUEST_H
#define PGRIPPLE_OBSERVE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* A whole head must fit. */
#define HTTP_MAX_HEAD ((size_t)8 * 1024)

struct http_request {
	char path[256]; /* without what follows "?" */
	char host[256]; /* without the port; "" if it was not said */
};

enum http_parse {
	HTTP_PARSE_DONE = 0,
	HTTP_PARSE_MORE = 1, /* the head has not ended yet */
	/* Else the status to answer with: 400, 405, 414, 431 or 505. */
};

/* GET alone is known (RFC 9112); of the headers only Host matters. */
int http_request_parse(
    const char *bytes, size_t n, struct http_request *ret_request);

/* An IP address or "localhost": what a browser says only if its user did, not
 * after the name of a foreign page was made to lead here (DNS rebinding). */
bool http_host_is_local(const char *host);

#endif
