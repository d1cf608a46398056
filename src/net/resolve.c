/*
 * Names to addresses, without blocking the event loop.
 */
#include "net/resolve.h"

#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "net/background.h"

/* A look-up: all that its thread touches. */
struct lookup {
	char *host;
	int status; /* of getaddrinfo() */
	struct resolved found;
};

struct resolve {
	struct background *background;
	resolve_cb done;
	void *context;
};

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
run(void *work)
{
	struct lookup *lookup = work;

	lookup->status = look_up(lookup->host, 0, &lookup->found);
}

static void
release(void *work)
{
	struct lookup *lookup = work;

	free(lookup->host);
	free(lookup);
}

static void
on_done(void *context, void *work)
{
	struct resolve *resolve = context;
	const struct lookup *lookup = work;
	resolve_cb done = resolve->done;
	void *done_context = resolve->context;
	struct pgripple_error err;
	bool failed =
	    judge(lookup->host, lookup->status, &lookup->found, &err) != 0;

	free(resolve);
	done(
	    done_context, failed ? NULL : &lookup->found, failed ? &err : NULL);
}

static struct lookup *
make_lookup(const char *host)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->host = strdup(host);
	if (lookup->host == NULL) {
		free(lookup);
		return NULL;
	}
	/* What is an address already needs no thread. */
	lookup->status = look_up(host, AI_NUMERICHOST, &lookup->found);
	return lookup;
}

int
resolve_start(struct event_base *base, const char *host, resolve_cb done,
    void *context, struct resolve **ret_resolve, struct pgripple_error *err)
{
	struct background_job job = {run, release, make_lookup(host)};
	struct resolve *resolve = calloc(1, sizeof(*resolve));

	if (job.work == NULL || resolve == NULL) {
		if (job.work != NULL)
			release(job.work);
		free(resolve);
		return pgripple_error_nomem(err);
	}
	resolve->done = done;
	resolve->context = context;
	if (((struct lookup *)job.work)->status == 0)
		job.run = NULL;
	if (background_start(
		base, &job, on_done, resolve, &resolve->background, err) < 0) {
		free(resolve);
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
	background_cancel(resolve->background);
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
