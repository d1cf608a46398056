#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/settings.h"

static char path[64];

/* Settings from a text; NULL if it was refused. */
static struct settings *
load(const char *text, struct pgripple_errors *errors)
{
	struct settings *settings = NULL;
	FILE *file;
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/pgripple-settings-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	file = fdopen(fd, "w");
	(void)fputs(text, file);
	(void)fclose(file);
	if (settings_load(path, errors, &settings) != 0)
		cr_assert_null(settings);
	(void)unlink(path);
	return settings;
}

static struct settings *
load_well(const char *text)
{
	struct pgripple_errors errors = {0};
	struct settings *settings = load(text, &errors);

	cr_assert_not_null(
	    settings, "%s", errors.n_items > 0 ? errors.items[0].text : "");
	return settings;
}

Test(settings, have_defaults)
{
	struct settings *s = load_well("log:\n");

	cr_assert_str_eq(s->file, path);
	cr_assert_str_eq(s->graph, "/tmp/graph.yaml");
	cr_assert_str_eq(s->postgres.conninfo, "");
	cr_assert_str_eq(s->postgres.schema, "pgripple");
	cr_assert_eq(s->postgres.notify, NOTIFY_MODE_ADAPTIVE);
	cr_assert_eq(s->postgres.poll_interval_ms, 5000);
	cr_assert_eq(s->postgres.connect_timeout_ms, 10000);
	cr_assert_eq(s->postgres.statement_timeout_ms, 30000);
	cr_assert_eq(s->postgres.heartbeat_ms, 4000);
	cr_assert_str_eq(s->redis.url, "redis://127.0.0.1:6379/0");
	cr_assert_eq(s->redis.connect_timeout_ms, 5000);
	cr_assert_eq(s->redis.command_timeout_ms, 5000);
	cr_assert_eq(s->limits.batch_rows, 500);
	cr_assert_eq(s->limits.batch_bytes, 1 << 20);
	cr_assert_eq(s->limits.touched_rows, 100000);
	cr_assert_eq(s->limits.lookup_rows, 10000);
	cr_assert_eq(s->limits.bulk_rows, 100000);
	cr_assert_eq(s->limits.rejected_rows, 10000);
	cr_assert_eq(s->tasks.scan_count, 200);
	cr_assert_eq(s->tasks.scan_pause_ms, 0);
	cr_assert_str_eq(s->http.listen, "127.0.0.1:9821");
	cr_assert_eq(s->http.canary_interval_ms, 30000);
	cr_assert_str_eq(s->log.level, "info");
	cr_assert_str_eq(s->log.format, "auto");
	cr_assert(s->log.values);
	cr_assert_eq(s->log.changes_per_second, 1000);
	cr_assert_eq(s->retry_max_ms, 10000);
	cr_assert_eq(s->drain_timeout_ms, 10000);
	settings_free(s);
}

Test(settings, take_what_the_file_says)
{
	struct settings *s = load_well(
	    "postgres: { conninfo: 'host=a,b', notify: never, poll_interval: "
	    "250ms, connect_timeout: 2m }\n"
	    "redis:\n  url: unix:///run/redis.sock?db=3\n"
	    "graph: /etc/app/graph.yaml\n"
	    "limits: { batch_bytes: 64kB, rejected_rows: 0 }\n"
	    "log: { level: debug, format: json, values: false }\n"
	    "drain_timeout: 1h\n");

	cr_assert_str_eq(s->postgres.conninfo, "host=a,b");
	cr_assert_eq(s->postgres.notify, NOTIFY_MODE_NEVER);
	cr_assert_eq(s->postgres.poll_interval_ms, 250);
	cr_assert_eq(s->postgres.connect_timeout_ms, 120000);
	cr_assert_str_eq(s->redis.url, "unix:///run/redis.sock?db=3");
	cr_assert_str_eq(s->graph, "/etc/app/graph.yaml");
	cr_assert_eq(s->limits.batch_bytes, 65536);
	cr_assert_eq(s->limits.rejected_rows, 0);
	cr_assert_str_eq(s->log.level, "debug");
	cr_assert_str_eq(s->log.format, "json");
	cr_assert_not(s->log.values);
	cr_assert_eq(s->drain_timeout_ms, 3600000);
	settings_free(s);
}

Test(settings, take_every_form_of_redis_url)
{
	static const char *const urls[] = {
	    "redis://localhost",
	    "redis://localhost:6380",
	    "redis://localhost:6380/12",
	    "redis://:secret@localhost/0",
	    "redis://user:se:cret@10.0.0.1:6379/",
	    "redis://[::1]:6379/0",
	    "unix:///run/redis/redis.sock",
	};

	for (size_t i = 0; i < N_ELEMENTS(urls); i++) {
		char text[200];
		struct settings *s;

		(void)snprintf(
		    text, sizeof(text), "redis:\n  url: \"%s\"\n", urls[i]);
		s = load_well(text);
		cr_assert_str_eq(s->redis.url, urls[i]);
		settings_free(s);
	}
}

Test(settings, take_every_form_of_address)
{
	static const char *const texts[] = {
	    "off",
	    "127.0.0.1:0",
	    "0.0.0.0:9821",
	    "[::1]:9821",
	    "unix:///run/pgripple/http",
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		char text[200];
		struct settings *s;

		(void)snprintf(
		    text, sizeof(text), "http:\n  listen: \"%s\"\n", texts[i]);
		s = load_well(text);
		cr_assert_str_eq(s->http.listen, texts[i]);
		settings_free(s);
	}
}

Test(settings, refuse_what_is_no_address)
{
	static const char *const texts[] = {
	    "localhost:9821",
	    "127.0.0.1",
	    "127.0.0.1:",
	    "127.0.0.1:99999",
	    ":9821",
	    "::1:9821",
	    "[::1]",
	    "[127.0.0.1]:80",
	    "unix://run/http",
	    "on",
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct pgripple_errors errors = {0};
		char text[200];

		(void)snprintf(
		    text, sizeof(text), "http:\n  listen: \"%s\"\n", texts[i]);
		cr_expect_null(load(text, &errors), "%s", texts[i]);
		cr_assert_eq(errors.n_items, 1);
		cr_expect_not_null(strstr(errors.items[0].text, texts[i]));
		cr_expect_not_null(strstr(errors.items[0].hint, "[::1]:9821"));
		pgripple_errors_done(&errors);
	}
}

Test(settings, of_the_example_load)
{
	struct pgripple_errors errors = {0};
	struct settings *s;

	cr_assert_eq(
	    settings_load(SOURCE_ROOT "/conf/pgripple.yaml", &errors, &s), 0);
	cr_assert_str_eq(s->graph, SOURCE_ROOT "/conf/graph.yaml");
	settings_free(s);
}

Test(settings, never_show_a_password)
{
	static const char *const texts[] = {
	    "redis:\n  url: http://:s3cret@h\n",
	    "redis:\n  url: rediss://:s3cret@h\n",
	    "redis:\n  url: redis://:s3cret@h:port\n",
	    "redis:\n  url: redis://:s3cret@\n",
	    "redis:\n  url: redis://:s3cret@h/db\n",
	    "redis:\n  url: unix:///s3cret?db=s3cret\n",
	    "redis:\n  url: s3cret\n",
	    "redis:\n  url: [s3cret]\n",
	    "postgres:\n  conninfo: [password=s3cret]\n",
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct pgripple_errors errors = {0};

		if (PGRIPPLE_REDIS_TLS && strstr(texts[i], "rediss:") != NULL)
			continue; /* which is no mistake then */
		cr_assert_null(load(texts[i], &errors));
		cr_assert_eq(errors.n_items, 1);
		cr_assert_null(strstr(errors.items[0].text, "s3cret"));
		cr_assert_null(strstr(errors.items[0].hint, "s3cret"));
		pgripple_errors_done(&errors);
	}
}

Test(settings, have_one_target_unless_they_name_more)
{
	struct settings *s =
	    load_well("redis: { prefix: \"a:\", command_timeout: 2s }\n");

	cr_assert_eq(s->redis.n_targets, 1);
	cr_assert_str_eq(s->redis.targets[0].name, "default");
	cr_assert_str_eq(s->redis.targets[0].url, "redis://127.0.0.1:6379/0");
	cr_assert_str_eq(s->redis.targets[0].prefix, "a:");
	cr_assert_eq(s->redis.targets[0].connect_timeout_ms, 5000);
	cr_assert_eq(s->redis.targets[0].command_timeout_ms, 2000);
	settings_free(s);
}

Test(settings, put_the_default_target_before_the_others)
{
	struct settings *s =
	    load_well("redis:\n"
		      "  prefix: \"a:\"\n"
		      "  targets:\n"
		      "    sessions: { url: redis://s, prefix: \"s:\" }\n"
		      "    far-1: { url: redis://f, connect_timeout: 1m }\n"
		      "  url: redis://d\n"
		      "  connect_timeout: 3s\n"
		      "  target_patience: 0s\n");
	const struct settings_target *targets = s->redis.targets;

	cr_assert_eq(s->redis.target_patience_ms, 0);
	cr_assert_eq(s->redis.n_targets, 3);
	cr_assert_str_eq(targets[0].name, "default");
	cr_assert_str_eq(targets[0].url, "redis://d");
	cr_assert_str_eq(targets[0].prefix, "a:");
	cr_assert_str_eq(targets[1].name, "sessions");
	cr_assert_str_eq(targets[1].prefix, "s:");
	cr_assert_eq(targets[1].connect_timeout_ms, 3000);
	cr_assert_str_eq(targets[2].name, "far-1");
	cr_assert_str_eq(targets[2].prefix, "");
	cr_assert_eq(targets[2].connect_timeout_ms, 60000);
	cr_assert_eq(settings_max_command_timeout_ms(s), 5000);
	settings_free(s);
}

Test(settings, have_no_default_target_where_only_others_are_named)
{
	struct settings *s =
	    load_well("redis: { targets: { a: { url: redis://a } } }\n");

	cr_assert_eq(s->redis.n_targets, 1);
	cr_assert_str_eq(s->redis.targets[0].name, "a");
	settings_free(s);
}

Test(settings, tell_what_is_wrong_with_a_target)
{
	static const struct {
		const char *yaml, *text, *hint;
	} cases[] = {
	    {"[a]", "\"targets\" must be a map, not a list",
		"Write each target as its name and a colon, without a dash, "
		"and its keys indented below."},
	    {"{ default: { url: redis://a } }",
		"the target \"default\" cannot be among the others",
		"It is what \"url\" of \"redis\" says."},
	    {"{ a.b: { url: redis://a } }",
		"\"a.b\" cannot be the name of a target",
		"Use letters, digits, underscores and hyphens, at most 63."},
	    {"{ a: redis://a }", "target \"a\" must be a map, not text",
		"Write a: { url: \"redis://...\" }."},
	    {"{ a: { prefix: x } }", "target \"a\" has no \"url\"", ""},
	    {"{ a: { ulr: redis://a } }", "unknown key \"ulr\" in target \"a\"",
		"Did you mean \"url\"?"},
	    {"{ a: { url: http://a } }",
		"\"redis.targets.a.url\" begins with neither redis:// nor "
		"unix:// nor redis+sentinel://",
		"Write redis://[user[:password]@]host[:port][/db] or "
		"unix:///path/to/socket[?db=N]."},
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct pgripple_errors errors = {0};
		char text[200];

		(void)snprintf(text, sizeof(text), "redis:\n  targets: %s\n",
		    cases[i].yaml);
		cr_assert_null(load(text, &errors));
		cr_expect_eq(errors.n_items, 1);
		cr_expect_str_eq(errors.items[0].text, cases[i].text);
		cr_expect_str_eq(errors.items[0].hint, cases[i].hint);
		cr_expect_eq(errors.items[0].at.line, 2);
		pgripple_errors_done(&errors);
	}
}

Test(settings, have_a_bound_of_targets)
{
	char text[2000] = "redis:\n  targets:\n";
	struct pgripple_errors errors = {0};

	for (int i = 0; i < 16; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "    t%d: { url: redis://h/%d }\n", i, i);
	cr_assert_null(load(text, &errors));
	cr_assert_str_eq(errors.items[0].text,
	    "16 targets are more than the 15 that can be used");
	pgripple_errors_done(&errors);
}

Test(settings, cannot_change_targets_in_a_reload)
{
	struct settings *a = load_well(
	    "redis: { url: redis://a, targets: { b: { url: redis://b } } }\n");
	struct settings *b = load_well(
	    "redis: { url: redis://a, targets: { b: { url: redis://b, prefix: "
	    "x } } }\n");
	struct settings *c = load_well("redis: { url: redis://a }\n");

	cr_assert_null(settings_fixed_difference(a, a));
	cr_assert_str_eq(settings_fixed_difference(a, b), "redis.targets");
	cr_assert_str_eq(settings_fixed_difference(a, c), "redis.targets");
	settings_free(a);
	settings_free(b);
	settings_free(c);
}

Test(settings, tell_what_a_reload_cannot_take_over)
{
	struct settings *a = load_well("log: { level: info }\n");
	struct settings *b = load_well("log: { level: debug }\n"
				       "limits: { batch_rows: 7 }\n");
	struct settings *c = load_well("redis: { url: redis://other }\n");

	cr_assert_null(settings_fixed_difference(a, b));
	cr_assert_str_eq(settings_fixed_difference(a, c), "redis.url");
	settings_free(a);
	settings_free(b);
	settings_free(c);
}

Test(settings, are_documented)
{
	CLEANUP(buf_done) struct buf table = BUF_INIT, page = BUF_INIT;
	FILE *file = fopen(SOURCE_ROOT "/docs/settings.md", "r");
	char bytes[4096];
	size_t n;

	cr_assert_not_null(file);
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_add(&page, bytes, n);
	(void)fclose(file);
	settings_print_reference(&table);
	cr_assert_not_null(strstr(buf_string(&page), buf_string(&table)),
	    "docs/settings.md lacks this table:\n%s", buf_string(&table));
}
