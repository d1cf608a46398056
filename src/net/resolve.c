/*
 * Names to addresses, without blocking the event loop.
 *
 * A look-up is shared by the event loop and its thread, and freed by whoever
 * lets go of it last: a thread that waits for a silent name server cannot be
 * stopped, only left alone.  There is a bound on how many may be left so.
 *
 * The thread touches nothing but its look-up, logs nothing, and takes no
 * signal.
 */
#include "net/resolve.h"

#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_THREADS 32
#define STACK_BYTES ((size_t)256 << 10) /* enough for modules of nsswitch */

struct lookup {
	atomic_int n_holders;
	int done_fd; /* an eventfd, readable when it is done */
	char *host;
	int status; /* of getaddrinfo() */
	struct resolved found;
};

struct resolve {
	struct lookup *lookup;
	struct event *event;
	resolve_cb done;
	void *context;
};

static atomic_int n_threads;

static void
let_go(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->n_holders, 1) > 1)
		return;
	if (lookup->done_fd >= 0)
		(void)close(lookup->done_fd); /* nothing was written to disk */
	free(lookup->host);
	free(lookup);
}

static void
take_addresses(struct resolved *found, const struct addrinfo *list)
{
	for (; list != NULL && found->n_addresses < RESOLVE_MAX_ADDRESSES;
	     list = list->ai_next)
		if (getnameinfo(list->ai_addr, list->ai_addrlen,
			found->addresses[found->n_addresses],
			RESOLVE_ADDRESS_TEXT, NULL, 0, NI_NUMERICHOST) == 0)
			found->n_addresses++;
}

/* Returns what getaddrinfo() does. */
static int
look_up(const char *host, int flags, struct resolved *found)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = flags,
	};
	struct addrinfo *list;
	int status = getaddrinfo(host, NULL, &hints, &list);

	if (status != 0)
		return status;
	take_addresses(found, list);
	freeaddrinfo(list);
	return 0;
}

static int
judge(const char *host, int status, const struct resolved *found,
    struct pgripple_error *err)
{
	const char *why = NULL;

	if (status != 0)
		why = gai_strerror(status);
	else if (found->n_addresses == 0)
		why = "it has no address";
	if (why == NULL)
		return 0;
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "could not resolve host \"%s\": %s", host, why);
}

static void
tell_done(const struct lookup *lookup)
{
	(void)eventfd_write(lookup->done_fd, 1); /* fails only above 2^64 */
}

static void *
run(void *arg)
{
	struct lookup *lookup = arg;

	lookup->status = look_up(lookup->host, 0, &lookup->found);
	tell_done(lookup);
	let_go(lookup);
	(void)atomic_fetch_sub(&n_threads, 1);
	return NULL;
}

/* Detached, and without signals: those are the event loop's. */
static int
start_thread(struct lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	int failed;

	if (pthread_attr_init(&attributes) != 0)
		return -1;
	(void)sigfillset(&all);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, &attributes, run, lookup);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return failed == 0 ? 0 : -1;
}

static int
hand_to_thread(struct lookup *lookup, struct pgripple_error *err)
{
	if (atomic_fetch_add(&n_threads, 1) >= MAX_THREADS) {
		(void)atomic_fetch_sub(&n_threads, 1);
		return pgripple_error_set(err, PGRIPPLE_ERROR_LIMIT,
		    "could not resolve host \"%s\": %d look-ups still wait "
		    "for the name servers",
		    lookup->host, MAX_THREADS);
	}
	(void)atomic_fetch_add(&lookup->n_holders, 1);
	if (start_thread(lookup) != 0) {
		(void)atomic_fetch_sub(&n_threads, 1);
		let_go(lookup);
		return pgripple_error_nomem(err);
	}
	return 0;
}

static void
on_done(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct resolve *resolve = arg;
	const struct lookup *lookup = resolve->lookup;
	struct resolved found = lookup->found;
	struct pgripple_error err;
	bool failed = judge(lookup->host, lookup->status, &found, &err) != 0;
	resolve_cb done = resolve->done;
	void *context = resolve->context;

	resolve_cancel(resolve);
	done(context, failed ? NULL : &found, failed ? &err : NULL);
}

static struct lookup *
make_lookup(const char *host)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	atomic_init(&lookup->n_holders, 1);
	lookup->host = strdup(host);
	lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->host == NULL || lookup->done_fd < 0) {
		let_go(lookup);
		return NULL;
	}
	return lookup;
}

int
resolve_start(struct event_base *base, const char *host, resolve_cb done,
    void *context, struct resolve **ret_resolve, struct pgripple_error *err)
{
	struct resolve *resolve = calloc(1, sizeof(*resolve));

	if (resolve == NULL)
		return pgripple_error_nomem(err);
	resolve->done = done;
	resolve->context = context;
	resolve->lookup = make_lookup(host);
	if (resolve->lookup != NULL)
		resolve->event = event_new(
		    base, resolve->lookup->done_fd, EV_READ, on_done, resolve);
	if (resolve->event == NULL || event_add(resolve->event, NULL) != 0) {
		resolve_cancel(resolve);
		return pgripple_error_nomem(err);
	}
	/* What is an address already needs no thread. */
	resolve->lookup->status =
	    look_up(host, AI_NUMERICHOST, &resolve->lookup->found);
	if (resolve->lookup->status == 0) {
		tell_done(resolve->lookup);
	} else if (hand_to_thread(resolve->lookup, err) != 0) {
		resolve_cancel(resolve);
		return -1;
	}
	*ret_resolve = resolve;
	return 0;
}

void
resolve_cancel(struct resolve *resolve)
{
	if (resolve == NULL)
		return;
	if (resolve->event != NULL)
		event_free(resolve->event);
	if (resolve->lookup != NULL)
		let_go(resolve->lookup);
	free(resolve);
}

int
resolve_now(
    const char *host, struct resolved *ret_resolved, struct pgripple_error *err)
{
	struct resolved found = {0};

	if (judge(host, look_up(host, 0, &found), &found, err) != 0)
		return -1;
	*ret_resolved = found;
	return 0;
}
