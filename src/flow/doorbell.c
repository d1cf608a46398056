/*
 * The daemon's side of the doorbell.  Only doorbell_enter() writes the state.
 */
#include "flow/doorbell.h"

#include <event2/event.h>

#include "observe/log.h"
#include "observe/metrics.h"
#include "postgres/listen.h"

/* How soon to look again while a writer keeps us from sleeping. */
#define FIRST_DOZE_MS 1
#define MAX_DOZE_MS 20
/* How long to wait for company: it is what a change under load may wait more.
 */
#define GATHER_MS 2

struct doorbell {
	struct listen *listen;
	doorbell_cb fetch;
	void *context;
	enum doorbell_state state;
	struct event *timer;
	int64_t doze_ms;
};

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	doorbell_step(context, DOORBELL_ON_TIMER);
}

int
doorbell_new(struct event_base *base, struct listen *listen, doorbell_cb fetch,
    void *context, struct doorbell **ret_doorbell, struct pgripple_error *err)
{
	struct doorbell *doorbell = calloc(1, sizeof(*doorbell));

	if (doorbell == NULL)
		return pgripple_error_nomem(err);
	doorbell->listen = listen;
	doorbell->fetch = fetch;
	doorbell->context = context;
	doorbell->doze_ms = FIRST_DOZE_MS;
	doorbell->timer = evtimer_new(base, on_timer, doorbell);
	if (doorbell->timer == NULL) {
		free(doorbell);
		return pgripple_error_nomem(err);
	}
	*ret_doorbell = doorbell;
	return 0;
}

void
doorbell_free(struct doorbell *doorbell)
{
	if (doorbell == NULL)
		return;
	event_free(doorbell->timer);
	free(doorbell);
}

/* Every change of state stops what the old one waited for. */
static void
doorbell_enter(struct doorbell *doorbell, enum doorbell_state next,
    enum doorbell_event reason)
{
	if (reason == DOORBELL_ON_FOUND || reason == DOORBELL_ON_FEW ||
	    next == DOORBELL_ASLEEP)
		doorbell->doze_ms = FIRST_DOZE_MS;
	if (next == doorbell->state)
		return;
	log_event(LOG_LEVEL_DEBUG, "doorbell.state",
	    log_string("from", doorbell_state_name(doorbell->state)),
	    log_string("to", doorbell_state_name(next)),
	    log_string("reason", doorbell_event_name(reason)));
	if (next == DOORBELL_ASLEEP)
		metrics_add(METRIC_DOORBELL, "slept", NULL, 1);
	if (reason == DOORBELL_ON_REFUSED)
		metrics_add(METRIC_DOORBELL, "refused", NULL, 1);
	(void)event_del(doorbell->timer); /* fails only if not added */
	doorbell->state = next;
}

static void
wait_for_ms(struct doorbell *doorbell, int64_t ms)
{
	struct timeval pause = {.tv_usec = ms * 1000};

	(void)event_add(doorbell->timer, &pause); /* the timer exists already */
}

static void
doze(struct doorbell *doorbell)
{
	wait_for_ms(doorbell, doorbell->doze_ms);
	doorbell->doze_ms *= 2;
	if (doorbell->doze_ms > MAX_DOZE_MS)
		doorbell->doze_ms = MAX_DOZE_MS;
}

void
doorbell_step(struct doorbell *doorbell, enum doorbell_event event)
{
	struct doorbell_transition transition =
	    doorbell_transition(doorbell->state, event);

	doorbell_enter(doorbell, transition.next, event);
	switch (transition.action) {
	case DOORBELL_NOTHING:
		break;
	case DOORBELL_FETCH:
		doorbell->fetch(doorbell->context, true);
		break;
	case DOORBELL_LOCK:
		doorbell->fetch(doorbell->context, false);
		listen_lock(doorbell->listen);
		break;
	case DOORBELL_UNLOCK_AND_FETCH:
		listen_unlock(doorbell->listen);
		doorbell->fetch(doorbell->context, true);
		break;
	case DOORBELL_DOZE:
		doze(doorbell);
		break;
	case DOORBELL_GATHER:
		doorbell->fetch(doorbell->context, false);
		wait_for_ms(doorbell, GATHER_MS);
		break;
	case DOORBELL_BUG:
		log_event(LOG_LEVEL_ERROR, "doorbell.bug",
		    log_string("state", doorbell_state_name(doorbell->state)),
		    log_string("event", doorbell_event_name(event)));
		abort();
	}
}
