/*
 * A link: the socket work of one connection.  It connects, sends and reads
 * through libpq's asynchronous interface and the event loop, and reports; what
 * to do about it is the session's business.  Private to this folder.
 */
#ifndef PGRIPPLE_POSTGRES_LINK_H
#define PGRIPPLE_POSTGRES_LINK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/conninfo.h"

struct event_base;
struct link;

/* What one turn of the event loop brought; several may be true. */
struct link_report {
	bool connected;
	bool answered; /* the answer to what was sent is complete */
	bool notified; /* notifications came in */
	bool lost; /* the connection is of no use any more */
	PGresult *result; /* answered: the last one, or NULL; given */
	struct pgripple_error err; /* lost */
};

/* Called last of all by the link's own handlers: the link may be closed or
 * freed from inside. */
typedef void (*link_report_cb)(void *context, struct link_report *report);

/* The conninfo is borrowed and must outlive the link. */
int link_new(struct event_base *base, struct conninfo *conninfo,
    link_report_cb on_report, void *context, struct link **ret_link,
    struct pgripple_error *err) MUST_CHECK;
void link_free(struct link *link);

/* Begins to connect: finds the hosts' addresses, and goes on without those
 * that are not found within patience_ms. */
int link_connect(struct link *link, int64_t patience_ms,
    struct pgripple_error *err) MUST_CHECK;
void link_close(struct link *link);
bool link_is_open(const struct link *link);

/* Sends one statement with parameters, or a script if n_values is -1. */
int link_send(struct link *link, const char *sql, int n_values,
    const char *const *values, struct pgripple_error *err) MUST_CHECK;

/* The server's kernel, or what stands before it, has confirmed all that was
 * sent; when something last came from there, or the link began (monotonic). */
bool link_is_confirmed(const struct link *link);
int64_t link_heard_us(const struct link *link);

/* Reads what has arrived, without waiting. */
void link_read(struct link *link, struct link_report *ret_report);

int link_check_version(
    struct link *link, struct pgripple_error *err) MUST_CHECK;
int link_server_version(const struct link *link);
int link_server_pid(const struct link *link);

#endif
