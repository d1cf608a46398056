/*
 * "status": what the database and the daemon tell of themselves.
 */
#ifndef PGRIPPLE_CLI_STATUS_H
#define PGRIPPLE_CLI_STATUS_H

#include <stdint.h>

#include "base/json_read.h"
#include "base/util.h"

struct arena;
struct command;

/* One look.  Both are objects of the arena. */
struct status_look {
	int64_t at_us; /* monotonic */
	const struct json *database;
	const struct json *daemon; /* NULL: not reached */
	char daemon_error[512]; /* why; "" if it was not asked */
};

/* Rates between two looks, changes a second. */
struct status_rates {
	bool known;
	double written;
	double applied;
};

#define STATUS_MAX_PROBLEMS 32

struct status_problems {
	const char *items[STATUS_MAX_PROBLEMS]; /* of the arena */
	size_t n;
};

/* What the outbox and the catalog say. */
int status_ask_database(struct arena *arena, struct command *command,
    const char *schema, const struct json **ret_database,
    struct pgripple_error *err) MUST_CHECK;
/* What the daemon says at /readyz, of which the address is http.listen. */
int status_ask_daemon(struct arena *arena, const char *listen,
    const struct json **ret_daemon, struct pgripple_error *err) MUST_CHECK;

/* What is not as it should be. */
void status_find_problems(struct arena *arena, const struct status_look *look,
    struct status_problems *ret_problems);

void status_print_text(const struct status_look *look,
    const struct status_rates *rates, const struct status_problems *problems);
/* One line. */
void status_print_json(const struct status_look *look,
    const struct status_rates *rates, const struct status_problems *problems);

#endif
