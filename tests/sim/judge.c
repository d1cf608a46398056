/*
 * What must hold in every schedule.
 *
 * - A change leaves the outbox only after Redis has removed its key, later than
 *   its commit.
 * - When nothing is broken any more everything comes to its end within a bound
 *   of time: no row waits in the outbox, no task is left.  Where nothing was
 *   broken, the doorbell alone must see to that (the calm settings look by
 *   themselves once an hour).
 * - Then every value in the cache is what the database says.
 * - Nothing is rejected, and no daemon leaves.
 * - The state changes in the order in which its changes were sent: one that
 *   comes late would set the number back.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

static uint64_t tick;
static uint64_t state_tick; /* when the latest change of the state was sent */
static bool has_failed;
static char reason[500];

void
judge_start(void)
{
	has_failed = false;
	tick = state_tick = 0;
}

uint64_t
judge_tick(void)
{
	return ++tick;
}

void
judge_fail(const char *format, ...)
{
	va_list args;

	if (has_failed)
		return;
	has_failed = true;
	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	story("FAILED: %s", reason);
}

bool
judge_has_failed(void)
{
	return has_failed;
}

const char *
judge_reason(void)
{
	return reason;
}

void
judge_acknowledged(const struct outbox_entry *entry)
{
	story("acknowledged %" PRId64, entry->id);
	if (entry->row == 0)
		return; /* a task does it, and must be left by the end */
	if (redis.removed_tick[entry->table][entry->row] <= entry->commit_tick)
		judge_fail("the change %" PRId64 " was acknowledged, but \"%s:"
			   "%d\" was not removed since its commit",
		    entry->id, database_table_name(entry->table), entry->row);
}

void
judge_state_change(uint64_t sent_tick)
{
	if (sent_tick < state_tick)
		judge_fail("the state was changed by a statement that others "
			   "had overtaken");
	state_tick = sent_tick;
}

static void
check_key(enum table table, int row)
{
	char key[KEY_BYTES], value[24];
	const struct redis_entry *entry;

	(void)snprintf(
	    key, sizeof(key), "%s:%d", database_table_name(table), row);
	entry = redis_find(key);
	(void)snprintf(
	    value, sizeof(value), "%016" PRIx64, database_picture(table, row));
	if (entry != NULL && strcmp(entry->value, value) != 0)
		judge_fail("\"%s\" is stale: %s instead of %s", key,
		    entry->value, value);
}

void
judge_end(void)
{
	if (daemons_have_left())
		judge_fail("a daemon has left");
	if (database_waiting() > 0)
		judge_fail(
		    "%zu changes and tasks are left", database_waiting());
	for (int table = 0; table < N_TABLES; table++)
		for (int row = 1; row <= N_ROWS; row++)
			check_key((enum table)table, row);
}
