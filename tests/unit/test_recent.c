/*
 * The last lines of the log.
 */
#include "observe/recent.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "observe/log.h"

static void
keep(enum recent_kind kind, const char *json)
{
	recent_keep(kind, json, strlen(json));
}

static void
expect(uint64_t above, const char *text)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT;

	recent_print(above, &buf);
	cr_expect_str_eq(buf_string(&buf), text);
}

static void
turn_off(void)
{
	recent_done();
}

TestSuite(recent, .fini = turn_off);

Test(recent, keeps_nothing_until_it_is_on)
{
	keep(RECENT_NOTE, "{}");
	cr_expect_eq(recent_number(), 0);
	expect(0, "");
}

Test(recent, tells_lines_in_their_order)
{
	recent_turn_on();
	keep(RECENT_CHANGE, "{\"a\":1}");
	keep(RECENT_NOTE, "{\"b\":2}");
	keep(RECENT_CHANGE, "{\"c\":3}");
	expect(0, "event: change\nid: 1\ndata: {\"a\":1}\n\n"
		  "event: note\nid: 2\ndata: {\"b\":2}\n\n"
		  "event: change\nid: 3\ndata: {\"c\":3}\n\n");
	expect(2, "event: change\nid: 3\ndata: {\"c\":3}\n\n");
	expect(3, "");
}

/* A flood of changes must not wash away what else happened. */
Test(recent, keeps_so_many_of_each_kind)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT;
	char line[40];
	size_t n = 0;

	recent_turn_on();
	keep(RECENT_NOTE, "{\"kept\":1}");
	for (int i = 0; i < 3 * RECENT_LINES + 7; i++) {
		(void)snprintf(line, sizeof(line), "{\"n\":%d}", i);
		keep(RECENT_CHANGE, line);
	}
	recent_print(0, &buf);
	for (const char *at = buf_string(&buf);
	     (at = strstr(at, "event: change")) != NULL; at++)
		n++;
	cr_expect_eq(n, RECENT_LINES);
	cr_expect_not_null(strstr(buf_string(&buf), "{\"kept\":1}"));
	cr_expect_not_null(strstr(buf_string(&buf), "{\"n\":156}"));
	cr_expect_null(strstr(buf_string(&buf), "{\"n\":106}"));
}

Test(recent, leaves_out_what_is_too_long)
{
	static char line[RECENT_MAX_LINE + 2];

	recent_turn_on();
	memset(line, 'x', sizeof(line) - 1);
	keep(RECENT_NOTE, line);
	cr_expect_eq(recent_number(), 0);
}

/* JSON, whatever the log's own format is; and no line for debugging. */
Test(recent, are_lines_of_the_log)
{
	const struct log_options options = {
	    .level = LOG_LEVEL_DEBUG,
	    .format = LOG_FORMAT_TEXT,
	    .values = true,
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT;

	recent_turn_on();
	log_configure(&options);
	log_event(LOG_LEVEL_INFO, "change.applied", log_string("t", "a\nb"));
	log_event(LOG_LEVEL_DEBUG, "batch.state", log_string("t", "x"));
	log_event(LOG_LEVEL_ERROR, "change.rejected", log_int("id", 7));
	recent_print(0, &buf);
	cr_expect_not_null(strstr(buf_string(&buf), "event: change\nid: 1\n"));
	cr_expect_not_null(strstr(buf_string(&buf), "\"t\":\"a\\nb\"}\n\n"));
	cr_expect_not_null(
	    strstr(buf_string(&buf), "event: note\nid: 2\ndata: {\"ts\""));
	cr_expect_null(strstr(buf_string(&buf), "batch.state"));
}
