/*
 * What a session does on which event in which state: a table without side
 * effects.
 */
#ifndef PGRIPPLE_POSTGRES_SESSION_STATES_H
#define PGRIPPLE_POSTGRES_SESSION_STATES_H

enum session_state {
	SESSION_STOPPED,
	SESSION_CONNECTING, /* libpq negotiates */
	SESSION_PREPARING, /* our settings are on their way */
	SESSION_IDLE, /* up; a timer waits for the next heartbeat */
	SESSION_BUSY, /* up; a statement is under way */
	SESSION_BEATING, /* up; a heartbeat is under way */
	SESSION_WAITING, /* a pause before the next attempt */
};
#define SESSION_N_STATES (SESSION_WAITING + 1)

enum session_event {
	SESSION_ON_START,
	SESSION_ON_STOP,
	SESSION_ON_CONNECTED,
	SESSION_ON_PREPARED,
	SESSION_ON_SUBMIT,
	SESSION_ON_ANSWER, /* to what is under way */
	SESSION_ON_TIMER, /* the state's deadline or pause is over */
	SESSION_ON_LOST, /* the connection, or the attempt, has failed */
};
#define SESSION_N_EVENTS (SESSION_ON_LOST + 1)

enum session_action {
	SESSION_NOTHING,
	SESSION_BEGIN, /* an attempt as soon as the loop runs */
	SESSION_CONNECT, /* begin an attempt */
	SESSION_PREPARE, /* send our settings */
	SESSION_GO_UP, /* tell the listener */
	SESSION_SEND, /* send the statement */
	SESSION_HOLD, /* keep the statement until the heartbeat is done */
	SESSION_ANSWER, /* hand the answer over */
	SESSION_BEAT, /* send a heartbeat */
	SESSION_RESUME, /* judge the heartbeat, send what was held */
	SESSION_RETRY, /* close, say why, wait */
	SESSION_GO_DOWN, /* the same, and tell the listener */
	SESSION_CLOSE, /* close for good */
	SESSION_REFUSE, /* the caller asked for what cannot be now */
	SESSION_BUG, /* cannot happen */
};

struct session_transition {
	enum session_state next;
	enum session_action action;
};

struct session_transition session_transition(
    enum session_state state, enum session_event event);

const char *session_state_name(enum session_state state);
const char *session_event_name(enum session_event event);

#endif
