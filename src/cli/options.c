/*
 * The options of all commands: one table, one parser.
 *
 * getopt_long() would do but for two things: it guesses at abbreviations,
 * which then are a promise, and it does not say what was meant.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/closest.h"

#define DEFAULT_TIMEOUT_MS 10000
#define MAX_TIMEOUT_MS 3600000

const struct option_info option_table[] = {
    {OPTION_CONFIG, 'c', "config", "FILE",
	"the settings, " PGRIPPLE_CONFIG_FILE "\nunless given"},
    {OPTION_CONNINFO, 0, "conninfo", "STRING",
	"connect like this, not as the settings say:\n"
	"\"dbname=app user=owner\", or a postgresql:// URI"},
    {OPTION_OFFLINE, 0, "offline", NULL, "look at the files alone"},
    {OPTION_FORMAT, 0, "format", "FORMAT",
	"text (the default), svg, dot or mermaid"},
    {OPTION_SCHEMA, 0, "schema", "NAME",
	"only tables of this schema; may be given again"},
    {OPTION_TABLE, 0, "table", "PATTERN",
	"only tables like this: \"app_*\", \"shop.*\"; may\nbe given again"},
    {OPTION_OUTPUT, 0, "output", "FILE", "write to this file"},
    {OPTION_FORCE, 0, "force", NULL, "write over a file that is there"},
    {OPTION_OLD, 0, "old", "JSON", "the row as it was: '{\"id\": 1, ...}'"},
    {OPTION_NEW, 0, "new", "JSON", "the row as it is then"},
    {OPTION_OP, 0, "op", "OPERATION",
	"insert, update, delete, truncate or invalidate;\nunless given, as the "
	"rows say"},
    {OPTION_JSON, 0, "json", NULL, "print one JSON object, for programs"},
    {OPTION_SQL, 0, "sql", NULL, "print the SQL that would be run"},
    {OPTION_MODEL, 0, "model", "MODEL",
	"every row of this model; with tail, only what\ntouched it"},
    {OPTION_KEY, 0, "key", "KEY", "only what removed this key"},
    {OPTION_UNIT, 0, "unit", "NAME", "the systemd unit; pgripple unless given"},
    {OPTION_NO_FOLLOW, 0, "no-follow", NULL, "end when all is read"},
    {OPTION_WATCH, 0, "watch", NULL, "again every 2 s, until interrupted"},
    {OPTION_ALL, 0, "all", NULL, "every row of every model"},
    {OPTION_DRY_RUN, 0, "dry-run", NULL,
	"show what would be done, and ask for nothing"},
    {OPTION_WAIT, 0, "wait", NULL, "wait until it has been applied to Redis"},
    {OPTION_TIMEOUT, 0, "timeout", "TIME",
	"how long to wait: 10s unless given, 500ms, 1m"},
    {OPTION_YES, 'y', "yes", NULL, "do not ask"},
    {OPTION_HELP, 'h', "help", NULL, "print this"},
    {OPTION_VERSION, 'V', "version", NULL, "print the version"},
};
const size_t n_options = N_ELEMENTS(option_table);

static const struct option_info *
find_letter(char letter)
{
	for (size_t i = 0; i < n_options; i++)
		if (option_table[i].letter != 0 &&
		    option_table[i].letter == letter)
			return &option_table[i];
	return NULL;
}

static const struct option_info *
find_name(const char *name, size_t length)
{
	for (size_t i = 0; i < n_options; i++)
		if (strlen(option_table[i].name) == length &&
		    memcmp(option_table[i].name, name, length) == 0)
			return &option_table[i];
	return NULL;
}

/* What a mistyped or abbreviated name may stand for; NULL if nothing. */
static const char *
nearest_name(const char *name)
{
	const char *names[N_ELEMENTS(option_table)];
	size_t n = strlen(name);

	for (size_t i = 0; i < n_options; i++) {
		names[i] = option_table[i].name;
		if (n > 1 && strncmp(names[i], name, n) == 0)
			return names[i];
	}
	return closest(name, names, n_options);
}

static int
unknown_option(const char *word, struct pgripple_error *err)
{
	int length = (int)strcspn(word, "=");
	char name[64];
	const char *near;

	(void)snprintf(
	    name, sizeof(name), "%.*s", length, word + strspn(word, "-"));
	near = nearest_name(name);
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "unknown option \"%.*s\"", length, word);
	if (near != NULL)
		pgripple_error_hint(err, "Did you mean \"--%s\"?", near);
	else
		pgripple_error_hint(
		    err, "\"pgripple COMMAND --help\" lists the options.");
	return -1;
}

/* "10s", "500ms", "2m"; a bare number counts seconds. */
static int
parse_timeout(
    const char *text, int64_t *ret_timeout_ms, struct pgripple_error *err)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}};
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; i < N_ELEMENTS(units) && end != text; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (errno != 0 || number < 1 ||
		    number > MAX_TIMEOUT_MS / units[i].ms)
			break;
		*ret_timeout_ms = number * units[i].ms;
		return 0;
	}
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "\"%s\" is no time for --timeout", text);
	pgripple_error_hint(
	    err, "Write a number with ms, s or m: from 1ms to 60m.");
	return -1;
}

static int
add_item(struct option_list *list, const char *value,
    const struct option_info *option, struct pgripple_error *err)
{
	if (list->n == OPTIONS_MAX_LIST)
		return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "option \"--%s\" is given more than %d times", option->name,
		    OPTIONS_MAX_LIST);
	list->items[list->n++] = value;
	return 0;
}

/* Leaves "*" where the secret was; its length is nobody's business either. */
static void
wipe(char *text)
{
	size_t n = strlen(text);

	explicit_bzero(text, n);
	if (n > 0)
		text[0] = '*';
}

static int
set_option(struct options *options, const struct option_info *option,
    char *value, struct pgripple_error *err)
{
	options->given |= 1u << option->id;
	if (value == NULL)
		return 0;
	switch (option->id) {
	case OPTION_CONFIG:
		options->config = value;
		return 0;
	case OPTION_CONNINFO:
		free(options->conninfo);
		options->conninfo = strdup(value);
		wipe(value);
		return options->conninfo == NULL ? pgripple_error_nomem(err)
						 : 0;
	case OPTION_TIMEOUT:
		return parse_timeout(value, &options->timeout_ms, err);
	case OPTION_FORMAT:
		options->format = value;
		return 0;
	case OPTION_OUTPUT:
		options->output = value;
		return 0;
	case OPTION_SCHEMA:
		return add_item(&options->schemas, value, option, err);
	case OPTION_TABLE:
		return add_item(&options->tables, value, option, err);
	case OPTION_OLD:
		options->old_image = value;
		return 0;
	case OPTION_NEW:
		options->new_image = value;
		return 0;
	case OPTION_OP:
		options->op = value;
		return 0;
	case OPTION_MODEL:
		options->model = value;
		return 0;
	case OPTION_KEY:
		options->key = value;
		return 0;
	case OPTION_UNIT:
		options->unit = value;
		return 0;
	case OPTION_NO_FOLLOW:
	case OPTION_WATCH:
	case OPTION_JSON:
	case OPTION_SQL:
	case OPTION_ALL:
	case OPTION_DRY_RUN:
	case OPTION_WAIT:
	case OPTION_OFFLINE:
	case OPTION_FORCE:
	case OPTION_YES:
	case OPTION_HELP:
	case OPTION_VERSION:
		return 0;
	}
	return 0;
}

/* Reads the option at argv[*i], with its value, which may be the next word. */
static int
parse_option(struct options *options, int argc, char **argv, int *i,
    struct pgripple_error *err)
{
	char *word = argv[*i];
	const struct option_info *option;
	char *value = NULL;

	if (word[1] == '-') {
		size_t length = strcspn(word + 2, "=");

		option = find_name(word + 2, length);
		if (word[2 + length] == '=')
			value = word + 2 + length + 1;
	} else {
		option = find_letter(word[1]);
		if (word[2] != '\0')
			value = word + 2;
	}
	if (option == NULL ||
	    (option->argument == NULL && value != NULL && word[1] != '-'))
		return unknown_option(word, err);
	if (option->argument == NULL && value != NULL)
		return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "option \"--%s\" takes no value", option->name);
	if (option->argument != NULL && value == NULL) {
		if (*i + 1 == argc)
			return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
			    "option \"--%s\" needs a value: %s", option->name,
			    option->argument);
		value = argv[++*i];
	}
	return set_option(options, option, value, err);
}

int
options_parse(int argc, char **argv, struct options *ret_options,
    struct pgripple_error *err)
{
	struct options options = {
	    .config = PGRIPPLE_CONFIG_FILE,
	    .timeout_ms = DEFAULT_TIMEOUT_MS,
	};

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] != '\0') {
			if (parse_option(&options, argc, argv, &i, err) != 0) {
				options_done(&options);
				return -1;
			}
		} else if (options.command == NULL) {
			options.command = argv[i];
		} else if (options.n_words++ < N_ELEMENTS(options.words)) {
			options.words[options.n_words - 1] = argv[i];
		}
	}
	*ret_options = options;
	return 0;
}

void
options_done(struct options *options)
{
	if (options->conninfo != NULL)
		wipe(options->conninfo);
	free(options->conninfo);
	options->conninfo = NULL;
}
