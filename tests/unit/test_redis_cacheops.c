/*
 * What django-cacheops has in Redis, and what the script removes of it: against
 * a real Redis, with keys as cacheops writes them.
 */
#include <stdio.h>

#include <pgripple/change.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json_read.h"
#include "core/cacheops.h"
#include "redis/scan.h"
#include "redis_world.h"

#define VECTORS SOURCE_ROOT "/tests/unit/cacheops/vectors.jsonl"
#define MAX_CELLS 8

/* A row as the plan has it. */
struct row {
	struct pgripple_bytes values[PGRIPPLE_CACHEOPS_CELLS + MAX_CELLS];
	struct pgripple_operation operation;
};

static struct pgripple_bytes
bytes_of(const char *text)
{
	return (struct pgripple_bytes){text, strlen(text)};
}

static void
make_row(struct row *row, const char *mode, const char *layout,
    const char *fields, const char *const *cells)
{
	size_t n = PGRIPPLE_CACHEOPS_CELLS;

	row->values[0] = bytes_of("app_team");
	row->values[1] = bytes_of(mode);
	row->values[2] = bytes_of(layout);
	row->values[3] = bytes_of(fields);
	for (size_t i = 0; cells[i] != NULL; i++)
		row->values[n++] = bytes_of(cells[i]);
	row->operation =
	    world_operation(PGRIPPLE_OPERATION_CACHEOPS, "conj:app_team:");
	row->operation.values = row->values;
	row->operation.n_values = n;
}

#define ROW(row, fields, ...)                \
	make_row(row, "row", "auto", fields, \
	    (const char *const[]){__VA_ARGS__, NULL})

static void
invalidate(
    struct world *world, const struct row *row, struct applied *ret_applied)
{
	world_apply(world, &row->operation, 1, ret_applied);
	world_until(world, ret_applied->n_calls > 0);
	cr_assert_eq(ret_applied->outcome, REDIS_APPLY_DONE, "%s",
	    ret_applied->err.text);
}

/* A cache key that depends on a conjunction, in the classic layout. */
static void
cache(struct world *world, const char *scheme, const char *values,
    const char *key)
{
	world_do(world, "SADD schemes:app_team %s", scheme);
	world_do(world, "SADD conj:app_team:%s %s", values, key);
	world_do(world, "SET %s x", key);
}

static bool
is_there(struct world *world, const char *key)
{
	return world_number(world, "EXISTS %s", key) == 1;
}

Test(redis_cacheops, removes_what_depends_on_the_row_and_nothing_else)
{
	struct world world;
	struct applied applied;
	struct row row;

	world_open(&world, NULL);
	cache(&world, "", "", "q:all");
	cache(&world, "id", "id=7", "q:seven");
	cache(&world, "id", "id=8", "q:eight");
	cache(&world, "tournament_id,name", "tournament_id=1&name=a*b",
	    "as:both");
	cache(&world, "name,tournament_id", "name=a*b&tournament_id=1",
	    "as:other_order");
	cache(&world, "tournament_id,name", "tournament_id=1&name=ab", "as:no");
	ROW(&row, "id!,name!,tournament_id", "#7", "=a*b", "#1");
	invalidate(&world, &row, &applied);
	cr_expect_eq(applied.n_removed, 8);
	cr_expect_eq(applied.n_leftovers, 0);
	cr_expect_not(is_there(&world, "q:all"));
	cr_expect_not(is_there(&world, "q:seven"));
	cr_expect_not(is_there(&world, "as:both"));
	cr_expect_not(is_there(&world, "as:other_order"));
	cr_expect(is_there(&world, "q:eight"));
	cr_expect(is_there(&world, "as:no"));
	cr_expect(is_there(&world, "conj:app_team:id=8"));
	cr_expect_eq(world_number(&world, "SCARD schemes:app_team"), 4);
	world_close(&world);
}

/* A switch of layout leaves the keys of the other one behind. */
Test(redis_cacheops, removes_stamps_and_sets_alike)
{
	struct world world;
	struct applied applied;
	struct row row;

	world_open(&world, NULL);
	cache(&world, "open", "open=true", "q:classic");
	world_do(&world, "SET conj:app_team:open=True stamp");
	world_do(&world, "SET conj:app_team:open=False stamp");
	ROW(&row, "open!", "bt");
	invalidate(&world, &row, &applied);
	cr_expect_eq(applied.n_removed, 3);
	cr_expect(is_there(&world, "conj:app_team:open=False"));
	make_row(
	    &row, "row", "classic", "open!", (const char *const[]){"bf", NULL});
	invalidate(&world, &row, &applied);
	cr_expect(is_there(&world, "conj:app_team:open=False"));
	make_row(&row, "row", "insideout", "open!",
	    (const char *const[]){"bf", NULL});
	invalidate(&world, &row, &applied);
	cr_expect_not(is_there(&world, "conj:app_team:open=False"));
	world_close(&world);
}

Test(redis_cacheops, knows_null_and_what_outer_joins_did_not_find)
{
	struct world world;
	struct applied applied;
	struct row row;

	world_open(&world, NULL);
	cache(&world, "captain_id", "captain_id=userdata: (nil)", "q:none");
	cache(&world, "id", "id=userdata: (nil)", "q:outer");
	world_do(&world, "SET conj:app_team:captain_id=None stamp");
	world_do(&world, "SET conj:app_team:id=None stamp");
	ROW(&row, "id!,captain_id", "#1", "#5");
	invalidate(&world, &row, &applied);
	cr_expect(is_there(&world, "q:none"));
	cr_expect(is_there(&world, "conj:app_team:captain_id=None"));
	cr_expect_not(is_there(&world, "q:outer"));
	cr_expect_not(is_there(&world, "conj:app_team:id=None"));
	ROW(&row, "id!,captain_id", "#1", "0");
	invalidate(&world, &row, &applied);
	cr_expect_not(is_there(&world, "q:none"));
	cr_expect_not(is_there(&world, "conj:app_team:captain_id=None"));
	world_close(&world);
}

Test(redis_cacheops, takes_a_field_by_both_of_its_names)
{
	struct world world;
	struct applied applied;
	struct row row;

	world_open(&world, NULL);
	cache(&world, "owner_id", "owner_id=3", "q:attname");
	cache(&world, "own", "own=3", "q:column");
	ROW(&row, "owner_id=own", "#3");
	invalidate(&world, &row, &applied);
	cr_expect_not(is_there(&world, "q:attname"));
	cr_expect_not(is_there(&world, "q:column"));
	world_close(&world);
}

Test(redis_cacheops, answers_with_patterns_where_a_value_is_not_known)
{
	struct world world;
	struct applied applied;
	struct row row;

	world_open(&world, NULL);
	cache(&world, "name,notes", "name=a*b&notes=x", "q:notes");
	cache(&world, "name", "name=a*b", "q:name");
	ROW(&row, "name!", "=a*b");
	world_apply(&world, &row.operation, 1, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_assert_eq(applied.n_leftovers, 1);
	cr_expect(applied.leftovers[0].is_pattern);
	cr_expect_str_eq(applied.keys[0], "conj:app_team:name=a\\*b&notes=*");
	cr_expect_not(is_there(&world, "q:name"));
	cr_expect(is_there(&world, "q:notes"));
	/* Of a part of a row only what is known counts. */
	make_row(
	    &row, "part", "auto", "name!", (const char *const[]){"=a*b", NULL});
	invalidate(&world, &row, &applied);
	cr_expect_eq(applied.n_leftovers, 0);
	world_close(&world);
}

struct scanned {
	int n_calls;
	bool is_last;
	uint64_t n_removed;
	char cursor[REDIS_CURSOR_TEXT];
};

static void
on_scanned(void *context, enum redis_apply_outcome outcome,
    const struct redis_scan_result *result,
    const struct pgripple_error *err UNUSED)
{
	struct scanned *scanned = context;

	scanned->n_calls++;
	cr_assert_eq(outcome, REDIS_APPLY_DONE);
	scanned->n_removed += result->n_removed;
	scanned->is_last = result->is_last;
	strcpy(scanned->cursor, result->next_cursor);
}

/* Large sets are drained, strings removed, other tables left alone. */
Test(redis_cacheops, drops_what_a_pattern_finds)
{
	struct pgripple_operation scan =
	    world_operation(PGRIPPLE_OPERATION_SCAN, "conj:app_team:*");
	struct scanned scanned = {.cursor = "0"};
	struct world world;

	scan.each = PGRIPPLE_OPERATION_CONJ;
	world_open(&world, NULL);
	for (int i = 0; i < 3 * TAG_MEMBERS; i++) {
		world_do(&world, "SADD conj:app_team: q:%d", i);
		world_do(&world, "SET q:%d x", i);
	}
	world_do(&world, "SET conj:app_team:id=1 stamp");
	world_do(&world, "SADD conj:app_game:id=1 q:game");
	world_do(&world, "SADD schemes:app_team id");
	for (int i = 0; i < 50 && !scanned.is_last; i++) {
		struct redis_scan wanted = {
		    scanned.cursor, &scan, 100, TAG_MEMBERS};
		struct pgripple_error err;
		int n_calls = scanned.n_calls;

		cr_assert_eq(redis_scan_step(world.conn, &wanted, on_scanned,
				 &scanned, &err),
		    0);
		world_until(&world, scanned.n_calls > n_calls);
	}
	cr_expect(scanned.is_last);
	cr_expect_eq(scanned.n_removed, 3 * TAG_MEMBERS + 1);
	cr_expect_eq(world_number(&world, "DBSIZE"), 2);
	world_close(&world);
}

Test(redis_cacheops, puts_a_large_dependency_aside_and_tells_of_it_again)
{
	struct pgripple_operation drain = world_operation(
	    PGRIPPLE_OPERATION_CONJ, "pgripple:drain:conj:app_team:8");
	struct world world;
	struct applied applied;
	struct row row;

	world_open(&world, NULL);
	for (int i = 0; i <= TAG_MEMBERS; i++) {
		world_do(&world, "SADD conj:app_team:id=1 q:%d", i);
		world_do(&world, "SET q:%d x", i);
	}
	world_do(&world, "SADD schemes:app_team id");
	ROW(&row, "id!", "#1");
	invalidate(&world, &row, &applied);
	cr_expect_eq(applied.n_leftovers, 1);
	cr_expect_not(applied.leftovers[0].is_pattern);
	cr_expect_not(is_there(&world, "conj:app_team:id=1"));
	/* As after a crash, by any row of the table. */
	ROW(&row, "id!", "#2");
	world_apply(&world, &row.operation, 1, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_assert_eq(applied.n_leftovers, 1);
	cr_expect_str_eq(applied.keys[0], drain.key);
	for (int i = 0; i < 2; i++) {
		world_apply(&world, &drain, 1, &applied);
		world_until(&world, applied.n_calls > 0);
	}
	cr_expect_eq(world_number(&world, "DBSIZE"), 1);
	world_close(&world);
}

/* More than one call may do; what is not done goes into the next. */
Test(redis_cacheops, does_many_rows_in_bounded_calls)
{
	struct row rows[300];
	struct pgripple_operation operations[300];
	char ids[300][16];
	struct world world;
	struct applied applied;

	world_open(&world, NULL);
	for (int i = 0; i < 20; i++)
		world_do(&world, "SADD schemes:app_team id,f%d,id", i);
	world_do(&world, "SADD schemes:app_team id");
	for (int i = 0; i < 300; i++) {
		char key[40], value[40];

		(void)snprintf(ids[i], sizeof(ids[i]), "#%d", i);
		(void)snprintf(key, sizeof(key), "q:%d", i);
		(void)snprintf(value, sizeof(value), "id=%d", i);
		cache(&world, "id", value, key);
		make_row(&rows[i], "part", "auto", "id!",
		    (const char *const[]){ids[i], NULL});
		operations[i] = rows[i].operation;
	}
	world_do(&world, "CONFIG RESETSTAT");
	world_apply(&world, operations, 300, &applied);
	world_until(&world, applied.n_calls > 0);
	cr_expect_eq(applied.outcome, REDIS_APPLY_DONE);
	cr_expect_eq(applied.n_removed, 600);
	cr_expect_eq(world_number(&world, "DBSIZE"), 1);
	world_close(&world);
}

/* The vectors: values as Postgres shows them, and keys as cacheops of both
 * layouts wrote them. */

struct vectors {
	struct arena *arena;
	struct world world;
	struct row row;
	struct buf cell;
	char fields[8];
};

static enum cacheops_kind
kind_of(const char *type)
{
	static const struct {
		const char *prefix;
		const char *type;
		bool text_equality;
	} types[] = {
	    {"int2", "smallint", true},
	    {"int4", "integer", true},
	    {"int8", "bigint", true},
	    {"bool", "boolean", true},
	    {"any", "bigint", true},
	    {"numeric", "numeric", false},
	    {"float8", "double precision", false},
	    {"varchar", "character varying", true},
	    {"bpchar", "bpchar", false},
	    {"date", "date", true},
	    {"timestamptz", "timestamp with time zone", true},
	    {"time", "time without time zone", false},
	    {"uuid", "uuid", true},
	    {"inet", "inet", false},
	    {"interval", "interval", false},
	};

	for (size_t i = 0; i < N_ELEMENTS(types); i++) {
		struct pgripple_column column = {.type = types[i].type,
		    .text_equality = types[i].text_equality};

		if (strncmp(types[i].prefix, type, strlen(types[i].prefix)) ==
		    0)
			return cacheops_kind_of_type(&column);
	}
	cr_assert(false, "type \"%s\"", type);
	return CACHEOPS_OPAQUE;
}

static struct pgripple_value
value_of(struct vectors *vectors, const struct json *jsonb)
{
	struct pgripple_value value = {PGRIPPLE_VALUE_TEXT, 0, NULL};
	struct pgripple_error err;
	struct json *json;

	cr_assert_eq(
	    json_read(vectors->arena, jsonb->text, jsonb->length, &json, &err),
	    0);
	if (json->kind == JSON_NULL)
		value.kind = PGRIPPLE_VALUE_NULL;
	value.text = json->kind == JSON_TRUE    ? "true"
		     : json->kind == JSON_FALSE ? "false"
						: json->text;
	if (value.text != NULL)
		value.length = (uint32_t)(json->kind == JSON_NUMBER ||
						  json->kind == JSON_STRING
					      ? json->length
					      : strlen(value.text));
	return value;
}

/* Both keys are there, one that is spelled a little longer stays. */
static void
check_vector(struct vectors *vectors, const struct json *vector)
{
	const struct json *type = json_member(vector, "type");
	const struct json *classic = json_member(vector, "classic");
	const struct json *insideout = json_member(vector, "insideout");
	struct pgripple_value value =
	    value_of(vectors, json_member(vector, "jsonb"));
	enum cacheops_kind kind = kind_of(type->text);
	struct world *world = &vectors->world;
	struct applied applied;

	buf_reset(&vectors->cell);
	cacheops_print_cell(&vectors->cell, kind, &value);
	world_do(world, "SADD conj:app_team:x=%b q:1", classic->text,
	    classic->length);
	world_do(world, "SET conj:app_team:x=%b~ stays", classic->text,
	    classic->length);
	if (!json_is(insideout, classic->text))
		world_do(world, "SET conj:app_team:x=%b stamp", insideout->text,
		    insideout->length);
	make_row(&vectors->row, "row", "auto", "x",
	    (const char *const[]){buf_string(&vectors->cell), NULL});
	invalidate(world, &vectors->row, &applied);
	if (kind == CACHEOPS_OPAQUE) {
		cr_expect_eq(applied.n_leftovers, 1);
	} else {
		cr_expect_eq(applied.n_leftovers, 0);
		cr_expect_eq(world_number(world, "DBSIZE"), 2,
		    "%s \"%s\" is %s", type->text, classic->text,
		    buf_string(&vectors->cell));
	}
	world_do(world, "FLUSHALL");
	world_do(world, "SADD schemes:app_team x");
}

Test(redis_cacheops, spells_every_value_as_cacheops_does)
{
	struct vectors vectors = {.arena = arena_new()};
	FILE *file = fopen(VECTORS, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int n = 0;

	cr_assert_not_null(file);
	world_open(&vectors.world, NULL);
	world_do(&vectors.world, "SADD schemes:app_team x");
	while ((length = getline(&line, &size, file)) > 0) {
		struct pgripple_error err;
		struct json *vector;

		cr_assert_eq(json_read(vectors.arena, line, (size_t)length,
				 &vector, &err),
		    0);
		check_vector(&vectors, vector);
		n++;
	}
	cr_expect_gt(n, 250);
	(void)fclose(file);
	free(line);
	buf_done(&vectors.cell);
	arena_free(vectors.arena);
	world_close(&vectors.world);
}
