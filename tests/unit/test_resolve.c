#include "net/resolve.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <string.h>

struct told {
	struct event_base *base;
	int n;
	struct resolved resolved;
	struct pgripple_error err;
	bool failed;
};

static void
on_resolved(void *context, const struct resolved *resolved,
    const struct pgripple_error *err)
{
	struct told *told = context;

	told->n++;
	told->failed = err != NULL;
	if (err != NULL)
		told->err = *err;
	else
		told->resolved = *resolved;
	(void)event_base_loopbreak(told->base);
}

static struct resolve *
start(struct told *told, const char *host)
{
	struct resolve *resolve;
	struct pgripple_error err;

	if (told->base == NULL)
		told->base = event_base_new();
	cr_assert_eq(
	    resolve_start(told->base, host, on_resolved, told, &resolve, &err),
	    0);
	cr_expect_eq(told->n, 0, "not from inside");
	return resolve;
}

static void
look_up(struct told *told, const char *host)
{
	(void)start(told, host);
	event_base_dispatch(told->base);
	event_base_free(told->base);
	cr_expect_eq(told->n, 1);
}

Test(resolve, takes_addresses_as_they_are)
{
	static const char *const addresses[] = {"127.0.0.1", "::1", "fe80::1"};

	for (size_t i = 0; i < N_ELEMENTS(addresses); i++) {
		struct told told = {0};

		look_up(&told, addresses[i]);
		cr_assert(!told.failed, "%s", told.err.text);
		cr_expect_eq(told.resolved.n_addresses, 1);
		cr_expect_str_eq(told.resolved.addresses[0], addresses[i]);
	}
}

Test(resolve, follows_the_hosts_file)
{
	struct told told = {0};

	look_up(&told, "localhost");
	cr_assert(!told.failed, "%s", told.err.text);
	cr_assert_gt(told.resolved.n_addresses, 0);
	cr_expect(strcmp(told.resolved.addresses[0], "127.0.0.1") == 0 ||
		  strcmp(told.resolved.addresses[0], "::1") == 0);
}

Test(resolve, says_which_host_it_does_not_know)
{
	struct told told = {0};

	look_up(&told, "no host has a space");
	cr_assert(told.failed);
	cr_expect_eq(told.err.kind, PGRIPPLE_ERROR_PEER);
	cr_expect_not_null(strstr(told.err.text, "\"no host has a space\""));
}

Test(resolve, says_nothing_once_it_is_cancelled)
{
	struct told cancelled = {0}, told = {0};

	for (int i = 0; i < 10; i++) {
		resolve_cancel(start(&cancelled, "localhost"));
		resolve_cancel(start(&cancelled, "127.0.0.1"));
	}
	told.base = cancelled.base;
	look_up(&told, "localhost");
	cr_expect_eq(cancelled.n, 0);
	resolve_cancel(NULL);
}
