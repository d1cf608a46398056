/*
 * What breaks, and is mended again.
 */
#include <string.h>

#include "world.h"

#define PAUSE_US (3 * SECOND)
#define DOWN_US (2 * SECOND)

static const struct plan *plan;

static void
begin_mood(enum redis_mood mood)
{
	story("redis's mood is %d", (int)mood);
	redis.mood = mood;
	redis.full_times += mood == REDIS_FULL;
}

static void
on_redis_well(void *context UNUSED)
{
	begin_mood(REDIS_WELL);
	wire_odd_replies = wire_swallowed = 0;
}

static void
on_redis_up(void *context UNUSED)
{
	if (!redis.is_down)
		return; /* it was mended sooner */
	redis.is_down = false;
	redis.run++;
	redis.history++;
}

static void
restart_redis(void)
{
	story("redis restarts");
	wire_cut_all();
	redis.is_down = true;
	if (plan->goes_back)
		redis_go_back((size_t)chance_below(12));
	(void)agenda_add(chance_delay(DOWN_US), on_redis_up, NULL);
}

/* Demoted, made equal to another server, and promoted again: all connections
 * stay open. */
static void
promote_redis(void)
{
	story("redis was a replica for a moment");
	redis_go_back((size_t)chance_below(12));
	redis.history++;
}

/* Evicted or flushed: what is stale goes as well. */
static void
flush_redis(void)
{
	story("redis is flushed");
	for (size_t i = 0; i < MAX_KEYS; i++)
		if (redis.entries[i].key[0] != '\0' &&
		    strncmp(redis.entries[i].key, "fence:", 6) != 0)
			(void)redis_remove(redis.entries[i].key);
}

static void
break_redis(void)
{
	if (plan->goes_back && chance_percent(15)) {
		promote_redis();
		return;
	}
	if (chance_percent(5)) {
		flush_redis();
		return;
	}
	switch (chance_below(6)) {
	case 0:
		wire_cut_one();
		return;
	case 1:
		restart_redis();
		return;
	case 2:
		story("redis hangs");
		redis.paused_until_us =
		    agenda_now_us() + chance_delay(PAUSE_US);
		return;
	case 3:
		wire_odd_replies = 1 + chance_below(20);
		break;
	case 4:
		wire_swallowed = 1 + chance_below(20);
		break;
	default:
		begin_mood((enum redis_mood)(1 + chance_below(REDIS_REPLICA)));
	}
	(void)agenda_add(chance_delay(DOWN_US), on_redis_well, NULL);
}

static void
on_postgres_well(void *context UNUSED)
{
	database.is_down = false;
	session_refusals = 0;
}

static void
break_postgres(void)
{
	struct session *session = session_any();

	switch (chance_below(4)) {
	case 0:
	case 1:
		if (session != NULL)
			session_cut(session);
		return;
	case 2:
		session_refusals = 1 + chance_below(30);
		break;
	default:
		database_crash();
		database.is_down = true;
	}
	(void)agenda_add(chance_delay(DOWN_US), on_postgres_well, NULL);
}

static void
on_fault(void *context UNUSED)
{
	int64_t which = chance_below(5);

	if (agenda_now_us() >= plan->until_us)
		return;
	if (which <= 1 && plan->breaks_redis)
		break_redis();
	else if (which <= 3 && plan->breaks_postgres)
		break_postgres();
	else if (which == 4 && plan->kills)
		daemons_kill((int)chance_below(plan->n_daemons));
	(void)agenda_add(chance_delay(2 * SECOND), on_fault, NULL);
}

void
faults_start(const struct plan *the_plan)
{
	plan = the_plan;
	faults_mend();
	if (plan->breaks_redis || plan->breaks_postgres || plan->kills)
		(void)agenda_add(chance_delay(SECOND), on_fault, NULL);
}

void
faults_mend(void)
{
	on_redis_well(NULL);
	on_postgres_well(NULL);
	on_redis_up(NULL);
	redis.paused_until_us = 0;
}
