/*
 * The monitor: what the daemon tells of itself over HTTP.
 *
 *	/metrics	for Prometheus
 *	/healthz	200 as long as the event loop runs
 *	/readyz		200 if changes get through, else 503 with the reasons
 *	/		the status page; see flow/status.h
 */
#ifndef PGRIPPLE_FLOW_MONITOR_H
#define PGRIPPLE_FLOW_MONITOR_H

#include <stdbool.h>

#include "base/util.h"
#include "config/settings.h"

struct daemon;
struct monitor;

/* The daemon is borrowed; its configuration is in use.  -1: NOMEM. */
int monitor_new(struct daemon *daemon, struct monitor **ret_monitor,
    struct pgripple_error *err) MUST_CHECK;
void monitor_free(struct monitor *monitor);
void monitor_configure(struct monitor *monitor);
void monitor_start(struct monitor *monitor);
/* Triggers or columns are not what the graph needs. */
bool monitor_is_drifted(const struct daemon *daemon);

#endif
