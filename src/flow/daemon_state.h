/*
 * What the daemon is about, as it is told to people, to the service manager and
 * to monitoring.
 */
#ifndef PGRIPPLE_FLOW_DAEMON_STATE_H
#define PGRIPPLE_FLOW_DAEMON_STATE_H

enum daemon_state {
	DAEMON_LIVE,
	DAEMON_STANDBY, /* another one works */
	DAEMON_POSTGRES_DOWN,
	DAEMON_NOT_INSTALLED, /* the schema is not there, or not seen yet */
	DAEMON_REDIS_DOWN, /* a target that must be waited for is */
	DAEMON_DRAINING, /* stopping */
};
#define DAEMON_STATES (DAEMON_DRAINING + 1)

const char *daemon_state_name(enum daemon_state state);

struct daemon;
enum daemon_state daemon_state(const struct daemon *daemon);

#endif
