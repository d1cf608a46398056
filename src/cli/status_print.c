/*
 * "status": what is wrong, and how it is printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_write.h"
#include "cli/output.h"
#include "cli/status.h"

/* As check: more or older than this waits only when something is wrong. */
#define MANY 100000
#define OLD_SECONDS 300

static size_t
count_daemons(const struct json *database, bool active)
{
	const struct json *daemons = json_member(database, "daemons");
	size_t n = 0;

	if (daemons == NULL)
		return 0;
	for (const struct json *at = daemons->first; at != NULL; at = at->next)
		if (json_is_true(at, "active") == active)
			n++;
	return n;
}

/* ---- problems ---- */

static void
add_problem(struct status_problems *problems, const char *text)
{
	if (text != NULL && problems->n < STATUS_MAX_PROBLEMS)
		problems->items[problems->n++] = text;
}

static void
add_drift(struct arena *arena, const struct json *drift,
    struct status_problems *problems)
{
	if (drift == NULL || drift->kind != JSON_ARRAY)
		return;
	for (const struct json *at = drift->first; at != NULL; at = at->next)
		if (at->kind == JSON_STRING)
			add_problem(problems,
			    arena_printf(arena, "drifted: %s", at->text));
}

static void
find_in_daemon(struct arena *arena, const struct json *daemon,
    struct status_problems *problems)
{
	const struct json *reasons = json_member(daemon, "reasons");

	if (reasons == NULL || reasons->kind != JSON_ARRAY)
		return;
	for (const struct json *at = reasons->first; at != NULL; at = at->next)
		if (at->kind == JSON_STRING && !json_is(at, "standby"))
			add_problem(
			    problems, arena_printf(arena, "the daemon says: %s",
					  at->text));
	if (json_is_true(daemon, "drifted"))
		add_problem(problems,
		    "the daemon says: drifted; run \"pgripple check\"");
	add_drift(arena, json_member(daemon, "drift"), problems);
}

static void
find_gaps(struct arena *arena, const struct json *database,
    struct status_problems *problems)
{
	const struct json *gaps = json_member(database, "gaps");

	if (gaps == NULL)
		return;
	for (const struct json *at = gaps->first; at != NULL; at = at->next)
		add_problem(problems,
		    arena_printf(arena, "table %s: %s", json_text(at, "table"),
			json_text(at, "problem")));
}

void
status_find_problems(struct arena *arena, const struct status_look *look,
    struct status_problems *ret_problems)
{
	const struct json *database = look->database;
	struct status_problems problems = {.n = 0};

	if (count_daemons(database, true) == 0)
		add_problem(&problems, "no daemon works on this database");
	if (!json_is_true(database, "enabled"))
		add_problem(&problems, "capture is disabled");
	if (json_int(database, "changes") > MANY)
		add_problem(&problems, "many changes wait");
	if (json_int(database, "oldest_seconds") > OLD_SECONDS)
		add_problem(&problems, "the oldest change waits for long");
	if (json_int(database, "rejected") > 0)
		add_problem(&problems,
		    "changes were rejected; see \"pgripple rejected list\"");
	find_gaps(arena, database, &problems);
	find_in_daemon(arena, look->daemon, &problems);
	*ret_problems = problems;
}

/* ---- text ---- */

static void
print_count(const char *name, const struct json *database, const char *member,
    const char *after)
{
	int64_t n = json_int(database, member);

	(void)printf("%-10s %s%" PRId64 "%s\n", name, n > MANY ? "over " : "",
	    n > MANY ? (int64_t)MANY : n, after);
}

static void
print_daemon(const struct status_look *look)
{
	size_t standby = count_daemons(look->database, false);

	(void)printf("%-10s %s", "daemon",
	    count_daemons(look->database, true) > 0 ? "working" : "none");
	if (standby > 0)
		(void)printf(", %zu standing by", standby);
	if (look->daemon != NULL)
		(void)printf(", state %s, mode %s",
		    json_text(look->daemon, "state"),
		    json_text(look->daemon, "mode"));
	else if (look->daemon_error[0] != '\0')
		(void)printf(" (%s)", look->daemon_error);
	(void)putchar('\n');
}

static void
print_peers(const struct json *daemon)
{
	const struct json *peers = json_member(daemon, "peers");
	const struct json *redis = json_member(peers, "redis");

	if (redis == NULL)
		return;
	(void)printf("%-10s %s\n", "postgres",
	    json_is_true(peers, "postgres") ? "up" : "down");
	(void)printf("%-10s", "redis");
	for (const struct json *at = redis->first; at != NULL; at = at->next)
		(void)printf("%s %.*s %s", at == redis->first ? "" : ",",
		    (int)at->key_length, at->key, at->text);
	(void)putchar('\n');
}

void
status_print_text(const struct status_look *look,
    const struct status_rates *rates, const struct status_problems *problems)
{
	const struct json *database = look->database;
	char after[64] = " changes";

	print_daemon(look);
	if (look->daemon != NULL)
		print_peers(look->daemon);
	if (json_text(database, "oldest_seconds")[0] != '\0')
		(void)snprintf(after, sizeof(after),
		    " changes, the oldest for %s s",
		    json_text(database, "oldest_seconds"));
	print_count("backlog", database, "changes", after);
	if (rates->known)
		(void)printf("%-10s %.0f/s written, %.0f/s applied\n", "rate",
		    rates->written, rates->applied);
	(void)snprintf(
	    after, sizeof(after), ", due %s", json_text(database, "tasks_due"));
	print_count("tasks", database, "tasks", after);
	print_count("rejected", database, "rejected", "");
	print_count("watched", database, "watched", " tables");
	(void)snprintf(after, sizeof(after), " dead rows, limit %s rows",
	    json_text(database, "outbox_limit"));
	print_count("outbox", database, "dead_rows", after);
	for (size_t i = 0; i < problems->n; i++)
		(void)printf("%s%-10s %s%s\n", output_begin(stdout, OUTPUT_BAD),
		    "problem", problems->items[i],
		    output_end(stdout, OUTPUT_BAD));
	if (problems->n == 0)
		(void)printf("%sall is well%s\n",
		    output_begin(stdout, OUTPUT_GOOD),
		    output_end(stdout, OUTPUT_GOOD));
}

/* ---- JSON ---- */

static void
add_daemon(struct buf *buf, const struct status_look *look)
{
	json_write_key(buf, "daemon");
	if (look->daemon != NULL)
		json_write_tree(buf, look->daemon);
	else
		buf_add_string(buf, "null");
	if (look->daemon_error[0] != '\0')
		json_write_member(buf, "daemon_error", look->daemon_error);
}

void
status_print_json(const struct status_look *look,
    const struct status_rates *rates, const struct status_problems *problems)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT;

	json_write_open(&buf, '{');
	json_write_key(&buf, "ok");
	json_write_bool(&buf, problems->n == 0);
	json_write_key(&buf, "problems");
	json_write_open(&buf, '[');
	for (size_t i = 0; i < problems->n; i++)
		json_write_string(
		    &buf, problems->items[i], strlen(problems->items[i]));
	json_write_close(&buf, ']');
	json_write_key(&buf, "database");
	json_write_tree(&buf, look->database);
	if (rates->known) {
		json_write_key(&buf, "rates");
		buf_printf(&buf, "{\"written\":%.1f,\"applied\":%.1f}",
		    rates->written, rates->applied);
	}
	add_daemon(&buf, look);
	json_write_close(&buf, '}');
	(void)printf("%s\n", buf_string(&buf));
}
