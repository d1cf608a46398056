/*
 * How fast the pure core is, without a server: loading graphs, decoding,
 * walking and planning.  Times are processor time of this one thread, the best
 * of several rounds.
 *
 *	core		prints all figures
 *	core --check	the same; status 1 if one is out of its bounds
 *	core --count N	puts N batches through, for bench/guard.sh to count
 *			instructions; prints the number of changes
 *
 * A change here is one single-row UPDATE as a trigger writes it, both images
 * with two columns, that touches its own row and the one that it refers to:
 * two touched rows, two keys.  They come in batches of 500, as the daemon
 * fetches them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <pgripple/change.h>
#include <pgripple/plan.h>
#include <pgripple/walk.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/util.h"
#include "config/yaml.h"

#define N_ROUNDS 7
#define N_BATCHES 100 /* of a round */
#define BATCH 500

/* Bounds of --check. */
#define MAX_LOAD_MS 100.0
#define MAX_RATIO 1.3
#define MAX_SPREAD_RATIO 2.5
#define MAX_BATCH_BYTES (4.0 * 1024 * 1024)

static const struct pgripple_limits limits = {
    .touched_rows = 100000,
    .lookup_rows = 10000,
    .lookup_keys = 10000,
};

static void
require(bool condition, const char *what)
{
	if (condition)
		return;
	(void)fprintf(stderr, "core: %s failed\n", what);
	exit(2);
}

static double
seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Graphs. */

/* Models in a ring, each with relations to the models after it; the rows that
 * these touch pass on to no others, so that none needs a lookup. */
static void
print_graph(struct buf *yaml, size_t n_models, size_t n_relations)
{
	buf_add_string(yaml, "models:\n");
	for (size_t i = 0; i < n_models; i++)
		buf_printf(yaml,
		    "  model%zu: { table: app_model%zu, "
		    "invalidate: [\"model%zu:{id}\"] }\n",
		    i, i, i);
	buf_add_string(yaml, "relations:\n");
	for (size_t i = 0; i < n_relations; i++) {
		size_t from = i % n_models;
		size_t nth = i / n_models + 1;

		buf_printf(yaml,
		    "  - model%zu.ref%zu -> model%zu.id: "
		    "{ transitive: false }\n",
		    from, nth, (from + nth) % n_models);
	}
}

static struct pgripple_graph *
load(const struct buf *yaml)
{
	struct arena *arena = arena_new();
	struct pgripple_errors errors = {0};
	struct pgripple_graph *graph;
	struct node *root;

	require(yaml_parse(arena, "graph.yaml", yaml->bytes, yaml->n, &errors,
		    &root) == 0,
	    "parsing");
	require(
	    pgripple_graph_load(root, &errors, &graph) == 0, "loading a graph");
	arena_free(arena);
	return graph;
}

static struct pgripple_graph *
make_graph(size_t n_models, size_t n_relations)
{
	struct buf yaml = BUF_INIT;
	struct pgripple_graph *graph;
	struct pgripple_error err;

	print_graph(&yaml, n_models, n_relations);
	graph = load(&yaml);
	buf_done(&yaml);
	for (size_t i = 0; i < graph->n_tables; i++)
		for (size_t j = 0; j < graph->tables[i].n_columns; j++)
			require(pgripple_graph_describe(graph,
				    &graph->tables[i].columns[j], "bigint",
				    true, &err) == 0,
			    "describing a column");
	pgripple_graph_settle(graph);
	for (size_t i = 0; i < graph->n_relations; i++)
		require(graph->relations[i].direct, "a direct relation");
	return graph;
}

static double
load_ms(size_t n_models, size_t n_relations)
{
	struct buf yaml = BUF_INIT;
	double best = 1e9;

	print_graph(&yaml, n_models, n_relations);
	for (int i = 0; i < N_ROUNDS; i++) {
		double start = seconds();
		struct pgripple_graph *graph = load(&yaml);
		double taken = (seconds() - start) * 1000;

		best = taken < best ? taken : best;
		pgripple_graph_free(graph);
	}
	buf_done(&yaml);
	return best;
}

/* Batches. */

struct batch {
	const struct pgripple_graph *graph;
	struct buf json[BATCH];
	size_t n_refs; /* of a model */
	size_t n_targets; /* rows that these refer to */
};

struct times {
	double decode, walk, plan;
	size_t n_touches;
	size_t bytes; /* of one batch */
};

static void
print_image(struct buf *json, size_t id, const struct batch *batch)
{
	buf_printf(json, "[{\"id\":%zu", id);
	for (size_t i = 1; i <= batch->n_refs; i++)
		buf_printf(json, ",\"ref%zu\":%zu", i,
		    (id * 10 + i) % batch->n_targets);
	buf_add_string(json, "}]");
}

/* Updates of different rows, spread over the first n_models. */
static void
batch_init(struct batch *batch, const struct pgripple_graph *graph,
    size_t n_models, size_t n_targets)
{
	batch->graph = graph;
	batch->n_targets = n_targets;
	batch->n_refs = graph->n_relations / graph->n_models;
	for (size_t i = 0; i < BATCH; i++) {
		struct buf *json = &batch->json[i];

		*json = BUF_INIT;
		buf_printf(json,
		    "{\"table\":\"public.app_model%zu\","
		    "\"op\":\"update\",\"old\":",
		    i % n_models);
		print_image(json, 100000 + i, batch);
		buf_add_string(json, ",\"new\":");
		print_image(json, 100000 + i, batch);
		buf_add_string(json, ",\"changed\":[\"name\"]}");
	}
}

static void
batch_done(struct batch *batch)
{
	for (size_t i = 0; i < BATCH; i++)
		buf_done(&batch->json[i]);
}

static void
decode(const struct batch *batch, struct arena *arena,
    struct pgripple_change *changes)
{
	struct pgripple_error err;

	for (size_t i = 0; i < BATCH; i++)
		require(pgripple_change_decode(arena, batch->graph,
			    batch->json[i].bytes, batch->json[i].n, &changes[i],
			    &err) == PGRIPPLE_DECODE_DONE,
		    "decoding");
}

static void
walk_all(struct pgripple_walk *walk, const struct pgripple_change *changes)
{
	struct pgripple_error err;

	for (size_t i = 0; i < BATCH; i++)
		require(pgripple_walk_add(walk, &changes[i], &err) == 0,
		    "adding a change");
	require(pgripple_walk_step(walk, &err) == PGRIPPLE_WALK_DONE,
	    "walking without lookups");
}

/* One batch from text to operations; the times are added up. */
static void
run_batch(const struct batch *batch, struct times *times)
{
	double start = seconds(), decoded, walked;
	struct pgripple_walk *walk = pgripple_walk_new(batch->graph, &limits);
	struct arena *arena = pgripple_walk_arena(walk);
	struct pgripple_change *changes =
	    arena_array(arena, BATCH, sizeof(*changes));
	struct pgripple_plan plan;
	struct pgripple_error err;

	decode(batch, arena, changes);
	decoded = seconds();
	walk_all(walk, changes);
	walked = seconds();
	require(pgripple_plan_make(walk, 0, &plan, &err) == 0, "planning");
	times->n_touches += pgripple_walk_n_touches(walk);
	times->bytes = arena_size(arena);
	pgripple_walk_free(walk);
	times->plan += seconds() - walked;
	times->walk += walked - decoded;
	times->decode += decoded - start;
}

static struct times
run_round(const struct batch *batch)
{
	struct times times = {0};

	for (int i = 0; i < N_BATCHES; i++)
		run_batch(batch, &times);
	return times;
}

static void
keep_best(struct times *best, const struct times *times)
{
	best->decode =
	    times->decode < best->decode ? times->decode : best->decode;
	best->walk = times->walk < best->walk ? times->walk : best->walk;
	best->plan = times->plan < best->plan ? times->plan : best->plan;
	best->n_touches = times->n_touches;
	best->bytes = times->bytes;
}

/* The best of each stage; rounds of both graphs take turns, so that what
 * disturbs one disturbs the other. */
static void
measure(const struct batch *first, const struct batch *second,
    struct times *ret_first, struct times *ret_second)
{
	*ret_first = *ret_second = (struct times){1e9, 1e9, 1e9, 0, 0};
	for (int i = 0; i < N_ROUNDS; i++) {
		struct times times = run_round(first);

		keep_best(ret_first, &times);
		times = run_round(second);
		keep_best(ret_second, &times);
	}
}

/* Figures. */

static void
print_rate(const char *what, double taken)
{
	(void)printf("%-50s %11.0f /s\n", what, N_BATCHES * BATCH / taken);
}

static double
walk_ns(const struct times *times)
{
	return times->walk * 1e9 / (double)times->n_touches;
}

static bool
check(const char *what, double value, double bound)
{
	if (value <= bound)
		return true;
	(void)printf("%s: %.2f is above %.2f\n", what, value, bound);
	return false;
}

static struct times
show_speed(const struct pgripple_graph *graph)
{
	struct batch batch;
	struct times times, again;

	batch_init(&batch, graph, graph->n_models, 97);
	measure(&batch, &batch, &times, &again);
	batch_done(&batch);
	keep_best(&times, &again);
	print_rate("changes decoded", times.decode);
	print_rate("changes walked", times.walk);
	print_rate("changes planned", times.plan);
	print_rate(
	    "changes resolved (walked and planned)", times.walk + times.plan);
	print_rate("changes decoded and resolved",
	    times.decode + times.walk + times.plan);
	(void)printf("%-50s %11.2f\n", "touched rows of a change",
	    (double)times.n_touches / N_BATCHES / BATCH);
	(void)printf(
	    "%-50s %11zu kB\n", "memory of a batch of 500", times.bytes / 1024);
	return times;
}

/* Of the large graph against the small one, by touched rows.  Where a batch
 * has rows of all models, their many relations do not stay in the cache. */
static double
show_ratio(const char *what, const struct pgripple_graph *small,
    const struct pgripple_graph *large, size_t n_models)
{
	struct batch few, many;
	struct times with_few, with_many;
	double ratio;

	batch_init(&few, small, small->n_models, SIZE_MAX);
	batch_init(&many, large, n_models, SIZE_MAX);
	measure(&few, &many, &with_few, &with_many);
	batch_done(&few);
	batch_done(&many);
	ratio = walk_ns(&with_many) / walk_ns(&with_few);
	(void)printf("%-50s %11.0f ns, 5 models: %.0f ns, ratio %.2f\n", what,
	    walk_ns(&with_many), walk_ns(&with_few), ratio);
	return ratio;
}

/* The same work each time, but for addresses. */
static int
count(const char *n_batches)
{
	struct pgripple_graph *graph = make_graph(5, 5);
	struct times times = {0};
	struct batch batch;
	long n = strtol(n_batches, NULL, 10);

	batch_init(&batch, graph, graph->n_models, 97);
	for (long i = 0; i < n; i++)
		run_batch(&batch, &times);
	batch_done(&batch);
	pgripple_graph_free(graph);
	(void)printf("%ld\n", n * BATCH);
	return 0;
}

int
main(int argc, char **argv)
{
	struct pgripple_graph *ring, *small, *large;
	struct times times;
	double ratio, spread, ms;
	bool is_good;

	heap_keep(); /* as the daemon does */
	if (argc == 3 && strcmp(argv[1], "--count") == 0)
		return count(argv[2]);
	ring = make_graph(5, 5);
	small = make_graph(5, 20);
	large = make_graph(500, 2000);
	times = show_speed(ring);
	ratio = show_ratio(
	    "walk per touched row, 500 models, 5 in a batch", small, large, 5);
	spread = show_ratio("walk per touched row, 500 models, all in a batch",
	    small, large, 500);
	ms = load_ms(500, 2000);
	(void)printf(
	    "%-50s %11.1f ms\n", "loading 500 models and 2,000 relations", ms);
	pgripple_graph_free(ring);
	pgripple_graph_free(small);
	pgripple_graph_free(large);
	if (argc < 2 || strcmp(argv[1], "--check") != 0)
		return 0;
	is_good = check("the ratio", ratio, MAX_RATIO);
	is_good &= check("the ratio, all in a batch", spread, MAX_SPREAD_RATIO);
	is_good &= check("loading", ms, MAX_LOAD_MS);
	is_good &=
	    check("memory of a batch", (double)times.bytes, MAX_BATCH_BYTES);
	return is_good ? 0 : 1;
}
