/*
 * Lookups.
 *
 *	SELECT row_to_json(image.*) FROM "public"."app_team" AS t
 *	CROSS JOIN LATERAL (SELECT t.id AS "id", ...) AS image
 *	WHERE t."captain_id" OPERATOR(pg_catalog.=) ANY ($1::bigint[])
 *	LIMIT 10001
 *
 * The keys are texts of the type that they were captured from: so that is what
 * they are read as, and the operators between types do the rest.  Operators
 * are named with their schema, for the search path has only the server's own.
 */
#include "postgres/lookup.h"

#include "postgres/command.h"
#include "postgres/image.h"
#include "postgres/quote.h"
#include "postgres/request.h"

/* Of a row in memory beside its image: libpq's and ours. */
#define ROW_BYTES 100

struct wait {
	lookup_cb done;
	void *context;
	bool is_group; /* the lookup's number comes before the image */
};

/* Which column is compared with which key. */
struct pair {
	const struct catalog_column *from; /* the key's */
	const struct catalog_column *to;
	enum catalog_match match;
};

/* What a lookup is about. */
struct about {
	const struct catalog_table *to;
	struct pair pairs[PGRIPPLE_MAX_MATCH];
	size_t n_pairs;
};

static struct pair
find_pair(const struct pgripple_graph *graph, const struct catalog *catalog,
    const struct pgripple_lookup *lookup, size_t i)
{
	const struct pgripple_relation *relation = lookup->relation;
	const struct catalog_table *to =
	    &catalog->tables[lookup->model->table - graph->tables];
	struct pair pair = {.to = &to->columns[lookup->columns[i]]};

	/* Keys given by hand are of the column's own type. */
	if (relation == NULL) {
		pair.from = pair.to;
		pair.match = pair.to->equality != NULL ? CATALOG_MATCH_DIRECT
						       : CATALOG_NO_MATCH;
		return pair;
	}
	pair.from = &catalog->tables[relation->from->table - graph->tables]
			 .columns[relation->from_columns[i]];
	pair.match = catalog->relations[relation->index].matches[i];
	return pair;
}

static int
find_out(const struct pgripple_graph *graph, const struct catalog *catalog,
    const struct pgripple_lookup *lookup, struct about *ret_about,
    struct pgripple_error *err)
{
	const struct pgripple_table *to = lookup->model->table;
	struct about about = {
	    .to = &catalog->tables[to - graph->tables],
	    .n_pairs = lookup->n_columns,
	};
	bool is_known = about.to->quoted != NULL;

	for (size_t i = 0; is_known && i < lookup->n_columns; i++) {
		about.pairs[i] = find_pair(graph, catalog, lookup, i);
		is_known = about.pairs[i].match != CATALOG_NO_MATCH;
	}
	for (size_t i = 0; i < to->n_columns; i++)
		if (pgripple_columns_has(&lookup->wanted, i) &&
		    about.to->columns[i].value == NULL)
			is_known = false;
	if (!is_known)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the catalog gave no way to look %s \"%s\" up",
		    lookup->relation != NULL ? "relation" : "model",
		    lookup->relation != NULL ? lookup->relation->name
					     : lookup->model->name);
	*ret_about = about;
	return 0;
}

/* "t.y::type OPERATOR(schema.=) " */
static void
print_left(struct buf *sql, const struct pair *pair)
{
	buf_printf(sql, "t.%s", pair->to->quoted);
	if (pair->match == CATALOG_MATCH_CAST_ROW)
		buf_printf(
		    sql, "::%s %s ", pair->from->type, pair->from->equality);
	else
		buf_printf(sql, " %s ", pair->to->equality);
}

/* "$1::type[]" */
static void
print_keys(struct buf *sql, const struct about *about, int first, size_t i)
{
	const struct pair *pair = &about->pairs[i];

	buf_printf(sql, "$%zu::%s[]", (size_t)first + i, pair->from->type);
	if (pair->match == CATALOG_MATCH_CAST_KEY)
		buf_printf(sql, "::%s[]", pair->to->type);
}

static void
print_condition(struct buf *sql, const struct about *about, int first)
{
	size_t n = about->n_pairs;

	if (n == 1) {
		print_left(sql, &about->pairs[0]);
		buf_add_string(sql, "ANY (");
		print_keys(sql, about, first, 0);
		buf_add_char(sql, ')');
		return;
	}
	buf_add_string(sql, "EXISTS (SELECT FROM unnest(");
	for (size_t i = 0; i < n; i++) {
		buf_add_string(sql, i > 0 ? ", " : "");
		print_keys(sql, about, first, i);
	}
	buf_add_string(sql, ") AS k (");
	for (size_t i = 0; i < n; i++)
		buf_printf(sql, "%sk%zu", i > 0 ? ", " : "", i);
	buf_add_string(sql, ") WHERE ");
	for (size_t i = 0; i < n; i++) {
		buf_add_string(sql, i > 0 ? " AND " : "");
		print_left(sql, &about->pairs[i]);
		buf_printf(sql, "k.k%zu", i);
	}
	buf_add_char(sql, ')');
}

static void
add_keys(struct request *request, const struct pgripple_lookup *lookup)
{
	size_t n_columns = lookup->n_columns;

	for (size_t column = 0; column < n_columns; column++) {
		struct buf *array = request_value(request);

		array_open(array);
		for (size_t i = 0; i < lookup->n_keys; i++) {
			const struct pgripple_value *value =
			    &lookup->keys[i * n_columns + column];

			array_add(array, value->text, value->length);
		}
		array_close(array);
	}
}

static void
print_lookup(struct request *request, const struct about *about,
    const struct pgripple_lookup *lookup, size_t max_rows)
{
	struct buf *sql = &request->sql;
	size_t n_wanted =
	    image_print(sql, lookup->model->table, about->to, &lookup->wanted);

	buf_add_string(sql, " WHERE ");
	print_condition(sql, about, request->n_values + 1);
	/* Rows of which nothing is wanted are all the same. */
	buf_printf(sql, " LIMIT %zu", n_wanted > 0 ? max_rows + 1 : 1);
	add_keys(request, lookup);
}

static void
on_answer(void *context, const struct session_answer *answer)
{
	struct wait wait = *(struct wait *)context;
	size_t n = rows_count(&answer->rows);
	struct lookup_row *rows = calloc(n + 1, sizeof(*rows));
	struct pgripple_error err;

	free(context);
	if (rows == NULL) {
		pgripple_error_nomem(&err);
		wait.done(wait.context, SESSION_FAILED, NULL, 0, &err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct lookup_row){
		    .number = wait.is_group
				  ? (size_t)rows_int(&answer->rows, i, 0)
				  : 0,
		    .image = rows_text(&answer->rows, i, wait.is_group),
		    .length = rows_length(&answer->rows, i, wait.is_group),
		};
	wait.done(wait.context, answer->outcome, rows, n, answer->err);
	free(rows);
}

/* How many of the first ones can be sent together. */
static int
find_out_all(const struct lookup_group *group, struct about *abouts,
    size_t *ret_n, struct pgripple_error *err)
{
	size_t n_values = 0, n = 0;

	for (; n < group->n_lookups; n++) {
		n_values += group->lookups[n]->n_columns;
		if (n > 0 && n_values > REQUEST_MAX_VALUES)
			break;
		if (find_out(group->graph, group->catalog, group->lookups[n],
			&abouts[n], err) == 0)
			continue;
		if (n == 0)
			return -1;
		break;
	}
	*ret_n = n;
	return 0;
}

/* "SELECT 0, l.image::text FROM (...) AS l (image)" */
static void
print_numbered(struct request *request, const struct about *abouts,
    const struct lookup_group *group, size_t i)
{
	buf_printf(&request->sql, "SELECT %zu, l.image::text FROM (", i);
	print_lookup(request, &abouts[i], group->lookups[i], group->max_rows);
	buf_add_string(&request->sql, ") AS l (image)");
}

/*
 * The server stops where the answer would take more room than there is: the
 * row that passes the bound comes without its image, what is behind it not at
 * all.
 *
 *	SELECT number, CASE WHEN bytes <= 5000 THEN image END FROM (
 *	SELECT number, image, octet_length(image) + 100 AS own,
 *	sum(octet_length(image) + 100) OVER (ROWS UNBOUNDED PRECEDING) AS bytes
 *	FROM (...) AS r (number, image)) AS s WHERE bytes - own <= 5000
 */
static void
print_bounded(struct request *request, const struct about *abouts,
    const struct lookup_group *group, size_t i)
{
	struct buf *sql = &request->sql;
	size_t max_bytes = group->max_bytes / group->n_lookups;

	buf_printf(sql,
	    "SELECT number, CASE WHEN bytes <= %zu THEN image END FROM ("
	    "SELECT number, image, octet_length(image) + %d AS own, "
	    "sum(octet_length(image) + %d) OVER (ROWS UNBOUNDED PRECEDING) "
	    "AS bytes FROM (",
	    max_bytes, ROW_BYTES, ROW_BYTES);
	print_numbered(request, abouts, group, i);
	buf_printf(sql, ") AS r (number, image)) AS s WHERE bytes - own <= %zu",
	    max_bytes);
}

static void
print_group(struct request *request, const struct about *abouts,
    const struct lookup_group *group)
{
	for (size_t i = 0; i < group->n_lookups; i++) {
		if (i > 0)
			buf_add_string(&request->sql, " UNION ALL ");
		if (group->max_bytes > 0)
			print_bounded(request, abouts, group, i);
		else
			print_numbered(request, abouts, group, i);
	}
}

int
lookup_submit_group(struct session *session, struct lookup_group *group,
    lookup_cb done, void *context, struct pgripple_error *err)
{
	struct about abouts[LOOKUP_MAX_GROUP];
	struct request request = {0};
	struct wait *wait;

	if (find_out_all(group, abouts, &group->n_lookups, err) != 0)
		return -1;
	wait = malloc(sizeof(*wait));
	if (wait == NULL)
		return pgripple_error_nomem(err);
	*wait = (struct wait){
	    done, context, group->n_lookups > 1 || group->max_bytes > 0};
	if (wait->is_group)
		print_group(&request, abouts, group);
	else
		print_lookup(
		    &request, abouts, group->lookups[0], group->max_rows);
	if (request_submit(&request, session, false, on_answer, wait, err) !=
	    0) {
		free(wait);
		return -1;
	}
	return 0;
}

int
lookup_submit(struct session *session, const struct pgripple_graph *graph,
    const struct catalog *catalog, const struct pgripple_lookup *lookup,
    size_t max_rows, lookup_cb done, void *context, struct pgripple_error *err)
{
	struct lookup_group group = {
	    .graph = graph,
	    .catalog = catalog,
	    .lookups = {lookup},
	    .n_lookups = 1,
	    .max_rows = max_rows,
	};

	return lookup_submit_group(session, &group, done, context, err);
}

int
lookup_run(struct command *command, const struct pgripple_graph *graph,
    const struct catalog *catalog, const struct pgripple_lookup *lookup,
    size_t max_rows, struct buf *ret_sql, struct rows *ret_rows,
    struct pgripple_error *err)
{
	const char *values[REQUEST_MAX_VALUES];
	struct request request = {0};
	struct about about;
	int failed;

	if (find_out(graph, catalog, lookup, &about, err) != 0)
		return -1;
	print_lookup(&request, &about, lookup, max_rows);
	buf_add(ret_sql, request.sql.bytes, request.sql.n);
	failed = request_values(&request, values, err) != 0 ||
		 command_query(command, request.sql.bytes, request.n_values,
		     values, ret_rows, err) != 0;
	request_done(&request);
	return failed ? -1 : 0;
}
