/*
 * The event loop, the clock and randomness, as the daemon sees them: libevent's
 * functions that src/flow and src/postgres call, over the agenda.  A base does
 * nothing but say whose end it is when its loop is left.
 *
 * Defined here, these take the place of the libraries': the linker asks those
 * only for what is missing.
 */
#include "world.h"

#include <event2/event.h>
#include <sys/random.h>

#include "base/clock.h"
#include "observe/log_sink.h"

struct event_base {
	bool is_left;
};

struct event {
	short what;
	event_callback_fn callback;
	void *context;
	struct job *job;
	int64_t interval_us;
};

struct event_base *
event_base_new(void)
{
	return calloc(1, sizeof(struct event_base));
}

void
event_base_free(struct event_base *base)
{
	free(base);
}

int
event_base_loopbreak(struct event_base *base)
{
	base->is_left = true;
	return 0;
}

/* The world goes round by itself: see daemons.c. */
int
event_base_dispatch(struct event_base *base UNUSED)
{
	return 0;
}

struct event *
event_new(struct event_base *base UNUSED, evutil_socket_t fd UNUSED, short what,
    event_callback_fn callback, void *context)
{
	struct event *event = calloc(1, sizeof(*event));

	if (event != NULL)
		*event = (struct event){what, callback, context, NULL, 0};
	return event;
}

static void
fire(void *context)
{
	struct event *event = context;

	event->job = NULL;
	if ((event->what & EV_PERSIST) != 0)
		event->job = agenda_add(event->interval_us, fire, event);
	event->callback(-1, EV_TIMEOUT, event->context);
}

int
event_add(struct event *event, const struct timeval *timeout)
{
	if (timeout == NULL)
		return 0; /* a signal: nobody sends any here */
	agenda_cancel(event->job);
	event->interval_us =
	    (int64_t)timeout->tv_sec * SECOND + timeout->tv_usec;
	event->job = agenda_add(event->interval_us, fire, event);
	return 0;
}

int
event_del(struct event *event)
{
	agenda_cancel(event->job);
	event->job = NULL;
	return 0;
}

int
event_pending(const struct event *event, short what UNUSED,
    struct timeval *timeout UNUSED)
{
	return event->job != NULL;
}

void
event_free(struct event *event)
{
	(void)event_del(event);
	free(event);
}

/* Clocks and chance. */

int64_t
clock_monotonic_us(void)
{
	return agenda_now_us();
}

int64_t
clock_wall_us(void)
{
	return INT64_C(1700000000) * SECOND + agenda_now_us();
}

void
clock_print(int64_t wall_us UNUSED, char *buffer, size_t size)
{
	if (size > 0)
		buffer[0] = '\0';
}

ssize_t
getrandom(void *buffer, size_t length, unsigned flags UNUSED)
{
	unsigned char *bytes = buffer;

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)chance_bits();
	return (ssize_t)length;
}

/* The log is a part of the story. */

void
log_sink_open(void)
{
}

bool
log_sink_write(const char *line, size_t n)
{
	story("    log %.*s", (int)n - 1, line);
	return true;
}
