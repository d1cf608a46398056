/*
 * A survey of the catalog.
 *
 * Questions are asked one after the other; each is an entry in a table, with
 * the function that words it (and may find it needless) and the function that
 * understands its rows.  Whole arrays go into a question as one parameter, so
 * their number does not depend on the size of the graph.
 *
 * A name is looked up exactly as it stands in the graph, which has already
 * folded it.
 */
#include "postgres/survey.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "postgres/quote.h"
#include "postgres/survey_private.h"

struct question {
	bool (*ask)(struct survey *survey, struct request *request);
	int (*take)(struct survey *survey, const struct rows *rows,
	    struct pgripple_error *err);
};

const char *
survey_keep(struct survey *survey, const struct rows *rows, size_t row,
    int column, bool *failed)
{
	const char *text = rows_text(rows, row, column);
	char *copy;

	if (text == NULL)
		return NULL;
	copy = arena_strdup(survey->catalog->arena, text);
	if (copy == NULL)
		*failed = true;
	return copy;
}

static const struct question questions[] = {
    {survey_ask_tables, survey_take_tables},
    {survey_ask_all_columns, survey_take_all_columns},
    {survey_ask_columns, survey_take_columns},
    {survey_ask_links, survey_take_links},
    {survey_ask_names, survey_take_names},
    {survey_ask_casts, survey_take_casts},
    {survey_ask_installed, survey_take_installed},
    {survey_ask_versions, survey_take_versions},
    {survey_ask_values, survey_take_values},
    {survey_ask_watched, survey_take_watched},
};

bool
survey_next(struct survey *survey, struct request *ret_request)
{
	while (survey->question < N_ELEMENTS(questions)) {
		struct request request = {0};

		if (questions[survey->question++].ask(survey, &request)) {
			*ret_request = request;
			return true;
		}
		request_done(&request);
	}
	return false;
}

int
survey_take(
    struct survey *survey, const struct rows *rows, struct pgripple_error *err)
{
	return questions[survey->question - 1].take(survey, rows, err);
}

/* How many columns the table may have when the catalog has named its own. */
static size_t
capacity_of(const struct pgripple_table *table)
{
	return pgripple_table_adopts(table) ? PGRIPPLE_MAX_COLUMNS
					    : table->n_columns;
}

static int
build_tables(struct survey *survey)
{
	const struct pgripple_graph *graph = survey->graph;
	struct catalog *catalog = survey->catalog;
	size_t n_wanted = 0;

	catalog->tables = arena_array(
	    catalog->arena, graph->n_tables, sizeof(*catalog->tables));
	catalog->relations = arena_array(
	    catalog->arena, graph->n_relations, sizeof(*catalog->relations));
	if (catalog->tables == NULL || catalog->relations == NULL)
		return -1;
	for (size_t i = 0; i < graph->n_tables; i++) {
		const struct pgripple_table *table = &graph->tables[i];

		catalog->tables[i].columns = arena_array(catalog->arena,
		    capacity_of(table), sizeof(*catalog->tables[i].columns));
		if (catalog->tables[i].columns == NULL)
			return -1;
		n_wanted += capacity_of(table) + table->n_ignore;
	}
	survey->tables = calloc(graph->n_tables + 1, sizeof(*survey->tables));
	survey->wanted = calloc(n_wanted + 1, sizeof(*survey->wanted));
	if (survey->tables == NULL || survey->wanted == NULL)
		return -1;
	return 0;
}

static int
build(struct survey *survey, const char *schema)
{
	struct buf quoted = BUF_INIT;

	survey->catalog = calloc(1, sizeof(*survey->catalog));
	if (survey->catalog == NULL)
		return -1;
	survey->catalog->arena = arena_new();
	if (survey->catalog->arena == NULL)
		return -1;
	quote_identifier(&quoted, schema);
	if (!quoted.failed)
		survey->quoted_schema = strdup(quoted.bytes);
	buf_done(&quoted);
	if (survey->quoted_schema == NULL)
		return -1;
	return build_tables(survey);
}

struct survey *
survey_new(const char *schema, struct pgripple_graph *graph)
{
	struct survey *survey = calloc(1, sizeof(*survey));

	if (survey == NULL)
		return NULL;
	survey->graph = graph;
	if (build(survey, schema) != 0) {
		survey_free(survey);
		return NULL;
	}
	return survey;
}

void
survey_free(struct survey *survey)
{
	if (survey == NULL)
		return;
	catalog_free(survey->catalog);
	free(survey->quoted_schema);
	free(survey->tables);
	free(survey->wanted);
	free(survey);
}

struct catalog *
survey_finish(struct survey *survey)
{
	survey_report_missing(survey);
	survey_forget_dropped_columns(survey);
	pgripple_errors_sort(&survey->catalog->problems);
	pgripple_graph_settle(survey->graph);
	return steal(&survey->catalog);
}
