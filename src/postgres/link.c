/*
 * The socket work of one connection.
 *
 * libpq is given addresses: it would wait for the resolver otherwise.  While it
 * connects it may change the socket with every call, and the new one may get
 * the old one's number: so those events are one-shot and assigned anew after
 * every PQconnectPoll().  Afterwards the socket stays and is always read, also
 * while nothing was asked.
 *
 * When not everything could be written, the socket is still read: the server
 * may be busy writing to us and not read before we do.
 */
#include "postgres/link.h"

#include <event2/event.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "observe/log.h"
#include "postgres/pins.h"

struct link {
	struct event_base *base;
	struct conninfo *conninfo;
	link_report_cb on_report;
	void *context;
	PGconn *conn;
	bool is_asking; /* something was sent and not yet answered */
	int64_t heard_us; /* monotonic */
	struct event *readable;
	struct event *writable;
	PGresult *result; /* the last one so far */
	/* What the server said last before it closed the connection. */
	struct pgripple_error farewell;
	bool has_farewell;
};

static void on_connecting(evutil_socket_t fd, short what, void *arg);
static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

int
link_new(struct event_base *base, struct conninfo *conninfo,
    link_report_cb on_report, void *context, struct link **ret_link,
    struct pgripple_error *err)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return pgripple_error_nomem(err);
	link->base = base;
	link->conninfo = conninfo;
	link->on_report = on_report;
	link->context = context;
	link->readable = event_new(base, -1, 0, on_readable, link);
	link->writable = event_new(base, -1, 0, on_writable, link);
	if (link->readable == NULL || link->writable == NULL) {
		link_free(link);
		return pgripple_error_nomem(err);
	}
	*ret_link = link;
	return 0;
}

void
link_free(struct link *link)
{
	if (link == NULL)
		return;
	link_close(link);
	if (link->readable != NULL)
		event_free(link->readable);
	if (link->writable != NULL)
		event_free(link->writable);
	free(link);
}

void
link_close(struct link *link)
{
	conninfo_cancel(link->conninfo);
	/* Before libpq closes the socket. */
	if (link->readable != NULL)
		(void)event_del(link->readable); /* fails only if not added */
	if (link->writable != NULL)
		(void)event_del(link->writable);
	PQclear(link->result);
	link->result = NULL;
	PQfinish(link->conn);
	link->conn = NULL;
	link->is_asking = false;
	link->has_farewell = false;
}

bool
link_is_open(const struct link *link)
{
	return link->conn != NULL;
}

/* Notices may come at any rate and hold values of rows: for debugging only.
 * The one with which a server takes its leave explains what follows. */
static void
on_notice(void *arg, const PGresult *result)
{
	struct link *link = arg;
	const char *severity =
	    PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	struct pgripple_error err;

	conninfo_result_error(link->conninfo, result, NULL, &err);
	log_event(LOG_LEVEL_DEBUG, "postgres.notice",
	    log_string("severity", severity), log_string("text", err.text));
	if (severity != NULL && (strcmp(severity, "FATAL") == 0 ||
				    strcmp(severity, "PANIC") == 0)) {
		link->farewell = err;
		link->has_farewell = true;
	}
}

static void
report_lost(struct link *link, struct link_report *report)
{
	report->lost = true;
	if (link->has_farewell)
		report->err = link->farewell;
	else
		conninfo_error(
		    link->conninfo, PQerrorMessage(link->conn), &report->err);
}

static void
report_nomem(struct link_report *report)
{
	report->lost = true;
	pgripple_error_nomem(&report->err);
}

static void
tell(struct link *link, struct link_report *report)
{
	if (report->connected || report->answered || report->notified ||
	    report->lost)
		link->on_report(link->context, report);
}

/* Waits for what libpq asks for. */
static int
wait_connecting(struct link *link, short what)
{
	if (event_assign(link->readable, link->base, PQsocket(link->conn), what,
		on_connecting, link) != 0)
		return -1;
	return event_add(link->readable, NULL);
}

static int
open_link(struct link *link, struct pgripple_error *err)
{
	link->conn = conninfo_connect(link->conninfo);
	if (link->conn == NULL)
		return pgripple_error_nomem(err);
	PQsetNoticeReceiver(link->conn, on_notice, link);
	if (PQstatus(link->conn) == CONNECTION_BAD)
		return conninfo_error(
		    link->conninfo, PQerrorMessage(link->conn), err);
	/* As if PQconnectPoll() had returned PGRES_POLLING_WRITING. */
	if (wait_connecting(link, EV_WRITE) != 0)
		return pgripple_error_nomem(err);
	return 0;
}

static void
on_hosts(void *context, const struct pgripple_error *err)
{
	struct link *link = context;
	struct link_report report = {0};

	if (err != NULL)
		report.err = *err;
	report.lost = err != NULL || open_link(link, &report.err) != 0;
	tell(link, &report);
}

int
link_connect(struct link *link, int64_t patience_ms, struct pgripple_error *err)
{
	int outcome = conninfo_resolve(
	    link->conninfo, link->base, patience_ms, on_hosts, link, err);

	return outcome == HOSTS_KNOWN ? open_link(link, err) : outcome;
}

static void
connected(struct link *link, struct link_report *report)
{
	if (PQsetnonblocking(link->conn, 1) != 0) {
		report_lost(link, report);
		return;
	}
	if (event_assign(link->readable, link->base, PQsocket(link->conn),
		EV_READ | EV_PERSIST, on_readable, link) != 0 ||
	    event_assign(link->writable, link->base, PQsocket(link->conn),
		EV_WRITE, on_writable, link) != 0 ||
	    event_add(link->readable, NULL) != 0) {
		report_nomem(report);
		return;
	}
	report->connected = true;
}

static void
poll_connecting(struct link *link, struct link_report *report)
{
	short what = EV_READ;

	switch (PQconnectPoll(link->conn)) {
	case PGRES_POLLING_OK:
		connected(link, report);
		return;
	case PGRES_POLLING_WRITING:
		what = EV_WRITE;
		break;
	case PGRES_POLLING_READING:
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
	default:
		report_lost(link, report);
		return;
	}
	if (wait_connecting(link, what) != 0)
		report_nomem(report);
}

static int
flush(struct link *link)
{
	int left = PQflush(link->conn);

	if (left == 1)
		return event_add(link->writable, NULL);
	return left;
}

int
link_send(struct link *link, const char *sql, int n_values,
    const char *const *values, struct pgripple_error *err)
{
	int sent = n_values < 0 ? PQsendQuery(link->conn, sql)
				: PQsendQueryParams(link->conn, sql, n_values,
				      NULL, values, NULL, NULL, 0);

	if (sent == 0 || flush(link) != 0)
		return conninfo_error(
		    link->conninfo, PQerrorMessage(link->conn), err);
	link->is_asking = true;
	return 0;
}

bool
link_is_confirmed(const struct link *link)
{
	int n_bytes = 0;

	return PQflush(link->conn) == 0 &&
	       ioctl(PQsocket(link->conn), SIOCOUTQ, &n_bytes) == 0 &&
	       n_bytes == 0;
}

int64_t
link_heard_us(const struct link *link)
{
	return link->heard_us;
}

static bool
is_refusal(const PGresult *result)
{
	return PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL;
}

/* The last one counts; but after the server has said no, only libpq speaks,
 * of the connection that then closed. */
static void
keep_result(struct link *link, PGresult *result)
{
	if (is_refusal(link->result)) {
		PQclear(result);
		return;
	}
	PQclear(link->result);
	link->result = result;
}

static void
read_answer(struct link *link, struct link_report *report)
{
	PGresult *result;

	while (!PQisBusy(link->conn)) {
		result = PQgetResult(link->conn);
		if (result == NULL) {
			link->is_asking = false;
			report->answered = true;
			report->result = steal(&link->result);
			return;
		}
		keep_result(link, result);
	}
}

static void
read_notifications(struct link *link, struct link_report *report)
{
	PGnotify *notification;

	while ((notification = PQnotifies(link->conn)) != NULL) {
		PQfreemem(notification);
		report->notified = true;
	}
}

/* The connection broke while an answer was awaited: what the server said in
 * its place is the better reason. */
static void
read_last_words(struct link *link)
{
	if (!link->is_asking || link->has_farewell || !is_refusal(link->result))
		return;
	conninfo_result_error(
	    link->conninfo, link->result, NULL, &link->farewell);
	link->has_farewell = true;
}

void
link_read(struct link *link, struct link_report *ret_report)
{
	bool was_read = PQconsumeInput(link->conn) != 0;

	memset(ret_report, 0, sizeof(*ret_report));
	if (link->is_asking)
		read_answer(link, ret_report);
	read_notifications(link, ret_report);
	if (was_read && PQstatus(link->conn) == CONNECTION_OK &&
	    flush(link) == 0)
		return;
	if (ret_report->answered) {
		/* Of a broken connection even this may be made up by libpq. */
		link->result = steal(&ret_report->result);
		link->is_asking = true;
		ret_report->answered = false;
	}
	read_last_words(link);
	report_lost(link, ret_report);
}

static void
on_connecting(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct link *link = arg;
	struct link_report report = {0};

	poll_connecting(link, &report);
	tell(link, &report);
}

static void
on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct link *link = arg;
	struct link_report report;

	link->heard_us = clock_monotonic_us();
	link_read(link, &report);
	tell(link, &report);
}

static void
on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct link *link = arg;
	struct link_report report = {0};

	if (flush(link) != 0)
		report_lost(link, &report);
	tell(link, &report);
}

int
link_check_version(struct link *link, struct pgripple_error *err)
{
	return pins_check_version(link->conn, err);
}

int
link_server_version(const struct link *link)
{
	return link->conn == NULL ? 0 : PQserverVersion(link->conn);
}

int
link_server_pid(const struct link *link)
{
	return link->conn == NULL ? 0 : PQbackendPID(link->conn);
}
