/*
 * Replies of Redis: what errors mean, and what verification makes of them.
 * The replies are parsed by hiredis from what servers really sent.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>

#include "redis/reply.h"
#include "redis/verify.h"

/* A wire that begins with '#' is what INFO answers: a text of many lines, which
 * hiredis 1.x takes for no simple string. */
static redisReply *
parse(const char *wire)
{
	redisReader *reader = redisReaderCreate();
	char text[256];
	void *raw = NULL;

	if (*wire == '#') {
		(void)snprintf(
		    text, sizeof(text), "$%zu\r\n%s\r\n", strlen(wire), wire);
		wire = text;
	}
	cr_assert_eq(redisReaderFeed(reader, wire, strlen(wire)), REDIS_OK);
	cr_assert_eq(redisReaderGetReply(reader, &raw), REDIS_OK);
	cr_assert_not_null(raw);
	redisReaderFree(reader);
	return raw;
}

Test(redis_reply, errors_have_a_meaning)
{
	static const struct {
		const char *text;
		enum redis_refusal refusal;
	} cases[] = {
	    {"READONLY You can't write against a read only replica.",
		REDIS_REFUSAL_ROLE},
	    {"MASTERDOWN Link with MASTER is down", REDIS_REFUSAL_ROLE},
	    {"LOADING Redis is loading the dataset in memory",
		REDIS_REFUSAL_PASSING},
	    {"BUSY Redis is busy running a script.", REDIS_REFUSAL_PASSING},
	    {"TRYAGAIN Multiple keys request", REDIS_REFUSAL_PASSING},
	    {"CLUSTERDOWN The cluster is down", REDIS_REFUSAL_PASSING},
	    {"ERR max number of clients reached", REDIS_REFUSAL_PASSING},
	    {"MISCONF Redis is configured to save RDB", REDIS_REFUSAL_SICK},
	    {"NOREPLICAS Not enough good replicas to write.",
		REDIS_REFUSAL_SICK},
	    {"OOM command not allowed", REDIS_REFUSAL_SICK},
	    {"NOAUTH Authentication required.", REDIS_REFUSAL_DENIED},
	    {"WRONGPASS invalid username-password pair", REDIS_REFUSAL_DENIED},
	    {"NOPERM this user has no permissions", REDIS_REFUSAL_DENIED},
	    {"DENIED Redis is running in protected mode", REDIS_REFUSAL_DENIED},
	    {"MOVED 3999 127.0.0.1:6381", REDIS_REFUSAL_CLUSTER},
	    {"ASK 3999 127.0.0.1:6381", REDIS_REFUSAL_CLUSTER},
	    {"CROSSSLOT Keys in request don't hash", REDIS_REFUSAL_CLUSTER},
	    {"WRONGTYPE Operation against a key holding the wrong kind of "
	     "value",
		REDIS_REFUSAL_KEY},
	    {"NOPERM this user has no permissions to access one of the keys "
	     "used as arguments",
		REDIS_REFUSAL_KEY},
	    {"NOPERM this user has no permissions to access one of the "
	     "channels used as arguments",
		REDIS_REFUSAL_KEY},
	    {"NOPERM No permissions to access a key", REDIS_REFUSAL_KEY},
	    {"NOPERM this user has no permissions to run the 'unlink' command",
		REDIS_REFUSAL_DENIED},
	    {"ERR The user executing the script can't access at least one of "
	     "the keys mentioned in the command arguments",
		REDIS_REFUSAL_KEY},
	    {"ERR The user executing the script can't run this command or "
	     "subcommand",
		REDIS_REFUSAL_DENIED},
	    {"ERR value is not an integer or out of range", REDIS_REFUSAL_KEY},
	    {"NOSCRIPT No matching script.", REDIS_REFUSAL_SCRIPT},
	    {"ERR unknown command", REDIS_REFUSAL_OTHER},
	    {"READONLYX", REDIS_REFUSAL_OTHER},
	    {"READ", REDIS_REFUSAL_OTHER},
	    {"", REDIS_REFUSAL_OTHER},
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		cr_expect_eq(redis_refusal_of(cases[i].text), cases[i].refusal,
		    "%s", cases[i].text);
}

Test(redis_reply, views_what_hiredis_parsed)
{
	redisReply *raw =
	    parse("*5\r\n:7\r\n$3\r\na\tb\r\n$-1\r\n+OK\r\n*0\r\n");
	struct redis_reply all = redis_reply_from(raw);
	struct redis_reply item;

	cr_assert_eq(all.kind, REDIS_REPLY_KIND_ARRAY);
	cr_assert_eq(all.n_items, 5);
	item = redis_reply_item(&all, 0);
	cr_expect_eq(item.kind, REDIS_REPLY_KIND_INTEGER);
	cr_expect_eq(item.integer, 7);
	item = redis_reply_item(&all, 1);
	cr_expect(redis_reply_equals(&item, "a\tb"));
	cr_expect_not(redis_reply_equals(&item, "a\tbc"));
	item = redis_reply_item(&all, 2);
	cr_expect_eq(item.kind, REDIS_REPLY_KIND_NIL);
	item = redis_reply_item(&all, 3);
	cr_expect(redis_reply_equals(&item, "OK"));
	item = redis_reply_item(&all, 4);
	cr_expect_eq(item.n_items, 0);
	freeReplyObject(raw);
}

/* Feeds replies to a verification; the last one's outcome. */
static int
verify(const char *url_text, const char *const *wires, size_t n_wires,
    struct redis_server *ret_server, struct pgripple_error *err)
{
	struct redis_url url;
	struct redis_verify state;
	int outcome = REDIS_VERIFY_MORE;

	cr_assert_eq(redis_url_parse(url_text, &url, err), 0);
	redis_verify_init(&state, &url);
	for (size_t i = 0; i < n_wires && outcome == REDIS_VERIFY_MORE; i++) {
		redisReply *raw = parse(wires[i]);
		struct redis_reply reply = redis_reply_from(raw);

		outcome = redis_verify_reply(&state, &reply, err);
		freeReplyObject(raw);
	}
	*ret_server = state.server;
	redis_url_done(&url);
	return outcome;
}

#define OK "+OK\r\n"
#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define REPLICA \
	"*5\r\n$5\r\nslave\r\n$4\r\nhost\r\n:1\r\n$7\r\nconnect\r\n:-1\r\n"
#define SENTINEL "*2\r\n$8\r\nsentinel\r\n*0\r\n"
#define SERVER(v) "# Server\nredis_version:" v "\nrun_id:abc\n"
#define ALONE "# Cluster\ncluster_enabled:0\n"
#define CLUSTER "# Cluster\ncluster_enabled:1\n"

static void
check_refused(const char *const *wires, size_t n_wires,
    enum pgripple_error_kind kind, const char *expected)
{
	struct pgripple_error err = {0};
	struct redis_server server;

	cr_assert_eq(verify("redis://h", wires, n_wires, &server, &err), -1,
	    "%s", expected);
	cr_expect_eq(err.kind, kind, "%s: %s", expected, err.text);
	cr_expect(strstr(err.text, expected) != NULL, "%s", err.text);
}

#define CHECK_REFUSED(kind, text, ...)                    \
	check_refused((const char *const[]){__VA_ARGS__}, \
	    N_ELEMENTS(((const char *const[]){__VA_ARGS__})), kind, text)

Test(redis_reply, verification_accepts_a_master)
{
	const char *wires[] = {OK, OK, MASTER, SERVER("6.2.0"), ALONE};
	const char *nameless[] = {
	    OK, "-NOPERM client\r\n", MASTER, SERVER("7.0.15"), ALONE};
	struct pgripple_error err;
	struct redis_server server;

	cr_expect_eq(
	    verify("redis://h", wires, 5, &server, &err), REDIS_VERIFY_DONE);
	cr_expect_str_eq(server.version, "6.2.0");
	cr_expect_str_eq(server.run_id, "abc");
	cr_expect_eq(
	    verify("redis://h", nameless, 5, &server, &err), REDIS_VERIFY_DONE);
	cr_expect_eq(
	    verify("redis://h", wires, 4, &server, &err), REDIS_VERIFY_MORE);
}

Test(redis_reply, verification_refuses_the_rest)
{
	CHECK_REFUSED(
	    PGRIPPLE_ERROR_CONFIG, "is a replica of \"host\"", OK, OK, REPLICA);
	CHECK_REFUSED(
	    PGRIPPLE_ERROR_CONFIG, "role \"sentinel\"", OK, OK, SENTINEL);
	CHECK_REFUSED(PGRIPPLE_ERROR_CONFIG, "\"6.0.16\", older than 6.2", OK,
	    OK, MASTER, SERVER("6.0.16"));
	CHECK_REFUSED(PGRIPPLE_ERROR_CONFIG, "older than", OK, OK, MASTER,
	    SERVER("junk"));
	CHECK_REFUSED(PGRIPPLE_ERROR_CONFIG, "part of a cluster", OK, OK,
	    MASTER, SERVER("10.1.2"), CLUSTER);
	CHECK_REFUSED(PGRIPPLE_ERROR_CONFIG, "NOAUTH",
	    "-NOAUTH Authentication required.\r\n");
	CHECK_REFUSED(PGRIPPLE_ERROR_PEER, "max number",
	    "-ERR max number of clients reached\r\n");
	CHECK_REFUSED(PGRIPPLE_ERROR_CONFIG, "out of range",
	    "-ERR DB index is out of range\r\n");
	CHECK_REFUSED(
	    PGRIPPLE_ERROR_CONFIG, "NOPERM", OK, OK, "-NOPERM role\r\n");
	CHECK_REFUSED(PGRIPPLE_ERROR_PEER, "unexpected reply", ":1\r\n");
	CHECK_REFUSED(
	    PGRIPPLE_ERROR_PEER, "unexpected reply", OK, OK, "*0\r\n");
}

Test(redis_reply, verification_begins_with_the_password)
{
	struct redis_verify_command command;
	struct redis_verify state;
	struct redis_url url;
	struct pgripple_error err;

	cr_assert_eq(redis_url_parse("redis://u:p@h/4", &url, &err), 0);
	redis_verify_init(&state, &url);
	cr_assert(redis_verify_next(&state, &command));
	cr_expect_eq(command.argc, 3);
	cr_expect_str_eq(command.argv[0], "AUTH");
	cr_expect_str_eq(command.argv[1], "u");
	cr_expect_str_eq(command.argv[2], "p");
	cr_assert(redis_verify_next(&state, &command));
	cr_expect_str_eq(command.argv[0], "SELECT");
	cr_expect_str_eq(command.argv[1], "4");
	redis_url_done(&url);
}
