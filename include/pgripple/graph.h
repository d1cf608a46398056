/*
 * The relation graph: models, their rules, and the relations between them.
 *
 * A graph is read from graph.yaml, then told what the live catalog says of its
 * columns, and from then on only read.  Everything here is owned by the graph
 * and lives as long as it; readers must not write to it.
 */
#ifndef PGRIPPLE_GRAPH_H
#define PGRIPPLE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/error.h>

#define PGRIPPLE_MAX_COLUMNS 256 /* captured columns of one table */
#define PGRIPPLE_MAX_MATCH 8 /* columns of a composite relation */
#define PGRIPPLE_MAX_TARGETS 16

struct node;

/* A set of a table's captured columns, by their index. */
struct pgripple_columns {
	uint64_t bits[PGRIPPLE_MAX_COLUMNS / 64];
};

enum pgripple_op {
	PGRIPPLE_OP_INSERT,
	PGRIPPLE_OP_UPDATE,
	PGRIPPLE_OP_DELETE,
	PGRIPPLE_OP_TRUNCATE,
	PGRIPPLE_OP_PING, /* not of a table: the canary of "pgripple ping" */
	PGRIPPLE_OP_INVALIDATE, /* of a model, by hand: nothing changed */
};

const char *pgripple_op_name(enum pgripple_op op);

struct pgripple_column {
	const char *name; /* as the catalog spells it, unquoted */
	/* From the catalog; type is NULL until it was described. */
	const char *type; /* as format_type() prints it, with its schema */
	bool text_equality; /* equal values have equal text, and only they */
	bool not_null;
	bool adopted; /* the catalog named it, not the file */
	struct pgripple_position at; /* of its first mention */
};

/* A one-to-one field: a foreign key with a unique column of its own. */
struct pgripple_link {
	size_t column;
	const struct pgripple_table *to;
	size_t to_column;
};

struct pgripple_table {
	const char *schema;
	const char *name;
	const char *spelled; /* schema.name for people, quoted where needed */
	/* Captured columns: all that templates, matches and conditions of the
	 * table's models mention. */
	struct pgripple_column *columns;
	size_t n_columns;
	struct pgripple_link *links; /* from the catalog */
	size_t n_links;
	size_t links_capacity;
	struct pgripple_model **models; /* all that live on this table */
	size_t n_models;
	/* An UPDATE of nothing else is no change: what all models ignore. */
	const char **ignore;
	struct pgripple_position *ignore_at; /* of each */
	size_t n_ignore;
	struct pgripple_position at; /* of the first model's "table" */
};

/* One condition of "where": the column's text must be one of the values. */
struct pgripple_where {
	size_t column;
	const char **values;
	size_t n_values;
};

/* What must hold for a rule or relation to apply to a touched row. */
struct pgripple_condition {
	uint32_t ops; /* bit 1 << enum pgripple_op; filters changed rows only */
	bool has_changed;
	/* Already with the columns that always count (see design.md). */
	struct pgripple_columns changed;
	struct pgripple_where *where;
	size_t n_where;
};

enum pgripple_rule_kind {
	PGRIPPLE_RULE_KEY,
	PGRIPPLE_RULE_HASH,
	PGRIPPLE_RULE_TAG,
	PGRIPPLE_RULE_VERSION,
	PGRIPPLE_RULE_FENCE,
	PGRIPPLE_RULE_PATTERN,
	PGRIPPLE_RULE_PUBLISH,
	PGRIPPLE_RULE_STREAM,
	PGRIPPLE_RULE_CACHEOPS,
};

const char *pgripple_rule_kind_name(enum pgripple_rule_kind kind);

/* What a rule has beside its key; see core/template.h. */
struct pgripple_rule_part {
	const char *name; /* of a stream's field; else NULL */
	struct template *template;
};

/* Where operations go: a Redis, or a part of one. */
struct pgripple_target {
	const char *name;
	const char *prefix; /* of all keys, channels and streams */
	const char *pattern; /* that matches the prefix */
	size_t index; /* in graph->targets */
};

/* A repeat that waits for the read replicas. */
#define PGRIPPLE_REPEAT_REPLICAS INT64_C(-1)

struct pgripple_rule {
	enum pgripple_rule_kind kind;
	const struct pgripple_target *target; /* never NULL */
	const char *target_name; /* as written; NULL if it was not */
	struct pgripple_position target_at;
	struct template *template; /* of the key, channel or stream */
	/* HASH: the field.  PUBLISH: the message.  STREAM: the fields.
	 * CACHEOPS: see core/cacheops.h. */
	struct pgripple_rule_part *parts;
	size_t n_parts;
	int64_t number; /* FENCE: hold in ms.  STREAM: maxlen, 0 for none */
	struct cacheops *cacheops; /* CACHEOPS; see core/cacheops.h */
	/* Once more after so many ms; 0: not; PGRIPPLE_REPEAT_REPLICAS. */
	int64_t repeat_ms;
	struct pgripple_condition condition;
	bool own_change_only;
	bool enabled;
	struct pgripple_position at;
};

struct pgripple_model {
	const char *name;
	size_t index; /* in graph->models */
	struct pgripple_table *table;
	struct pgripple_rule *rules;
	size_t n_rules;
	struct pgripple_relation **out; /* touched here -> also there */
	size_t n_out;
	struct pgripple_relation **in;
	size_t n_in;
	/* Glob patterns that "whole_model" gives; NULL: what the rules say. */
	const char **whole_patterns;
	size_t n_whole_patterns;
	/* Where they are looked for: each target that has one of the rules that
	 * they replace. */
	const struct pgripple_target **whole_targets;
	size_t n_whole_targets;
	/* Columns that a row must have: one that changed itself; one that was
	 * reached, for its rules; and, if it may pass on, for its relations
	 * too. */
	struct pgripple_columns needed_to_own;
	struct pgripple_columns needed_to_stop;
	struct pgripple_columns needed_to_pass;
	struct pgripple_position at;
};

/* "from.x -> to.y": an equality join.  Columns are indices in the tables. */
struct pgripple_relation {
	const char *name; /* given, or as written in the file */
	size_t index; /* in graph->relations */
	struct pgripple_model *from;
	struct pgripple_model *to;
	size_t from_columns[PGRIPPLE_MAX_MATCH];
	size_t to_columns[PGRIPPLE_MAX_MATCH];
	size_t n_columns;
	struct pgripple_condition condition;
	bool transitive;
	bool enabled;
	/* The values at hand replace a lookup; false until the catalog was
	 * described (pgripple_graph_settle()). */
	bool direct;
	struct pgripple_position at;
};

struct pgripple_graph {
	struct pgripple_model *models;
	size_t n_models;
	struct pgripple_relation *relations;
	size_t n_relations;
	struct pgripple_table *tables;
	size_t n_tables;
	struct pgripple_table **tables_by_name; /* sorted, to be searched */
	struct pgripple_target *targets; /* at least one */
	size_t n_targets;
	bool waits_for_replicas; /* some rule does, to repeat */
	struct arena *arena; /* owns all of the above */
};

/* Builds a graph from the nodes of a graph.yaml.  Both passes, shape and
 * meaning; every fault found is added to *errors.  0, or -1 when errors were
 * added.  The nodes may be freed afterwards; the file name that their
 * positions borrow must outlive the graph. */
int pgripple_graph_load(const struct node *root, struct pgripple_errors *errors,
    struct pgripple_graph **ret_graph) PGRIPPLE_MUST_CHECK;

void pgripple_graph_free(struct pgripple_graph *graph);

struct pgripple_target_spec {
	const char *name;
	const char *prefix;
};

/* The target of rules that name none. */
#define PGRIPPLE_DEFAULT_TARGET "default"

/* Says which targets there are, in place of the only one, without a prefix,
 * that a graph has when it is loaded, and leads each rule to its own.  0, or -1
 * when errors were added: a rule names a target that there is not, or none
 * where there is no default. */
int pgripple_graph_aim(struct pgripple_graph *graph,
    const struct pgripple_target_spec *targets, size_t n_targets,
    struct pgripple_errors *errors) PGRIPPLE_MUST_CHECK;

/* Says what the catalog knows of a column (type is copied; NULL: it has none
 * any more).  0, or -1 when out of memory.  To be followed by
 * pgripple_graph_settle(). */
int pgripple_graph_describe(struct pgripple_graph *graph,
    struct pgripple_column *column, const char *type, bool text_equality,
    struct pgripple_error *err) PGRIPPLE_MUST_CHECK;

/* True if the patterns of "whole_model" stand for the rule, where the model is
 * touched as a whole. */
bool pgripple_rule_is_replaced(const struct pgripple_rule *rule);

/* True if some rule needs all columns of the table: the catalog names them. */
bool pgripple_table_adopts(const struct pgripple_table *table);
/* The table has a column that such a rule can use; to be described.  Past the
 * bound of columns it is not adopted: its values are not known.  -1: NOMEM. */
int pgripple_graph_adopt(struct pgripple_graph *graph,
    struct pgripple_table *table, const char *name, bool not_null,
    struct pgripple_error *err) PGRIPPLE_MUST_CHECK;

/* One-to-one fields of such a table, once its columns are known: all are
 * forgotten, and told anew one by one.  One whose columns the table has not,
 * or the other one, does not count.  -1: NOMEM. */
void pgripple_graph_unlink(struct pgripple_graph *graph);
int pgripple_graph_link(struct pgripple_graph *graph,
    struct pgripple_table *table, const char *column,
    const struct pgripple_table *to, const char *to_column,
    struct pgripple_error *err) PGRIPPLE_MUST_CHECK;

/* Decides which columns rules need, and for each relation whether the values at
 * hand replace a lookup. */
void pgripple_graph_settle(struct pgripple_graph *graph);
/* Why they do not: the columns that a reached row must have beyond those that
 * are matched; and whether equal values of a pair of columns have equal text.
 */
struct pgripple_columns pgripple_relation_missing(
    const struct pgripple_relation *relation);
bool pgripple_relation_is_spelled_alike(
    const struct pgripple_relation *relation, size_t pair);

/* NULL if there is none.  Names need not be terminated. */
struct pgripple_table *pgripple_graph_table(const struct pgripple_graph *graph,
    const char *schema, size_t schema_length, const char *name,
    size_t name_length);
struct pgripple_model *pgripple_graph_model(
    const struct pgripple_graph *graph, const char *name);

static inline bool
pgripple_columns_has(const struct pgripple_columns *set, size_t column)
{
	return set->bits[column / 64] >> (column % 64) & 1;
}

static inline void
pgripple_columns_add(struct pgripple_columns *set, size_t column)
{
	set->bits[column / 64] |= UINT64_C(1) << (column % 64);
}

static inline bool
pgripple_columns_meet(
    const struct pgripple_columns *a, const struct pgripple_columns *b)
{
	for (size_t i = 0; i < PGRIPPLE_MAX_COLUMNS / 64; i++)
		if (a->bits[i] & b->bits[i])
			return true;
	return false;
}

#endif
