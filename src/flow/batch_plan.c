/*
 * Planning a batch, and sharing the plan out: what is for a target that is
 * there is a part, to be applied to it; what is for one that is postponed
 * becomes tasks.
 *
 * The tasks that wait for a target have a bound.  A plan that would pass it is
 * made once more, with whole models in the place of rows on that target: what
 * it then comes to are the rules, the same ones again and again, and of tasks
 * that say the same one waits.
 */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/operation.h"
#include "flow/batch_private.h"
#include "flow/targets.h"
#include "observe/log.h"
#include "observe/metrics.h"

const char *
batch_prefix(const struct batch *batch, size_t target)
{
	return batch->graph->targets[target].prefix;
}

static bool
is_in(uint32_t set, size_t target)
{
	return (set >> target & 1) != 0;
}

/* What a batch would leave for targets that are postponed. */
struct postponed {
	size_t n;
	size_t n_bytes;
};

static struct postponed
count_postponed(const struct batch *batch, uint32_t postponed)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct postponed found = {0};

	for (size_t i = 0; postponed != 0 && i < batch->plan.n_operations;
	     i++) {
		const struct pgripple_operation *operation =
		    &batch->plan.operations[i];

		if (!is_in(postponed, operation->target))
			continue;
		buf_reset(&text);
		operation_print(&text, operation,
		    targets_name(batch->peers.targets, operation->target));
		found.n++;
		found.n_bytes += text.n;
	}
	return found;
}

static void
tell_escalation(const struct batch *batch, uint32_t postponed,
    const char *setting, size_t waiting, int64_t limit)
{
	metrics_add(METRIC_LIMITS, setting, NULL, 1);
	for (size_t i = 0; i < targets_count(batch->peers.targets); i++)
		if (is_in(postponed, i))
			log_event(LOG_LEVEL_WARNING, "target.escalated",
			    log_string("target",
				targets_name(batch->peers.targets, i)),
			    log_int("waiting", (int64_t)waiting),
			    log_string("setting", setting),
			    log_int("limit", limit),
			    log_string("hint",
				"Whole models stand for rows on it until it "
				"is back."));
}

/* True, and told, if more would wait than may. */
static bool
is_too_much(const struct batch *batch, uint32_t postponed)
{
	const struct settings *settings = batch->settings;
	struct postponed more = count_postponed(batch, postponed);
	const struct {
		const char *setting;
		size_t waiting;
		int64_t limit;
	} bounds[] = {
	    {"limits.postponed_tasks", batch->n_waiting + more.n,
		settings->limits.postponed_tasks},
	    {"limits.postponed_bytes", batch->n_waiting_bytes + more.n_bytes,
		settings->limits.postponed_bytes},
	    /* On their way there are three copies of them. */
	    {"limits.memory_limit", 3 * more.n_bytes,
		(int64_t)(batch->room.all / 2)},
	};

	for (size_t i = 0; more.n > 0 && i < N_ELEMENTS(bounds); i++)
		if (bounds[i].waiting > (size_t)bounds[i].limit) {
			tell_escalation(batch, postponed, bounds[i].setting,
			    bounds[i].waiting, bounds[i].limit);
			return true;
		}
	return false;
}

static int
make_plan(struct batch *batch, uint32_t postponed, struct pgripple_error *err)
{
	if (batch_make_plan(batch, 0, err) < 0)
		return -1;
	if (postponed == 0)
		batch->n_waiting = batch->n_waiting_bytes = 0;
	if (!is_too_much(batch, postponed))
		return 0;
	return batch_make_plan(batch, postponed, err);
}

static int
take_postponed(
    struct batch *batch, uint32_t postponed, struct pgripple_error *err)
{
	const struct pgripple_plan *plan = &batch->plan;

	batch->postponed =
	    arena_array(batch->arena, plan->n_now, sizeof(*batch->postponed));
	if (batch->postponed == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < plan->n_operations; i++) {
		size_t target = plan->operations[i].target;

		if (is_in(postponed, target))
			batch->postponed_targets |= UINT32_C(1) << target;
		else
			batch->has_due_tasks |= i >= plan->n_now;
		if (is_in(postponed, target) && i < plan->n_now)
			batch->postponed[batch->n_postponed++] =
			    &plan->operations[i];
	}
	return 0;
}

static int
ping_operation(const struct batch *batch, const struct batch_ping *ping,
    size_t target, struct pgripple_operation *ret_operation,
    struct pgripple_error *err)
{
	const char *key = arena_printf(
	    batch->arena, "%s%s", batch_prefix(batch, target), ping->key);

	if (key == NULL)
		return pgripple_error_nomem(err);
	*ret_operation = (struct pgripple_operation){
	    .kind = PGRIPPLE_OPERATION_UNLINK,
	    .target = target,
	    .key = key,
	    .key_length = strlen(key),
	};
	return 0;
}

/* The n operations of the plan at "from" are those of this target.  Where there
 * is but one it always has a part, which proves that it is there. */
static int
add_part(struct batch *batch, size_t target, size_t from, size_t n,
    struct pgripple_error *err)
{
	struct batch_part part = {.batch = batch, .target = target};
	size_t n_pings = batch->n_pings;

	if (n + n_pings == 0 && targets_count(batch->peers.targets) > 1)
		return 0;
	part.operations =
	    arena_array(batch->arena, n + n_pings, sizeof(*part.operations));
	if (part.operations == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < n_pings; i++)
		if (ping_operation(batch, &batch->pings[i], target,
			&part.operations[i], err) < 0)
			return -1;
	if (n > 0)
		memcpy(part.operations + n_pings, batch->plan.operations + from,
		    n * sizeof(*part.operations));
	part.n_operations = n + n_pings;
	batch->parts[batch->n_parts++] = part;
	return 0;
}

static int
make_parts(struct batch *batch, uint32_t postponed, struct pgripple_error *err)
{
	const struct pgripple_plan *plan = &batch->plan;
	size_t n_targets = targets_count(batch->peers.targets);
	size_t from = 0;

	batch->parts =
	    arena_array(batch->arena, n_targets, sizeof(*batch->parts));
	if (batch->parts == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < n_targets; i++) {
		size_t n = 0;

		while (from + n < plan->n_now &&
		       plan->operations[from + n].target == i)
			n++;
		if (!is_in(postponed, i) &&
		    add_part(batch, i, from, n, err) < 0)
			return -1;
		from += n;
	}
	return 0;
}

int
batch_share_out(struct batch *batch, struct pgripple_error *err)
{
	uint32_t postponed = targets_postponed(batch->peers.targets);

	if (make_plan(batch, postponed, err) < 0 ||
	    take_postponed(batch, postponed, err) < 0)
		return -1;
	return make_parts(batch, postponed, err);
}
