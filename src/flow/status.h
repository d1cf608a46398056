/*
 * What the status page shows: the status as JSON, the picture of the graph, and
 * the stream of events by which a page that is open keeps up.
 *
 *	/graph.svg	the relation graph
 *	/events		server-sent events: "status", and lines of the log as
 *			"change" or "note"
 *
 * A timer runs only while a page is open.
 */
#ifndef PGRIPPLE_FLOW_STATUS_H
#define PGRIPPLE_FLOW_STATUS_H

#include <stdbool.h>

#include "observe/http.h"

struct daemon;
struct status;

/* Both are borrowed, and http must be there when a request is answered. */
int status_new(struct daemon *daemon, struct status **ret_status,
    struct pgripple_error *err) MUST_CHECK;
void status_free(struct status *status);
/* Where streams are sent to. */
void status_attach(struct status *status, struct http *http);
/* The configuration or what the catalog says of it is another one. */
void status_configure(struct status *status);

/* False if the path is none of its own. */
bool status_answer(
    struct status *status, const char *path, struct http_reply *reply);

#endif
