/*
 * The states of a connection to Redis, as a table.  Pure.
 */
#ifndef PGRIPPLE_REDIS_CONNECTION_STATES_H
#define PGRIPPLE_REDIS_CONNECTION_STATES_H

enum connection_state {
	CONNECTION_STOPPED,
	CONNECTION_CONNECTING,
	CONNECTION_VERIFYING,
	CONNECTION_UP,
	CONNECTION_DROPPING, /* failed; what it held is being released */
	CONNECTION_WAITING, /* until the next attempt */
	CONNECTION_CLOSING, /* stopped by the user; being released */
};
#define CONNECTION_N_STATES (CONNECTION_CLOSING + 1)

enum connection_event {
	CONNECTION_EVENT_START,
	CONNECTION_EVENT_STOP,
	CONNECTION_EVENT_CONNECTED, /* the socket is */
	CONNECTION_EVENT_VERIFIED,
	CONNECTION_EVENT_FAILED, /* by the network, the server or a reply */
	CONNECTION_EVENT_TIMER, /* the state's timer is due */
	CONNECTION_EVENT_RELEASED, /* context freed, commands completed */
};
#define CONNECTION_N_EVENTS (CONNECTION_EVENT_RELEASED + 1)

enum connection_action {
	CONNECTION_ACTION_NONE,
	CONNECTION_ACTION_CONNECT,
	CONNECTION_ACTION_VERIFY,
	CONNECTION_ACTION_ANNOUNCE, /* that it is up */
	CONNECTION_ACTION_WATCH, /* look for silence; ask when idle */
	CONNECTION_ACTION_EXPIRE, /* the attempt took too long: release */
	CONNECTION_ACTION_RELEASE, /* from a deferred event */
	CONNECTION_ACTION_WAIT,
	CONNECTION_ACTION_REPORT, /* that it is stopped */
};

struct connection_transition {
	enum connection_state next;
	enum connection_action action;
};

struct connection_transition connection_next(
    enum connection_state state, enum connection_event event);

const char *connection_state_name(enum connection_state state);
const char *connection_event_name(enum connection_event event);
const char *connection_action_name(enum connection_action action);

#endif
