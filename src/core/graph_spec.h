/*
 * A graph.yaml between its two passes: what was written, each word with its
 * place, not yet knowing what the words refer to.  Private to core/graph*.c.
 *
 *	graph_shape.c     nodes -> spec: types, required and unknown keys
 *	graph_rule.c      the same for rules
 *	graph_cacheops.c  the same for the options of "cacheops", and their
 *compiling graph_condition.c the same for what rules and relations share
 *	graph_relation.c  "a.x -> b.y" -> spec
 *	graph_meaning.c   what the spec refers to, and what contradicts itself
 *	graph_compile.c   spec -> graph
 *	graph_target.c    which rule goes where
 */
#ifndef PGRIPPLE_CORE_GRAPH_SPEC_H
#define PGRIPPLE_CORE_GRAPH_SPEC_H

#include <pgripple/graph.h>

#include "base/arena.h"
#include "base/node.h"
#include "base/util.h"
#include "core/template.h"

struct word {
	const char *text;
	struct pgripple_position at;
};

struct words {
	struct word *items;
	size_t n;
};

struct spec_where {
	struct word column;
	struct words values;
};

struct spec_condition {
	uint32_t ops;
	bool has_changed;
	struct words changed;
	struct spec_where *where;
	size_t n_where;
};

struct spec_template {
	struct template *template; /* NULL if there is none, or it was faulty */
	struct word source;
	bool verbatim; /* see struct node */
	bool quoted;
};

struct spec_part {
	const char *name; /* of a stream's field; else NULL */
	struct spec_template value;
};

struct spec_pair {
	struct word column;
	struct word text;
};

struct spec_pairs {
	struct spec_pair *items;
	size_t n;
};

/* What "cacheops: { ... }" says. */
struct spec_cacheops {
	struct spec_template *prefixes; /* at least one */
	size_t n_prefixes;
	int layout; /* enum cacheops_layout */
	struct word table; /* text is NULL if it is the model's */
	struct words also;
	struct spec_pairs attnames;
	struct spec_pairs kinds;
	bool has_joins;
	struct words joins;
};

struct spec_rule {
	enum pgripple_rule_kind kind;
	struct spec_template key;
	struct spec_part *parts; /* see struct pgripple_rule */
	size_t n_parts;
	int64_t number;
	struct word target; /* text is NULL if there is none */
	struct spec_cacheops *cacheops; /* CACHEOPS */
	int64_t repeat_ms;
	struct spec_condition condition;
	bool own_change_only;
	bool enabled;
	struct pgripple_position at;
};

struct spec_model {
	struct word name;
	struct word table; /* text is NULL if there is none */
	const char *schema; /* of the table, folded as SQL does */
	const char *table_name;
	struct words ignore;
	struct spec_rule *rules;
	size_t n_rules;
	bool has_whole_model;
	struct words whole_model;
};

struct spec_side {
	struct word model;
	struct words columns;
	size_t model_index; /* known after the meaning pass */
};

struct spec_relation {
	struct word text; /* as written */
	struct word name; /* text is NULL if none was given */
	struct spec_side from;
	struct spec_side to;
	bool parsed; /* both sides are whole */
	struct spec_condition condition;
	bool transitive;
	bool enabled;
};

struct spec {
	struct spec_model *models;
	size_t n_models;
	struct spec_relation *relations;
	size_t n_relations;
};

/* What all of the passes share. */
struct loader {
	struct arena *arena; /* the graph's: what it keeps */
	struct arena *scratch; /* gone after loading */
	struct pgripple_errors *errors;
	bool out_of_memory;
	struct spec spec;
};

/* One key of a map.  With read NULL it is a key that is understood but not
 * supported. */
struct field {
	const char *name;
	void (*read)(struct loader *l, const struct node *value, void *object);
};

/* Zeroed memory of the scratch arena; NULL notes that memory ran out, which
 * the end of the loading reports. */
void *loader_array(struct loader *l, size_t n, size_t size);
char *loader_printf(struct loader *l, const char *format, ...)
    PRINTF_LIKE(2, 3);
struct pgripple_error *loader_add(struct loader *l, struct pgripple_position at,
    const char *format, ...) PRINTF_LIKE(3, 4);

/* That a node is not what was expected: "a list". */
struct pgripple_error *loader_add_kind(struct loader *l,
    const struct node *node, const char *what, const char *expected);

/* The place of a byte of a scalar's text, as near as it is known. */
struct pgripple_position node_place(const struct node *node, size_t offset);
struct word node_word(const struct node *node);

/* Reads every entry of a map by the field of its name; others are errors.
 * what says where they are: "model \"team\"". */
void read_fields(struct loader *l, const struct node *map, const char *what,
    const struct field *fields, size_t n_fields, void *object);
/* False, and an error, if the value is something else.  They name the entry's
 * key. */
bool read_text(struct loader *l, const struct node *value,
    struct word *ret_word) MUST_CHECK;
bool read_flag(
    struct loader *l, const struct node *value, bool *ret_flag) MUST_CHECK;
bool read_words(
    struct loader *l, const struct node *value, struct words *ret) MUST_CHECK;

/* graph_shape.c */
void shape_read(struct loader *l, const struct node *root);
/* graph_rule.c */
void rule_read(
    struct loader *l, const struct node *node, struct spec_rule *rule);
bool is_key_rule_kind(const char *name);
/* A template's faults know their place in it. */
void read_template(
    struct loader *l, const struct node *node, struct spec_template *ret);
/* graph_cacheops.c */
void read_cacheops(
    struct loader *l, const struct node *node, struct spec_rule *rule);
/* graph_condition.c */
void read_changed(
    struct loader *l, const struct node *value, struct spec_condition *c);
void read_ops(
    struct loader *l, const struct node *value, struct spec_condition *c);
void read_where(
    struct loader *l, const struct node *value, struct spec_condition *c);
/* graph_relation.c */
void relation_parse(
    struct loader *l, const struct node *node, struct spec_relation *relation);
/* graph_meaning.c */
void meaning_check(struct loader *l);
/* graph_target.c; as long as nobody knows better.  -1: NOMEM. */
int graph_aim_at_default(struct pgripple_graph *graph) MUST_CHECK;
/* graph_compile.c; for a spec without faults.  Notes in the loader when it
 * ran out of memory. */
void graph_compile(struct loader *l, struct pgripple_graph *graph);
/* graph.c; makes tables_by_name of the tables. */
void graph_sort_tables(struct pgripple_graph *graph);

/* What its parts share. */
struct compiler {
	struct loader *l;
	struct pgripple_graph *graph;
	struct arena *arena; /* the graph's */
};

/* The index of a column, captured from now on.  -1 without memory; past the
 * bound an error is added, once, and 0 is given. */
int compile_column(struct compiler *c, struct pgripple_table *table,
    const char *name, struct pgripple_position at,
    size_t *ret_index) MUST_CHECK;
/* Finds its columns, which count as those of the rule.  The source is what was
 * written; the template may go on after it. */
int compile_template(struct compiler *c, struct pgripple_table *table,
    const struct spec_template *source, struct template *template,
    struct pgripple_rule *rule) MUST_CHECK;
/* graph_cacheops.c; makes the rule's templates. */
int compile_cacheops(struct compiler *c, struct pgripple_table *table,
    const struct spec_rule *spec, struct pgripple_rule *rule) MUST_CHECK;
/* Adds the columns that the rule uses. */
void cacheops_add_columns(struct pgripple_columns *set,
    const struct pgripple_table *table, const struct pgripple_rule *rule);
/* graph_compile.c: what rows of the model must have. */
void graph_find_needed(struct pgripple_model *model);

#endif
