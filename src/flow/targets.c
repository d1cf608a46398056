/*
 * The targets as a set: what others ask of it, the claim of the state in
 * Postgres, and their life.  What one of them does: target.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "flow/targets_private.h"
#include "redis/connection.h"

/* What others ask. */

size_t
targets_count(const struct targets *targets)
{
	return targets->n;
}

const char *
targets_name(const struct targets *targets, size_t target)
{
	return targets->items[target].name;
}

bool
targets_find(
    const struct targets *targets, const char *name, size_t *ret_target)
{
	for (size_t i = 0; i < targets->n; i++)
		if (strcmp(targets->items[i].name, name) == 0) {
			*ret_target = i;
			return true;
		}
	return false;
}

struct redis_connection *
targets_connection(const struct targets *targets, size_t target)
{
	return targets->items[target].redis;
}

struct replay *
targets_replay(const struct targets *targets, size_t target)
{
	return targets->items[target].replay;
}

enum target_state
targets_state(const struct targets *targets, size_t target)
{
	return targets->items[target].state;
}

uint32_t
targets_postponed(const struct targets *targets)
{
	uint32_t set = 0;

	for (size_t i = 0; i < targets->n; i++)
		if (targets->items[i].state == TARGET_POSTPONED)
			set |= UINT32_C(1) << i;
	return set;
}

bool
targets_may_go_on(const struct targets *targets, size_t *ret_missing)
{
	bool has_any = false;

	for (size_t i = targets->n; i-- > 0;) {
		has_any |= targets->items[i].state == TARGET_UP;
		if (targets->items[i].state != TARGET_UP)
			*ret_missing = i;
	}
	for (size_t i = 0; i < targets->n; i++)
		if (targets->items[i].state == TARGET_AWAITED) {
			*ret_missing = i;
			return false;
		}
	return has_any;
}

void
targets_note(
    struct targets *targets, size_t target, enum redis_apply_outcome outcome)
{
	target_note(&targets->items[target], outcome);
}

void
targets_print_servers(const struct targets *targets, struct buf *buf)
{
	json_write_open(buf, '{');
	for (size_t i = 0; i < targets->n; i++)
		json_write_member(buf, targets->items[i].name,
		    redis_connection_describe(targets->items[i].redis));
	json_write_close(buf, '}');
}

void
targets_print(const struct targets *targets, uint32_t set, struct buf *buf)
{
	json_write_open(buf, '[');
	for (size_t i = 0; i < targets->n; i++)
		if ((set >> i & 1) != 0)
			json_write_string(buf, targets->items[i].name,
			    strlen(targets->items[i].name));
	json_write_close(buf, ']');
}

/* The claim. */

const struct state_claim *
targets_claim(const struct targets *targets)
{
	return &targets->claim;
}

void
targets_take_claim(
    struct targets *targets, const struct state_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		size_t target;

		if (targets_find(targets, rows[i].target, &target))
			replay_claim(targets->items[target].replay, &rows[i]);
	}
}

void
targets_rename(struct targets *targets)
{
	(void)snprintf(targets->owner, sizeof(targets->owner), "%016" PRIx64,
	    ++targets->owner_number);
}

void
targets_disown(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		replay_disown(targets->items[i].replay);
}

void
targets_name_batch(struct targets *targets, char name[MEMORY_NAME])
{
	(void)snprintf(name, MEMORY_NAME, "%s.%" PRIu64, targets->owner,
	    ++targets->n_names);
}

bool
targets_want_session(const struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		if (replay_wants_session(targets->items[i].replay))
			return true;
	return false;
}

bool
targets_use_session(const struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		if (replay_uses_session(targets->items[i].replay))
			return true;
	return false;
}

void
targets_take_turn(struct targets *targets, struct session *work)
{
	for (size_t i = 0; i < targets->n; i++)
		if (replay_wants_session(targets->items[i].replay)) {
			replay_take_turn(targets->items[i].replay, work);
			return;
		}
}

/* Life. */

/* A name that comes twice makes a mark lie (docs/protocols.md). */
static int
make_claim(struct targets *targets, struct pgripple_error *err)
{
	const struct settings *settings = targets->settings;

	if (getrandom(&targets->owner_number, sizeof(targets->owner_number),
		0) != sizeof(targets->owner_number))
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "the system gives no random numbers");
	targets_rename(targets);
	targets->names =
	    calloc(settings->redis.n_targets, sizeof(*targets->names));
	if (targets->names == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < settings->redis.n_targets; i++)
		targets->names[i] = targets->items[i].name;
	targets->claim = (struct state_claim){
	    targets->owner, targets->names, settings->redis.n_targets};
	return 0;
}

int
targets_new(struct event_base *base, const struct settings *settings,
    const struct targets_listener *listener, struct targets **ret_targets,
    struct pgripple_error *err)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (targets != NULL)
		targets->items =
		    calloc(settings->redis.n_targets, sizeof(*targets->items));
	if (targets == NULL || targets->items == NULL) {
		free(targets);
		return pgripple_error_nomem(err);
	}
	targets->settings = settings;
	targets->listener = *listener;
	while (targets->n < settings->redis.n_targets) {
		struct target *target = &targets->items[targets->n];

		target->all = targets;
		if (target_init(base, target,
			&settings->redis.targets[targets->n++], err) < 0) {
			targets_free(targets);
			return -1;
		}
	}
	if (make_claim(targets, err) < 0) {
		targets_free(targets);
		return -1;
	}
	*ret_targets = targets;
	return 0;
}

void
targets_free(struct targets *targets)
{
	if (targets == NULL)
		return;
	for (size_t i = 0; i < targets->n; i++)
		target_done(&targets->items[i]);
	free(targets->names);
	free(targets->items);
	free(targets);
}

void
targets_configure(struct targets *targets, const struct settings *settings,
    const struct pgripple_graph *graph)
{
	targets->settings = settings;
	for (size_t i = 0; i < targets->n; i++)
		replay_configure(targets->items[i].replay, settings, graph);
}

void
targets_start(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		target_start(&targets->items[i]);
}
