/*
 * The inside of the daemon, shared by daemon.c (state and turns),
 * daemon_configure.c (configurations, catalog, coverage), daemon_server.c (a
 * Postgres that lost commits) and daemon_wiring.c (peers, timers, signals).
 */
#ifndef PGRIPPLE_FLOW_DAEMON_PRIVATE_H
#define PGRIPPLE_FLOW_DAEMON_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "base/exit_status.h"
#include "config/configuration.h"

#define DAEMON_N_SIGNALS 3

struct batch;
struct catalog;
struct doorbell;
struct listen;
struct low_water;
struct monitor;
struct probe;
struct report;
struct session;
struct targets;
struct tasks;

struct daemon {
	const char *settings_path;
	struct configuration *configuration;
	struct catalog *catalog; /* NULL until it was described once */
	struct configuration *candidate; /* of a reload, to be verified */
	const struct configuration *described; /* the one under way, or NULL */

	struct event_base *base;
	struct event *signals[DAEMON_N_SIGNALS];
	struct event *poll;
	struct event *coverage;
	struct event *drain;
	struct event *watchdog;
	struct listen *listen;
	struct doorbell *doorbell;
	struct session *work;
	struct low_water *low_water;
	struct targets *targets;
	struct batch *batch;
	struct tasks *tasks; /* long ones */
	struct tasks *repeats; /* quick ones */
	struct report *report;
	struct probe *probe; /* NULL, as the monitor, if HTTP is off */
	struct monitor *monitor;

	bool reload_due; /* it came while a candidate was described */
	bool fetch_due; /* the outbox may hold changes */
	bool coverage_due; /* the triggers are to be looked at */
	/* The catalog is to be looked at; it could not be, when last tried. */
	bool describe_due;
	bool describe_failed;
	bool is_missing; /* the schema */
	bool is_other_version; /* the schema is: it is left alone */
	/* The same of which server it is. */
	bool recognise_due;
	bool recognise_failed;
	bool live; /* was, when last looked */
	bool drifted; /* the same */
	bool stopping;
	int64_t fetched_wall_us; /* when the last fetch began */
	int64_t whole_fetch_us; /* monotonic: the mark was 0 then */
	enum exit_status status;
};

/* Gives the work session to whoever has something to do; to be called whenever
 * it may have become free or somebody has got something to do. */
void daemon_turn(struct daemon *daemon);
/* Tells log and service manager when the daemon has become live, or not. */
void daemon_look_at_state(struct daemon *daemon);
/* Ends when what is under way is done, or at once with that status. */
void daemon_stop(struct daemon *daemon);
void daemon_leave(struct daemon *daemon, enum exit_status status);

/* Puts a configuration and its catalog (NULL: not known yet) in use; both are
 * taken over. */
void daemon_use(struct daemon *daemon, struct configuration *configuration,
    struct catalog *catalog);
void daemon_configure_log(const struct settings *settings);
/* Reads the files again. */
void daemon_reload(struct daemon *daemon);
/* Statements on the work session, which must be free. */
void daemon_describe(struct daemon *daemon);
void daemon_look_for_gaps(struct daemon *daemon);
void daemon_recognise(struct daemon *daemon);

/* Everything but the configuration.  -1: NOMEM, CONFIG. */
int daemon_make(struct daemon *daemon, struct pgripple_error *err) MUST_CHECK;
void daemon_unmake(struct daemon *daemon);
/* The poll timer, by the present settings. */
int daemon_arm_poll(struct daemon *daemon);
/* SIG_BLOCK, SIG_UNBLOCK: a signal that comes before somebody listens waits
 * until then, since it would end the process. */
void daemon_hold_signals(int how);

static inline struct timeval
daemon_timeval(int64_t ms)
{
	return (struct timeval){
	    .tv_sec = ms / 1000,
	    .tv_usec = ms % 1000 * 1000,
	};
}

#endif
