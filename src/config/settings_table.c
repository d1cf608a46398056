/*
 * Every setting, once: what the file may say, what holds where it says
 * nothing, and the reference that docs/settings.md prints.
 */
#include "config/settings_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/unit.h"

#define AT(member) offsetof(struct settings, member)
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define MEBI (INT64_C(1) << 20)
#define MILLION INT64_C(1000000)

const struct setting settings_table[] = {
    {"graph", SETTING_TEXT, AT(graph), "graph.yaml", 0, 0, NULL, true,
	"The file with models and relations; a relative path starts at the "
	"folder of this file."},
    {"mode", SETTING_CHOICE, AT(mode), "apply", 0, 0, "apply, observe", true,
	"`observe` does everything but send to Redis: it logs what would be "
	"invalidated, and acknowledges it."},
    {"postgres.conninfo", SETTING_TEXT, AT(postgres.conninfo), "", 0, 0, NULL,
	false,
	"How libpq connects: `dbname=app host=...` or a URI; several hosts "
	"are allowed. A direct connection, not a pooler."},
    {"postgres.password_file", SETTING_TEXT, AT(postgres.password_file), "", 0,
	0, NULL, false,
	"A file whose one line is the password for `postgres.conninfo`, read "
	"when the daemon starts; a relative path starts at "
	"`$CREDENTIALS_DIRECTORY`, or else at the folder of this file."},
    {"postgres.schema", SETTING_SCHEMA, AT(postgres.schema), "pgripple", 0, 0,
	NULL, false, "The schema of the outbox and its functions."},
    {"postgres.notify", SETTING_NOTIFY, AT(postgres.notify), "adaptive", 0, 0,
	"adaptive, always, never", false,
	"When a writer rings the doorbell: `adaptive` only while the daemon "
	"sleeps; `never` leaves it to polling, for two-phase commit."},
    {"postgres.poll_interval", SETTING_DURATION, AT(postgres.poll_interval_ms),
	"5s", 10, HOUR, NULL, true,
	"How often the outbox is looked at when nothing rang."},
    {"postgres.connect_timeout", SETTING_DURATION,
	AT(postgres.connect_timeout_ms), "10s", 100, HOUR, NULL, false,
	"How long connecting may take."},
    {"postgres.statement_timeout", SETTING_DURATION,
	AT(postgres.statement_timeout_ms), "30s", 100, HOUR, NULL, false,
	"How long one statement of the daemon may take; one of the `listen` "
	"session at most 5s."},
    {"postgres.heartbeat", SETTING_DURATION, AT(postgres.heartbeat_ms), "4s",
	100, HOUR, NULL, false,
	"How often the listening session is seen to be alive."},
    {"postgres.coverage_interval", SETTING_DURATION,
	AT(postgres.coverage_interval_ms), "30s", 100, HOUR, NULL, false,
	"How often the triggers of all watched tables are looked at."},
    {"postgres.replica_timeout", SETTING_DURATION,
	AT(postgres.replica_timeout_ms), "10s", 100, HOUR, NULL, true,
	"How long `repeat_after: replicas` waits for them."},
    {"postgres.on_crash", SETTING_CHOICE, AT(postgres.on_crash), "spread", 0, 0,
	"spread, ignore", true,
	"What a crash of Postgres leads to: `spread` touches all models as a "
	"whole, at the pace of `tasks.spread`; `ignore` is right only where "
	"nobody writes with synchronous_commit = off."},
    {"postgres.on_new_timeline", SETTING_CHOICE, AT(postgres.on_new_timeline),
	"spread", 0, 0, "spread, ignore", true,
	"The same of a failover and of a restored backup; `ignore` is right "
	"only where a failover loses nothing (synchronous_standby_names) and "
	"nobody restores."},
    {"redis.url", SETTING_URL, AT(redis.url), "redis://127.0.0.1:6379/0", 0, 0,
	NULL, false,
	"`redis://[user[:password]@]host[:port][/db]`, `rediss://` with TLS, "
	"`unix:///path/to/socket[?db=N]` or "
	"`redis+sentinel://host[:port],.../master[/db]`."},
    {"redis.password_file", SETTING_TEXT, AT(redis.password_file), "", 0, 0,
	NULL, false,
	"The same for `redis.url`, which may have a user: "
	"`redis://user@host`."},
    {"redis.prefix", SETTING_TEXT, AT(redis.prefix), "", 0, 0, NULL, false,
	"What all keys, patterns, channels and streams begin with."},
    {"redis.connect_timeout", SETTING_DURATION, AT(redis.connect_timeout_ms),
	"5s", 100, HOUR, NULL, false, "How long connecting may take."},
    {"redis.command_timeout", SETTING_DURATION, AT(redis.command_timeout_ms),
	"5s", 100, HOUR, NULL, false,
	"How long the answer to a command may take."},
    {"redis.sentinel_interval", SETTING_DURATION,
	AT(redis.sentinel_interval_ms), "5s", 100, HOUR, NULL, false,
	"How often sentinels are asked whether another Redis has become the "
	"master; they are asked whenever a connection is made, too."},
    {"redis.target_patience", SETTING_DURATION, AT(redis.target_patience_ms),
	"30s", 0, HOUR, NULL, true,
	"With several targets: how long one that is down holds up the others; "
	"past it, what is for it waits as tasks."},
    {"redis.look_interval", SETTING_DURATION, AT(redis.look_interval_ms), "5s",
	100, HOUR, NULL, true,
	"How often an idle Redis is asked for its mark, to see whether it has "
	"gone back."},
    {"redis.replay_memory", SETTING_SIZE, AT(redis.replay_memory), "8MB", 0,
	1024 * MEBI, NULL, true,
	"Bytes of the latest operations that are remembered of each target, to "
	"be repeated by a Redis that went back; past it, whole models are "
	"invalidated. All targets together have a quarter of "
	"`limits.memory_limit`."},
    {"limits.memory_limit", SETTING_SIZE, AT(limits.memory_limit), "64MB",
	16 * MEBI, INT64_C(1) << 40, NULL, true,
	"Memory of the daemon; near it batches become smaller, then models are "
	"invalidated as a whole."},
    {"limits.batch_rows", SETTING_COUNT, AT(limits.batch_rows), "500", 1,
	100000, NULL, true, "Changes that are fetched together."},
    {"limits.batch_bytes", SETTING_SIZE, AT(limits.batch_bytes), "1MB", 1024,
	256 * MEBI, NULL, true, "Bytes that are fetched together."},
    {"limits.touched_rows", SETTING_COUNT, AT(limits.touched_rows), "100000", 1,
	100 * MILLION, NULL, true,
	"Touched rows of a batch; past it models are invalidated as a whole."},
    {"limits.lookup_rows", SETTING_COUNT, AT(limits.lookup_rows), "10000", 1,
	100 * MILLION, NULL, true,
	"Rows that one lookup may find, and keys that it may ask for; past it "
	"the model is invalidated as a whole."},
    {"limits.bulk_rows", SETTING_COUNT, AT(limits.bulk_rows), "100000", 1,
	1000 * MILLION, NULL, true,
	"A statement that changes more rows leaves no images: its model is "
	"invalidated as a whole."},
    {"limits.rejected_rows", SETTING_COUNT, AT(limits.rejected_rows), "10000",
	0, 1000 * MILLION, NULL, true,
	"Changes that could not be understood or applied and are kept to be "
	"looked at."},
    {"limits.tag_members", SETTING_COUNT, AT(limits.tag_members), "100", 1,
	5000, NULL, true,
	"Members of a tag that are removed in one step; a larger tag is put "
	"aside and drained in such steps, or smaller ones where that takes "
	"Redis a millisecond."},
    {"limits.postponed_tasks", SETTING_COUNT, AT(limits.postponed_tasks),
	"10000", 0, 10 * MILLION, NULL, true,
	"Tasks that may wait for targets that are down; past it whole models "
	"stand for rows."},
    {"limits.postponed_bytes", SETTING_SIZE, AT(limits.postponed_bytes), "64MB",
	1024, 1024 * MEBI, NULL, true,
	"Bytes of these tasks; past it the same."},
    {"limits.reply_bytes", SETTING_SIZE, AT(limits.reply_bytes), "16MB",
	MEBI / 16, 1024 * MEBI, NULL, false,
	"The largest reply that is taken from Redis, as it is kept in memory; "
	"past it the connection is dropped."},
    {"tasks.scan_count", SETTING_COUNT, AT(tasks.scan_count), "200", 1, MILLION,
	NULL, true,
	"Keys that one step of a scan looks at; fewer where that takes Redis "
	"a millisecond."},
    {"tasks.scan_pause", SETTING_DURATION, AT(tasks.scan_pause_ms), "0ms", 0,
	HOUR, NULL, true,
	"The pause between two steps, for a Redis that has little time to "
	"spare: without one a scan takes what others leave."},
    {"tasks.spread", SETTING_DURATION, AT(tasks.spread_ms), "0ms", 0, HOUR,
	NULL, true,
	"The least that a scan of the keyspace takes, so that the values of a "
	"whole model are not missing all at once."},
    {"tasks.max_rows", SETTING_COUNT, AT(tasks.max_rows), "10000", 1, MILLION,
	NULL, true,
	"Tasks that may wait, of up to 1,000 operations each; past it whole "
	"models are repeated instead of single operations."},
    {"http.listen", SETTING_LISTEN, AT(http.listen), "127.0.0.1:9821", 0, 0,
	NULL, false,
	"Where metrics, health and the status page are: an address and a port, "
	"`unix:///path/to/socket`, or `off`. Whoever can connect can read."},
    {"http.connections", SETTING_COUNT, AT(http.connections), "64", 1, 1000,
	NULL, true,
	"Connections at a time; past it the oldest that has not sent its "
	"request is closed."},
    {"http.streams", SETTING_COUNT, AT(http.streams), "8", 0, 1000, NULL, true,
	"Status pages that are open at a time, of these connections."},
    {"http.stream_bytes", SETTING_SIZE, AT(http.stream_bytes), "256kB", 65536,
	64 * MEBI, NULL, true,
	"What an open page may leave unread before it is closed."},
    {"http.timeout", SETTING_DURATION, AT(http.timeout_ms), "5s", 100, HOUR,
	NULL, true, "How long a request, and taking its answer, may take."},
    {"http.look_interval", SETTING_DURATION, AT(http.look_interval_ms), "5s",
	100, HOUR, NULL, true,
	"How often it is counted what waits in the outbox."},
    {"http.canary_interval", SETTING_DURATION, AT(http.canary_interval_ms),
	"30s", 0, HOUR, NULL, true,
	"When nothing went all the way from the outbox to Redis for so long, a "
	"canary is sent; `0s`: never."},
    {"log.level", SETTING_CHOICE, AT(log.level), "info", 0, 0,
	"error, warning, info, debug", true, "The least that is logged."},
    {"log.format", SETTING_CHOICE, AT(log.format), "auto", 0, 0,
	"auto, json, text", true,
	"`auto` is text on a terminal and JSON elsewhere."},
    {"log.values", SETTING_FLAG, AT(log.values), "true", 0, 0, NULL, true,
	"Whether keys and values may be in the log."},
    {"log.changes_per_second", SETTING_COUNT, AT(log.changes_per_second),
	"1000", 0, MILLION, NULL, true,
	"Lines for single changes; what is above is summed up."},
    {"retry_max", SETTING_DURATION, AT(retry_max_ms), "10s", 100, HOUR, NULL,
	false, "The longest pause between two attempts to reach a server."},
    {"drain_timeout", SETTING_DURATION, AT(drain_timeout_ms), "10s", 0, HOUR,
	NULL, true, "How long a stopping daemon may finish its batch."},
};

const size_t settings_table_size = N_ELEMENTS(settings_table);

#define TARGET_AT(member) offsetof(struct settings_target, member)

const struct setting settings_target_table[] = {
    {"redis.targets.NAME.url", SETTING_URL, TARGET_AT(url), "required", 0, 0,
	NULL, false,
	"The Redis of the rules with `target: NAME`; as `redis.url`."},
    {"redis.targets.NAME.password_file", SETTING_TEXT, TARGET_AT(password_file),
	"empty", 0, 0, NULL, false, "As `redis.password_file`."},
    {"redis.targets.NAME.prefix", SETTING_TEXT, TARGET_AT(prefix), "empty", 0,
	0, NULL, false,
	"What its keys, patterns, channels and streams begin with."},
    {"redis.targets.NAME.connect_timeout", SETTING_DURATION,
	TARGET_AT(connect_timeout_ms), "`redis.connect_timeout`", 100, HOUR,
	NULL, false, "How long connecting may take."},
    {"redis.targets.NAME.command_timeout", SETTING_DURATION,
	TARGET_AT(command_timeout_ms), "`redis.command_timeout`", 100, HOUR,
	NULL, false, "How long the answer to a command may take."},
};

const size_t settings_target_table_size = N_ELEMENTS(settings_target_table);

static void
print_type(const struct setting *setting, struct buf *buf)
{
	switch (setting->type) {
	case SETTING_TEXT:
		buf_add_string(buf, "text");
		break;
	case SETTING_SCHEMA:
		buf_add_string(buf, "name");
		break;
	case SETTING_URL:
		buf_add_string(buf, "URL");
		break;
	case SETTING_LISTEN:
		buf_add_string(buf, "address, off");
		break;
	case SETTING_CHOICE:
	case SETTING_NOTIFY:
		buf_add_string(buf, setting->choices);
		break;
	case SETTING_FLAG:
		buf_add_string(buf, "true, false");
		break;
	case SETTING_DURATION:
		buf_add_string(buf, "duration, ");
		unit_print_duration(buf, setting->min);
		buf_add_string(buf, " to ");
		unit_print_duration(buf, setting->max);
		break;
	case SETTING_SIZE:
		buf_add_string(buf, "size, ");
		unit_print_size(buf, setting->min);
		buf_add_string(buf, " to ");
		unit_print_size(buf, setting->max);
		break;
	case SETTING_COUNT:
		buf_printf(buf, "number, %" PRId64 " to %" PRId64, setting->min,
		    setting->max);
		break;
	}
}

static void
print_row(const struct setting *setting, const char *initial, struct buf *buf)
{
	buf_printf(buf, "| `%s` | ", setting->path);
	print_type(setting, buf);
	buf_printf(buf, " | %s | %s | %s |\n", initial,
	    setting->reloadable ? "yes" : "no", setting->help);
}

/* Those of targets follow the rest of their section. */
static void
print_target_rows(struct buf *buf)
{
	for (size_t i = 0; i < settings_target_table_size; i++)
		print_row(&settings_target_table[i],
		    settings_target_table[i].initial, buf);
}

void
settings_print_reference(struct buf *buf)
{
	buf_add_string(buf,
	    "| key | type | default | taken over by reload | meaning |\n"
	    "|---|---|---|---|---|\n");
	for (size_t i = 0; i < settings_table_size; i++) {
		const struct setting *setting = &settings_table[i];
		char initial[80];

		(void)snprintf(
		    initial, sizeof(initial), "`%s`", setting->initial);
		print_row(setting,
		    *setting->initial == '\0' ? "empty" : initial, buf);
		if (strcmp(setting->path, "redis.target_patience") == 0)
			print_target_rows(buf);
	}
}
