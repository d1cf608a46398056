/*
 * The options of all commands: one table, one parser.
 */
#ifndef PGRIPPLE_CLI_OPTIONS_H
#define PGRIPPLE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum option_id {
	OPTION_CONFIG,
	OPTION_CONNINFO,
	OPTION_OFFLINE,
	OPTION_FORMAT,
	OPTION_SCHEMA,
	OPTION_TABLE,
	OPTION_OUTPUT,
	OPTION_FORCE,
	OPTION_OLD,
	OPTION_NEW,
	OPTION_OP,
	OPTION_JSON,
	OPTION_SQL,
	OPTION_MODEL,
	OPTION_KEY,
	OPTION_UNIT,
	OPTION_NO_FOLLOW,
	OPTION_WATCH,
	OPTION_ALL,
	OPTION_DRY_RUN,
	OPTION_WAIT,
	OPTION_TIMEOUT,
	OPTION_YES,
	OPTION_HELP,
	OPTION_VERSION,
};

/* In a set of options. */
#define OPTION(id) (1u << OPTION_##id)

struct option_info {
	enum option_id id;
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* what it is called in the help; NULL: none */
	const char *help; /* one line, or several of at most 48 bytes */
};

/* Words that a command may have after its name. */
#define OPTIONS_MAX_WORDS 1000

/* How often an option may be given that may be given again. */
#define OPTIONS_MAX_LIST 64

struct option_list {
	const char *items[OPTIONS_MAX_LIST];
	size_t n;
};

struct options {
	const char *config; /* the settings file */
	char *conninfo; /* NULL: that of the settings */
	int64_t timeout_ms;
	const char *format; /* NULL: the command's default */
	const char *output; /* a file; NULL: standard output */
	struct option_list schemas;
	struct option_list tables; /* patterns */
	const char *old_image; /* JSON; NULL: none */
	const char *new_image;
	const char *op;
	const char *model;
	const char *key;
	const char *unit; /* of systemd; NULL: pgripple */
	unsigned given; /* a set */
	const char *command; /* NULL: none */
	/* The words after the command.  n_words counts all of them; there is
	 * room for one more than any command takes, so that it can be named. */
	const char *words[OPTIONS_MAX_WORDS + 1];
	size_t n_words;
};

extern const struct option_info option_table[];
extern const size_t n_options;

/* Reads all of argv; options may stand before and after the command.  The
 * value of --conninfo, which may hold a password, is copied and then wiped
 * from argv: others see that in the process list.  The rest of *ret_options
 * borrows from argv.  -1: CONFIG, NOMEM. */
int options_parse(int argc, char **argv, struct options *ret_options,
    struct pgripple_error *err) MUST_CHECK;
void options_done(struct options *options);

static inline bool
options_has(const struct options *options, enum option_id id)
{
	return options->given >> id & 1;
}

#endif
