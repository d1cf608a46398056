#include "postgres/hosts.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <string.h>

#include "base/buf.h"

struct told {
	struct event_base *base;
	int n;
	bool failed;
	struct pgripple_error err;
};

static void
on_hosts(void *context, const struct pgripple_error *err)
{
	struct told *told = context;

	told->n++;
	told->failed = err != NULL;
	if (err != NULL)
		told->err = *err;
	(void)event_base_loopbreak(told->base);
}

static struct hosts *
make(const char *host, const char *hostaddr, const char *port)
{
	struct hosts *hosts;
	struct pgripple_error err;

	cr_assert_eq(hosts_new(host, hostaddr, port, &hosts, &err), 0);
	return hosts;
}

static int
resolve(struct hosts *hosts, struct told *told)
{
	struct pgripple_error err;
	int outcome;

	*told = (struct told){.base = event_base_new()};
	outcome = hosts_resolve(hosts, told->base, 10000, on_hosts, told, &err);
	cr_expect_eq(told->n, 0, "not from inside");
	if (outcome == HOSTS_WAIT)
		event_base_dispatch(told->base);
	return outcome;
}

static const char *
text(const char *list)
{
	return list == NULL ? "-" : list;
}

static void
expect_lists(struct hosts *hosts, const char *expected)
{
	const struct hosts_lists *lists = hosts_lists(hosts);
	struct buf buf = BUF_INIT;

	cr_assert_not_null(lists);
	buf_printf(&buf, "%s %s %s", text(lists->host), text(lists->hostaddr),
	    text(lists->port));
	cr_expect_str_eq(buf_string(&buf), expected);
	buf_done(&buf);
}

static void
done(struct hosts *hosts, struct told *told)
{
	hosts_free(hosts);
	event_base_free(told->base);
}

Test(postgres_hosts, stay_as_they_are_where_there_is_no_name)
{
	static const char *const lists[][4] = {
	    {NULL, NULL, NULL, "- - -"},
	    {"/a,/b", NULL, "1,2", "/a,/b - 1,2"},
	    {"/a,/b", NULL, "1,2,3", "/a,/b - 1,2,3"},
	    {"h1,h2", "::1,::2", "5", "h1,h2 ::1,::2 5"},
	    {",@x", NULL, NULL, ",@x - -"},
	};

	for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
		struct hosts *hosts =
		    make(lists[i][0], lists[i][1], lists[i][2]);
		struct told told;

		cr_expect_eq(resolve(hosts, &told), HOSTS_KNOWN);
		expect_lists(hosts, lists[i][3]);
		done(hosts, &told);
	}
}

Test(postgres_hosts, get_their_addresses_and_take_turns)
{
	struct hosts *hosts = make("127.0.0.1,/tmp,127.0.0.2", NULL, "1,2,3");
	struct told told;

	cr_expect_eq(resolve(hosts, &told), HOSTS_WAIT);
	cr_expect(!told.failed);
	expect_lists(
	    hosts, "127.0.0.1,/tmp,127.0.0.2 127.0.0.1,,127.0.0.2 1,2,3");
	hosts_rotate(hosts);
	expect_lists(
	    hosts, "/tmp,127.0.0.2,127.0.0.1 ,127.0.0.2,127.0.0.1 2,3,1");
	done(hosts, &told);
}

Test(postgres_hosts, are_left_out_if_nobody_knows_them)
{
	struct hosts *hosts = make("no host has a space,127.0.0.1", NULL, "7");
	struct told told;

	cr_expect_eq(resolve(hosts, &told), HOSTS_WAIT);
	cr_expect(!told.failed);
	expect_lists(hosts, "127.0.0.1 127.0.0.1 7");
	done(hosts, &told);
}

Test(postgres_hosts, are_named_if_nobody_knows_any)
{
	struct hosts *hosts = make("no host has a space", NULL, NULL);
	struct told told;

	cr_expect_eq(resolve(hosts, &told), HOSTS_WAIT);
	cr_expect(told.failed);
	cr_expect_not_null(strstr(told.err.text, "\"no host has a space\""));
	done(hosts, &told);
}

Test(postgres_hosts, may_be_cancelled_and_looked_up_again)
{
	struct hosts *hosts = make("localhost", NULL, NULL);
	struct event_base *base = event_base_new();
	struct told told;
	struct pgripple_error err;

	told.n = 0;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(
		    hosts_resolve(hosts, base, 1, on_hosts, &told, &err),
		    HOSTS_WAIT);
	hosts_cancel(hosts);
	event_base_dispatch(base);
	cr_expect_eq(told.n, 0);
	/* A base of its own: what waits has been made with the first. */
	hosts_free(hosts);
	event_base_free(base);
}
