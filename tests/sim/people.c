/*
 * The application: writers that change rows, and readers that fill the cache.
 *
 * A reader that misses fills what it read, in the way that the rule of the key
 * defends (graph.yaml): "a" at the very moment when it reads, as a plain key
 * promises nothing about late fills; "b" late, by the recipe of the fence; "c"
 * late, but sooner than it is invalidated again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

#define N_READERS 2
#define MAX_WRITERS 4
#define STEP_US (10 * MS)
#define LATE_US (1500 * MS)

struct writer {
	struct transaction *transaction;
	int transactions_left;
	int steps_left;
};

struct reader {
	enum table table;
	int row;
	char key[KEY_BYTES];
	char fences[2][VALUE_BYTES];
	unsigned full_times;
	unsigned history; /* a connection does not outlive it */
	uint64_t picture;
};

static struct writer writers[MAX_WRITERS];
static struct reader readers[N_READERS];
static int64_t until_us;
static int n_busy;

/* Writers. */

static void on_write(void *context);

static void
begin(struct writer *writer)
{
	if (agenda_now_us() >= until_us || writer->transactions_left-- == 0) {
		n_busy--;
		return;
	}
	if (!database.is_down) {
		writer->transaction = database_begin();
		writer->steps_left = 3 * (1 + (int)chance_below(3));
	}
	(void)agenda_add(chance_delay(10 * STEP_US), on_write, writer);
}

static void
end(struct writer *writer)
{
	struct transaction *transaction = steal(&writer->transaction);

	database_end(
	    transaction, !transaction->is_aborted && chance_percent(85));
	(void)agenda_add(chance_delay(SECOND), on_write, writer);
}

static void
on_write(void *context)
{
	struct writer *writer = context;

	if (writer->transaction == NULL)
		begin(writer);
	else if (writer->transaction->is_aborted || writer->steps_left-- == 0 ||
		 !database_change(writer->transaction))
		end(writer);
	else
		(void)agenda_add(
		    chance_delay(chance_percent(5) ? 2 * SECOND : STEP_US),
		    on_write, writer);
}

/* Readers. */

static bool
redis_answers(void)
{
	return redis.mood == REDIS_WELL && !redis.is_down &&
	       redis.paused_until_us <= agenda_now_us();
}

static const char *
value_of(const char *key)
{
	const struct redis_entry *entry = redis_find(key);

	return entry == NULL ? "" : entry->value;
}

static void
take_fences(struct reader *reader, char fences[2][VALUE_BYTES])
{
	char key[KEY_BYTES + 8];

	(void)snprintf(key, sizeof(key), "fence:%s", reader->key);
	(void)snprintf(fences[0], VALUE_BYTES, "%s", value_of(key));
	(void)snprintf(fences[1], VALUE_BYTES, "%s", value_of("fence:b:*"));
}

static bool
fences_hold(struct reader *reader)
{
	char fences[2][VALUE_BYTES];

	take_fences(reader, fences);
	return strcmp(fences[0], reader->fences[0]) == 0 &&
	       strcmp(fences[1], reader->fences[1]) == 0 &&
	       redis.full_times == reader->full_times;
}

static void on_look(void *context);

static void
fill(struct reader *reader)
{
	char value[24];

	if (redis_answers() && redis.history == reader->history &&
	    (reader->table != TABLE_B || fences_hold(reader))) {
		(void)snprintf(
		    value, sizeof(value), "%016" PRIx64, reader->picture);
		story("fill %s with %s", reader->key, value);
		redis_set(reader->key, value, 0);
	}
	(void)agenda_add(chance_delay(200 * MS), on_look, reader);
}

static void
on_fill(void *context)
{
	fill(context);
}

static void
on_read(void *context)
{
	struct reader *reader = context;

	reader->picture = database_picture(reader->table, reader->row);
	if (reader->table == TABLE_A)
		fill(reader);
	else
		(void)agenda_add(chance_delay(LATE_US), on_fill, reader);
}

static void
on_look(void *context)
{
	struct reader *reader = context;

	if (agenda_now_us() >= until_us) {
		n_busy--;
		return;
	}
	reader->table = (enum table)chance_below(N_TABLES);
	reader->row = 1 + (int)chance_below(N_ROWS);
	(void)snprintf(reader->key, KEY_BYTES, "%s:%d",
	    database_table_name(reader->table), reader->row);
	if (!redis_answers() || redis_find(reader->key) != NULL) {
		(void)agenda_add(chance_delay(50 * MS), on_look, reader);
		return;
	}
	take_fences(reader, reader->fences);
	reader->full_times = redis.full_times;
	reader->history = redis.history;
	(void)agenda_add(reader->table == TABLE_A ? 0 : chance_delay(LATE_US),
	    on_read, reader);
}

void
people_start(int n_writers, int64_t end_us)
{
	until_us = end_us;
	n_busy = n_writers + N_READERS;
	for (int i = 0; i < n_writers; i++) {
		writers[i] = (struct writer){
		    .transactions_left = 1 + (int)chance_below(8)};
		(void)agenda_add(chance_delay(SECOND), on_write, &writers[i]);
	}
	for (int i = 0; i < N_READERS; i++)
		(void)agenda_add(chance_delay(SECOND), on_look, &readers[i]);
}

bool
people_are_done(void)
{
	return n_busy == 0;
}
