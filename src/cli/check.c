/*
 * "pgripple check": the files, then the live database, then Redis.
 */
#include "cli/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cli/commands.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "config/login.h"
#include "core/template.h"
#include "postgres/command.h"
#include "redis/blocking.h"
#include "redis/url.h"

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Where its password is in a file, with another in its place. */
static int
parse_url(const struct settings_target *target, struct redis_url *ret_url,
    struct pgripple_error *err)
{
	CLEANUP(login_forget) char *text = NULL;

	if (*target->password_file == '\0')
		return redis_url_parse(target->url, ret_url, err);
	if (login_make_url(target->url, "password", &text, err) < 0)
		return -1;
	return redis_url_parse(text, ret_url, err);
}

static int
check_urls(struct report *report, const struct settings *settings)
{
	struct redis_url url;
	struct pgripple_error err;

	for (size_t i = 0; i < settings->redis.n_targets; i++) {
		if (parse_url(&settings->redis.targets[i], &url, &err) != 0) {
			report_failure(report, settings->file, &err);
			return -1;
		}
		redis_url_done(&url);
	}
	return 0;
}

static bool
uses_target(const struct pgripple_model *model, size_t target)
{
	for (size_t i = 0; i < model->n_rules; i++)
		if (model->rules[i].target->index == target)
			return true;
	for (size_t i = 0; i < model->n_whole_targets; i++)
		if (model->whole_patterns != NULL &&
		    model->whole_targets[i]->index == target)
			return true;
	return false;
}

/* It costs a connection, and a batch waits for it while it is down. */
static void
check_targets(struct report *report, const struct configuration *configuration)
{
	const struct settings *settings = configuration->settings;
	const struct pgripple_graph *graph = configuration->graph;

	for (size_t i = 0; i < settings->redis.n_targets; i++) {
		bool is_used = settings->redis.n_targets == 1;

		for (size_t j = 0; j < graph->n_models; j++)
			is_used |= uses_target(&graph->models[j], i);
		if (!is_used)
			report_warning(report,
			    "Name it in a rule (\"target\"), or take it out of "
			    "the settings.",
			    "target \"%s\": no rule uses it",
			    settings->redis.targets[i].name);
	}
}

static bool
holds_secret(const struct settings *settings)
{
	bool found = command_conninfo_has_secret(settings->postgres.conninfo);

	for (size_t i = 0; i < settings->redis.n_targets; i++) {
		const struct settings_target *target =
		    &settings->redis.targets[i];
		struct redis_url url;
		struct pgripple_error err;

		if (parse_url(target, &url, &err) != 0)
			continue;
		if ((url.password != NULL && *target->password_file == '\0') ||
		    url.sentinel_password != NULL)
			found = true;
		redis_url_done(&url);
	}
	return found;
}

static void
warn_of_readers(struct report *report, const char *path)
{
	char hint[512];
	struct stat st;

	if (stat(path, &st) != 0 || (st.st_mode & S_IROTH) == 0)
		return;
	(void)snprintf(hint, sizeof(hint), "Run \"chmod o-r %s\".", path);
	report_warning(report, hint,
	    "%s: everybody may read it, and it holds a password", path);
}

static void
look_at_password_file(
    struct report *report, const struct settings *settings, const char *file)
{
	CLEANUP(free_pointer)
	char *path = *file == '\0' ? NULL : login_path(settings, file);

	if (path != NULL)
		warn_of_readers(report, path);
}

static void
look_at_secrets(struct report *report, const struct settings *settings)
{
	if (holds_secret(settings))
		warn_of_readers(report, settings->file);
	look_at_password_file(
	    report, settings, settings->postgres.password_file);
	for (size_t i = 0; i < settings->redis.n_targets; i++)
		look_at_password_file(
		    report, settings, settings->redis.targets[i].password_file);
}

/* What reading the files cannot see, because other layers know it. */
static int
check_files(struct report *report, const struct configuration *configuration)
{
	const struct settings *settings = configuration->settings;
	const struct pgripple_graph *graph = configuration->graph;

	if (check_urls(report, settings) != 0)
		return -1;
	report_ok(report, "%s", settings->file);
	look_at_secrets(report, settings);
	if (settings_observes(settings))
		report_warning(report,
		    "Set \"mode\" to \"apply\" when the log shows what you "
		    "expect.",
		    "the mode is \"observe\": nothing is invalidated");
	report_ok(report, "%s: %zu model%s, %zu relation%s, %zu table%s",
	    settings->graph, graph->n_models, plural(graph->n_models),
	    graph->n_relations, plural(graph->n_relations), graph->n_tables,
	    plural(graph->n_tables));
	check_targets(report, configuration);
	for (size_t i = 0; i < graph->n_tables; i++)
		if (pgripple_table_adopts(&graph->tables[i]))
			report_ok(report,
			    "table %s: rule \"cacheops\" takes all its columns "
			    "from the database",
			    graph->tables[i].spelled);
	return 0;
}

/* SCAN has no index: a pattern rule costs what the keyspace is large. */
static void
warn_of_pattern(struct report *report, const struct pgripple_model *model,
    const struct pgripple_rule *rule, size_t target, int64_t n_keys)
{
	if (rule->kind == PGRIPPLE_RULE_PATTERN && rule->enabled &&
	    rule->target->index == target)
		report_warning(report,
		    "A tag, or a version in the keys, costs the same however "
		    "many keys there are.",
		    "model \"%s\": rule \"%s\" looks at every key for each "
		    "change, now %" PRId64,
		    model->name, rule->template->source, n_keys);
}

static void
check_patterns(struct report *report, struct redis_blocking *redis,
    const struct pgripple_graph *graph, size_t target)
{
	struct pgripple_error err;
	int64_t n_keys;

	if (redis_blocking_count_keys(redis, &n_keys, &err) < 0) {
		report_warning(report, err.hint, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < graph->n_models; i++)
		for (size_t j = 0; j < graph->models[i].n_rules; j++)
			warn_of_pattern(report, &graph->models[i],
			    &graph->models[i].rules[j], target, n_keys);
}

/* Nothing if there is but one. */
static const char *
target_words(const struct settings *settings, size_t target, struct buf *buf)
{
	if (settings->redis.n_targets > 1)
		buf_printf(buf,
		    "target \"%s\": ", settings->redis.targets[target].name);
	return buf_string(buf);
}

static void
check_target(struct report *report, const struct configuration *configuration,
    size_t target)
{
	const struct settings *settings = configuration->settings;
	CLEANUP(buf_done) struct buf buf = BUF_INIT;
	const char *words = target_words(settings, target, &buf);
	struct redis_blocking *redis;
	struct pgripple_error err;
	enum exit_status status;

	status = setup_redis(
	    settings, &settings->redis.targets[target], &redis, &err);
	if (status != EXIT_STATUS_OK && settings_observes(settings)) {
		report_warning(report, err.hint, "%s%s", words, err.text);
		return;
	}
	if (status != EXIT_STATUS_OK) {
		report_problem(report, err.hint, "%s%s", words, err.text);
		report_status(report, status);
		return;
	}
	report_ok(report, "%sredis %s: version %s, master, no cluster", words,
	    redis_blocking_describe(redis),
	    redis_blocking_server(redis)->version);
	check_patterns(report, redis, configuration->graph, target);
	check_cacheops(report, redis, configuration->graph, target);
	redis_blocking_close(redis);
}

void
check_redis(struct report *report, const struct configuration *configuration)
{
	for (size_t i = 0; i < configuration->settings->redis.n_targets; i++)
		check_target(report, configuration, i);
}

enum exit_status
check_command(const struct cli_call *call)
{
	struct report report = {0};
	struct configuration *configuration;
	enum exit_status status =
	    setup_configuration(call->options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	if (check_files(&report, configuration) == 0 &&
	    !options_has(call->options, OPTION_OFFLINE)) {
		check_postgres(&report, call->options, configuration);
		check_redis(&report, configuration);
	}
	configuration_free(configuration);
	return report_end(&report);
}
