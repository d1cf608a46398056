/*
 * The part of a survey that finds out how the columns of a relation can be
 * compared: as they are, or with a cast.
 */
#include "postgres/quote.h"
#include "postgres/survey_private.h"

/* A pair of columns of a relation. */
struct pair {
	struct pgripple_relation *relation;
	size_t place; /* in the relation */
	const struct catalog_column *from;
	const struct catalog_column *to;
	enum catalog_match *match;
};

static size_t
table_index(const struct survey *survey, const struct pgripple_model *model)
{
	return (size_t)(model->table - survey->graph->tables);
}

/* False if one of the columns does not exist, which is a problem already. */
static bool
find_pair(
    struct survey *survey, size_t relation, size_t place, struct pair *ret_pair)
{
	struct catalog *catalog = survey->catalog;
	struct pgripple_relation *r = &survey->graph->relations[relation];

	*ret_pair = (struct pair){
	    .relation = r,
	    .place = place,
	    .from = &catalog->tables[table_index(survey, r->from)]
			 .columns[r->from_columns[place]],
	    .to = &catalog->tables[table_index(survey, r->to)]
		       .columns[r->to_columns[place]],
	    .match = &catalog->relations[relation].matches[place],
	};
	return ret_pair->from->quoted != NULL && ret_pair->to->quoted != NULL;
}

static bool
is_comparable(const struct pair *pair)
{
	return pair->from->equality != NULL && pair->to->equality != NULL &&
	       pair->from->family == pair->to->family &&
	       (!pair->to->polymorphic ||
		   pair->from->type_oid == pair->to->type_oid);
}

/* Calls back for each pair of each relation that is enabled. */
static void
for_each_pair(struct survey *survey,
    void (*visit)(struct survey *survey, struct pair *pair, void *arg),
    void *arg)
{
	struct pair pair;

	for (size_t i = 0; i < survey->graph->n_relations; i++) {
		const struct pgripple_relation *relation =
		    &survey->graph->relations[i];

		for (size_t k = 0; relation->enabled && k < relation->n_columns;
		     k++)
			if (find_pair(survey, i, k, &pair))
				visit(survey, &pair, arg);
	}
}

struct cast_question {
	struct buf *sources;
	struct buf *targets;
	bool is_needed;
};

static void
visit_for_casts(struct survey *survey UNUSED, struct pair *pair, void *arg)
{
	struct cast_question *question = arg;

	if (is_comparable(pair)) {
		*pair->match = CATALOG_MATCH_DIRECT;
		return;
	}
	array_add_int(question->sources, pair->from->type_oid);
	array_add_int(question->targets, pair->to->type_oid);
	array_add_int(question->sources, pair->to->type_oid);
	array_add_int(question->targets, pair->from->type_oid);
	question->is_needed = true;
}

bool
survey_ask_casts(struct survey *survey, struct request *request)
{
	struct cast_question question = {
	    request_value(request), request_value(request), false};

	array_open(question.sources);
	array_open(question.targets);
	for_each_pair(survey, visit_for_casts, &question);
	array_close(question.sources);
	array_close(question.targets);
	buf_add_string(&request->sql,
	    "SELECT castsource, casttarget FROM pg_cast "
	    "WHERE castcontext = 'i' AND (castsource, casttarget) IN "
	    "(SELECT * FROM unnest($1::oid[], $2::oid[]))");
	return question.is_needed;
}

static bool
has_cast(const struct rows *rows, uint32_t source, uint32_t target)
{
	for (size_t i = 0; i < rows_count(rows); i++)
		if (rows_int(rows, i, 0) == source &&
		    rows_int(rows, i, 1) == target)
			return true;
	return false;
}

static void
visit_with_casts(struct survey *survey, struct pair *pair, void *arg)
{
	const struct rows *casts = arg;
	const struct pgripple_relation *relation = pair->relation;

	if (*pair->match == CATALOG_MATCH_DIRECT)
		return;
	if (pair->to->equality != NULL &&
	    has_cast(casts, pair->from->type_oid, pair->to->type_oid)) {
		*pair->match = CATALOG_MATCH_CAST_KEY;
		return;
	}
	if (pair->from->equality != NULL &&
	    has_cast(casts, pair->to->type_oid, pair->from->type_oid)) {
		*pair->match = CATALOG_MATCH_CAST_ROW;
		return;
	}
	(void)pgripple_errors_add(&survey->catalog->problems, relation->at,
	    "relation \"%s\" compares \"%s.%s\" (%s) with \"%s.%s\" (%s), "
	    "which cannot be compared",
	    relation->name, relation->from->name,
	    relation->from->table->columns[relation->from_columns[pair->place]]
		.name,
	    pair->from->type, relation->to->name,
	    relation->to->table->columns[relation->to_columns[pair->place]]
		.name,
	    pair->to->type);
}

int
survey_take_casts(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err UNUSED)
{
	struct rows casts = *rows;

	for_each_pair(survey, visit_with_casts, &casts);
	return 0;
}
