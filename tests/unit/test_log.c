/*
 * The log, through real pipes, sockets, files and terminals.
 */
#include "observe/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "observe/log_journal.h"

static int reader; /* the other end of standard error */
static int true_stderr;
static char text[256 * 1024]; /* what was read from it */
/* Of a journal. */
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void
become_stderr(int fd)
{
	cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	(void)close(fd);
}

static void
configure(enum log_level level, enum log_format format)
{
	log_configure(&(struct log_options){level, format, true});
}

static void
use_pipe(enum log_format format)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	reader = ends[0];
	become_stderr(ends[1]);
	configure(LOG_LEVEL_INFO, format);
}

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setenv("TZ", "UTC", 1);
	(void)unsetenv("NO_COLOR");
	true_stderr = dup(STDERR_FILENO);
	use_pipe(LOG_FORMAT_JSON);
}

/* Criterion and the sanitizers want the true one back. */
static void
teardown(void)
{
	(void)dup2(true_stderr, STDERR_FILENO);
	if (*address.sun_path != '\0')
		(void)unlink(address.sun_path);
}

TestSuite(log, .init = setup, .fini = teardown, .timeout = 20);

/* What has been written so far. */
static const char *
take(void)
{
	struct pollfd entry = {.fd = reader, .events = POLLIN};
	size_t n = 0;

	while (poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0) {
		ssize_t got = read(reader, text + n, sizeof(text) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	return text;
}

/* The line without its time. */
static void
expect(const char *rest)
{
	const char *line = take();
	const char *after = strstr(line, ",\"level\"");

	cr_assert_eq(strncmp(line, "{\"ts\":\"20", 9), 0, "%s", line);
	cr_assert_not_null(after);
	cr_assert_str_eq(after, rest);
}

static size_t
count_lines(const char *lines)
{
	size_t n = 0;

	for (; (lines = strchr(lines, '\n')) != NULL; lines++)
		n++;
	return n;
}

Test(log, writes_json_lines)
{
	log_event(LOG_LEVEL_WARNING, "postgres.lost", log_string("host", "db"),
	    log_int("retry_ms", -250), log_string("absent", NULL),
	    log_json("models", "{\"team\":[1, 2]}"));
	expect(",\"level\":\"warning\",\"event\":\"postgres.lost\","
	       "\"host\":\"db\",\"retry_ms\":-250,"
	       "\"models\":{\"team\":[1, 2]}}\n");
}

Test(log, writes_an_event_without_fields)
{
	log_plain(LOG_LEVEL_INFO, "daemon.ready");
	expect(",\"level\":\"info\",\"event\":\"daemon.ready\"}\n");
}

Test(log, writes_json_that_can_be_read)
{
	struct arena *arena = arena_new();
	struct json *json;
	char bytes[256];
	const char *line;

	for (size_t i = 0; i < 255; i++)
		bytes[i] = (char)(i + 1);
	bytes[255] = '\0';
	log_event(LOG_LEVEL_INFO, "x", log_string("bytes", bytes),
	    log_json("json", "[\"\x7f\xc2\x9b\",\n\t2]"));
	line = take();
	cr_assert_eq(count_lines(line), 1);
	for (const char *at = line; at[1] != '\0'; at++)
		cr_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
	cr_assert_null(strstr(line, "\xc2\x9b"));
	cr_assert_eq(json_read(arena, line, strlen(line), &json, NULL), 0);
	cr_assert_arr_eq(json_member(json, "bytes")->text, bytes, 127);
	cr_assert_eq(json_member(json, "json")->n_children, 2);
	arena_free(arena);
}

Test(log, writes_text_lines)
{
	const char *line;
	struct tm tm = {0};

	configure(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "change.applied", log_string("key", "team:7"),
	    log_string("two", "two words"), log_string("none", ""),
	    log_string("escape", "\033[2J"), log_string("pair", "a=b"),
	    log_int("rows", 3), log_json("models", "{\"team\":1}"));
	line = take();
	cr_assert_not_null(strptime(line, "%Y-%m-%d %H:%M:%S.", &tm));
	cr_assert_str_eq(line + strlen("2026-01-02 03:04:05.123"),
	    " INFO  change.applied key=team:7 two=\"two words\" none=\"\" "
	    "escape=\"\\u001b[2J\" pair=\"a=b\" rows=3 models={\"team\":1}\n");
	log_plain(LOG_LEVEL_WARNING, "x");
	log_plain(LOG_LEVEL_ERROR, "y");
	log_plain(LOG_LEVEL_DEBUG, "z");
	line = take();
	cr_assert_not_null(strstr(line, " WARN  x\n"));
	cr_assert_not_null(strstr(line, " ERROR y\n"));
	cr_assert_not_null(strstr(line, " DEBUG z\n"));
}

Test(log, leaves_out_what_is_below_its_level)
{
	configure(LOG_LEVEL_WARNING, LOG_FORMAT_JSON);
	cr_assert(log_is_on(LOG_LEVEL_ERROR));
	cr_assert(log_is_on(LOG_LEVEL_WARNING));
	cr_assert_not(log_is_on(LOG_LEVEL_INFO));
	log_plain(LOG_LEVEL_INFO, "x");
	log_unlimited(LOG_LEVEL_DEBUG, "x",
	    (const struct log_field[]){{LOG_FIELD_END, 0, 0, 0}});
	cr_assert_str_eq(take(), "");
}

Test(log, says_whether_values_are_shown)
{
	cr_assert(log_shows_values());
	log_configure(
	    &(struct log_options){LOG_LEVEL_INFO, LOG_FORMAT_JSON, false});
	cr_assert_not(log_shows_values());
}

Test(log, cuts_long_strings_between_characters)
{
	char value[1003];
	const char *line, *start, *end;

	memset(value, 'a', sizeof(value));
	memcpy(value + 996, "\xc3\xa9\xc3\xa9\xc3\xa9", 7);
	log_event(LOG_LEVEL_INFO, "x", log_string("value", value));
	line = take();
	start = strstr(line, "\"value\":\"") + 9;
	end = strstr(line, "...\"}\n");
	cr_assert_not_null(end);
	cr_assert_eq(end - start, 996);
}

Test(log, keeps_strings_of_a_thousand_bytes)
{
	char value[1001];

	memset(value, 'a', 1000);
	value[1000] = '\0';
	log_event(LOG_LEVEL_INFO, "x", log_string("value", value));
	cr_assert_not_null(strstr(take(), value));
}

Test(log, leaves_out_endless_json)
{
	static char value[16 * 1024 + 4];

	memset(value, ' ', sizeof(value) - 1);
	value[0] = '1';
	log_event(LOG_LEVEL_INFO, "x", log_json("value", value));
	expect(",\"level\":\"info\",\"event\":\"x\","
	       "\"value\":\"16387 bytes left out\"}\n");
}

Test(log, writes_errors_with_hint_and_place)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER, "it is gone");
	log_error(LOG_LEVEL_ERROR, "x", &err);
	expect(",\"level\":\"error\",\"event\":\"x\","
	       "\"error\":\"it is gone\"}\n");
	err.at = (struct pgripple_position){"graph.yaml", 14, 9};
	pgripple_error_hint(&err, "Bring it back.");
	log_error_of(LOG_LEVEL_ERROR, "x", "table", "app_team", &err);
	expect(",\"level\":\"error\",\"event\":\"x\",\"table\":\"app_team\","
	       "\"error\":\"it is gone\",\"hint\":\"Bring it back.\","
	       "\"at\":\"graph.yaml:14:9\"}\n");
}

Test(log, holds_back_repeats_and_counts_them)
{
	int64_t start_us = clock_monotonic_us();

	for (int i = 0; i < 25; i++)
		log_plain(LOG_LEVEL_INFO, "often");
	log_plain(LOG_LEVEL_INFO, "other");
	cr_assert_eq(count_lines(take()), 11);
	while (clock_monotonic_us() - start_us < 1100000)
		(void)poll(NULL, 0, 10);
	log_plain(LOG_LEVEL_INFO, "often");
	expect(",\"level\":\"info\",\"event\":\"often\","
	       "\"suppressed\":15}\n");
	log_plain(LOG_LEVEL_INFO, "often");
	expect(",\"level\":\"info\",\"event\":\"often\"}\n");
}

Test(log, holds_nothing_back_where_asked)
{
	for (int i = 0; i < 100; i++)
		log_unlimited(LOG_LEVEL_INFO, "change.applied",
		    (const struct log_field[]){{LOG_FIELD_END, 0, 0, 0}});
	cr_assert_eq(count_lines(take()), 100);
}

/* More than any pipe or socket here takes. */
static void
flood(const char *json)
{
	for (int i = 0; i < 5000; i++)
		log_unlimited(LOG_LEVEL_INFO, "flood",
		    (const struct log_field[]){log_int("i", i),
			log_json("json", json), {LOG_FIELD_END, 0, 0, 0}});
}

/* Every line is whole, but for one broken one where that is allowed, and the
 * counts add up: no line is lost without being told. */
static void
expect_all_accounted(size_t n_broken_allowed)
{
	struct arena *arena = arena_new();
	size_t n_lines = 0, n_broken = 0, n_dropped = 0;
	const char *at = take();

	while (*at != '\0') {
		const char *end = strchr(at, '\n');
		struct json *json;

		if (end == NULL)
			end = at + strlen(at);
		if (json_read(arena, at, (size_t)(end - at), &json, NULL) != 0)
			n_broken++;
		else
			n_lines++;
		at = *end == '\0' ? end : end + 1;
	}
	cr_assert_gt(n_lines, 0);
	cr_assert_leq(n_broken, n_broken_allowed);
	log_plain(LOG_LEVEL_INFO, "after");
	at = strstr(take(), "\"dropped\":");
	cr_assert_not_null(at);
	n_dropped = strtoul(at + strlen("\"dropped\":"), NULL, 10);
	cr_assert_eq(n_lines + n_dropped, 5000);
	log_plain(LOG_LEVEL_INFO, "after");
	cr_assert_null(strstr(take(), "dropped"));
	arena_free(arena);
}

Test(log, drops_lines_when_a_pipe_is_full)
{
	flood("1");
	expect_all_accounted(0);
}

Test(log, breaks_at_most_one_line_longer_than_a_pipe_takes_at_once)
{
	static char json[12000];

	memset(json, ' ', sizeof(json) - 1);
	json[0] = '1';
	flood(json);
	expect_all_accounted(1);
}

Test(log, drops_lines_when_a_socket_is_full)
{
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	reader = ends[0];
	become_stderr(ends[1]);
	configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	flood("1");
	expect_all_accounted(0);
}

Test(log, leaves_the_flags_of_standard_error_alone)
{
	log_plain(LOG_LEVEL_INFO, "x");
	cr_assert_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

Test(log, survives_a_reader_that_is_gone)
{
	(void)close(reader);
	log_plain(LOG_LEVEL_INFO, "lost");
	use_pipe(LOG_FORMAT_JSON);
	log_plain(LOG_LEVEL_INFO, "x");
	expect(",\"level\":\"info\",\"event\":\"x\",\"dropped\":1}\n");
}

Test(log, writes_to_a_file)
{
	char path[] = "/tmp/pgripple-log-XXXXXX";

	reader = mkstemp(path);
	become_stderr(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
	(void)unlink(path);
	configure(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	log_plain(LOG_LEVEL_INFO, "x");
	expect(",\"level\":\"info\",\"event\":\"x\"}\n");
}

static void
use_terminal(void)
{
	int slave;

	reader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert_geq(reader, 0);
	cr_assert_eq(grantpt(reader), 0);
	cr_assert_eq(unlockpt(reader), 0);
	slave = open(ptsname(reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert_geq(slave, 0);
	become_stderr(slave);
	configure(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
}

Test(log, is_coloured_text_on_a_terminal)
{
	use_terminal();
	log_plain(LOG_LEVEL_WARNING, "x");
	cr_assert_not_null(strstr(take(), " \033[33mWARN\033[0m  x\r\n"));
}

Test(log, has_no_colour_where_nobody_wants_it)
{
	(void)setenv("NO_COLOR", "1", 1);
	use_terminal();
	log_plain(LOG_LEVEL_WARNING, "x");
	cr_assert_not_null(strstr(take(), " WARN  x\r\n"));
}

Test(log, does_not_wait_for_a_terminal_that_nobody_reads)
{
	use_terminal();
	flood("1");
	(void)take();
	log_plain(LOG_LEVEL_INFO, "after");
	cr_assert_not_null(strstr(take(), "dropped="));
}

/* The journal: standard error is said to be one, and the socket is the test's
 * own. */

static int
be_journal(void)
{
	struct stat status;
	char stream[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
	    "/tmp/pgripple-journal-%d", getpid());
	(void)unlink(address.sun_path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)status.st_dev,
	    (unsigned long long)status.st_ino);
	(void)setenv("JOURNAL_STREAM", stream, 1);
	log_journal_open(address.sun_path);
	cr_assert(log_journal_is_open());
	return fd;
}

static size_t
take_entry(int fd)
{
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	cr_assert_gt(n, 0);
	text[n] = '\0';
	return (size_t)n;
}

Test(log, gives_the_journal_an_entry_with_fields)
{
	static const char fields[] = "PGRIPPLE_EVENT=redis.down\n"
				     "PGRIPPLE_ERROR\n\3\0\0\0\0\0\0\0a\nb\n"
				     "PGRIPPLE_RETRY_MS=250\n"
				     "PGRIPPLE_TARGETS=[\"x\"]\n";
	static const char message[] =
	    "PRIORITY=4\nSYSLOG_IDENTIFIER=pgripple\nMESSAGE={\"ts\":";
	int fd = be_journal();
	size_t n;

	log_event(LOG_LEVEL_WARNING, "redis.down", log_string("error", "a\nb"),
	    log_int("retry_ms", 250), log_string("absent", NULL),
	    log_json("targets", "[\"x\"]"));
	n = take_entry(fd);
	cr_assert_eq(
	    strncmp(text, message, sizeof(message) - 1), 0, "%s", text);
	cr_assert_arr_eq(
	    text + n - (sizeof(fields) - 1), fields, sizeof(fields) - 1);
	cr_assert_str_eq(take(), "");
}

/* Eight fields are 128 kB in the text and as much again beside it, more than a
 * datagram may have. */
Test(log, leaves_the_fields_out_of_an_entry_that_is_too_large)
{
	static char json[16 * 1024];
	int fd = be_journal();
	size_t n;

	memset(json, '1', sizeof(json) - 1);
	log_event(LOG_LEVEL_INFO, "a", log_json("b", json), log_json("c", json),
	    log_json("d", json), log_json("e", json), log_json("f", json),
	    log_json("g", json), log_json("h", json), log_json("i", json));
	n = take_entry(fd);
	cr_assert_gt(n, 8 * (sizeof(json) - 1));
	cr_assert_str_eq(strrchr(text, '}'), "}\nPGRIPPLE_EVENT=a\n");
}

Test(log, is_not_the_journals_when_standard_error_is_another)
{
	int fd = be_journal();

	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	log_journal_open("/run/no-such-socket");
	cr_assert_not(log_journal_is_open());
	log_plain(LOG_LEVEL_INFO, "a");
	expect(",\"level\":\"info\",\"event\":\"a\"}\n");
	(void)close(fd);
}
