/*
 * An explanation for people: a tree of the touched rows, with the rules and
 * relations of each; then the lookups and the operations.
 *
 *	draft_round (new): id=31, draft_id=20
 *	  key "draft_round:{id}": unlink draft_round:31
 *	  draft_round.draft_id -> draft.id: looked up, 1 row
 *	    draft: id=20, tournament_id=NULL
 *	      key "draft:{id}": unlink draft:20
 *	      draft.tournament_id -> tournament.id: no, tournament_id is NULL
 *
 * A row is expanded where it comes first.
 */
#include "cli/explain.h"

/* Deeper rows are counted, not shown: a tree in the database may be a list. */
#define MAX_DEPTH 50

struct printer {
	struct explanation *explanation;
	struct buf *text;
	bool failed;
};

static void
indent(struct buf *text, size_t depth)
{
	for (size_t i = 0; i < depth; i++)
		buf_add_string(text, "  ");
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void
print_head(struct buf *text, const struct explanation *explanation)
{
	const struct pgripple_model *model = explanation->model;

	if (model == NULL)
		return;
	buf_printf(text, "%s of %s, table %s\n",
	    pgripple_op_name(explanation->changes[0].op), model->name,
	    model->table->spelled);
	if (explanation->database == NULL)
		buf_add_string(text, "  offline: no table is read, and columns "
				     "are taken to compare as their text\n");
	for (size_t i = 0; i < explanation->n_notes; i++)
		buf_printf(text, "  %s\n", explanation->notes[i]);
	if (explanation->is_no_change)
		buf_add_string(text, "  old and new do not differ, but for "
				     "ignored columns: that is no change\n");
	for (size_t i = 0; i < model->table->n_models; i++)
		if (model->table->models[i] != model &&
		    explanation->changes[0].op != PGRIPPLE_OP_INVALIDATE)
			buf_printf(text, "  %s has the same table\n",
			    model->table->models[i]->name);
}

/* ---- the tree ---- */

/* Columns that are known, and those that should be.  Where one row stands for
 * both images, those in which they may differ do not matter. */
static void
print_values(struct buf *text, const struct pgripple_touch *touch)
{
	const struct pgripple_table *table = touch->model->table;
	const struct pgripple_columns *needed = pgripple_touch_needed(touch);
	bool is_update =
	    touch->own != NULL && touch->own->op == PGRIPPLE_OP_UPDATE;
	const char *comma = " ";

	if (touch->whole) {
		buf_add_string(text, " every row");
		return;
	}
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!pgripple_columns_has(needed, i) &&
		    (is_update ||
			touch->values[i].kind == PGRIPPLE_VALUE_UNKNOWN))
			continue;
		buf_printf(text, "%s%s=", comma, table->columns[i].name);
		explain_add_value(text, &touch->values[i]);
		comma = ", ";
	}
}

static void
print_rule(struct printer *printer, const struct explain_row *row,
    const struct pgripple_rule *rule, size_t depth)
{
	struct buf *text = printer->text;
	size_t column, n = 0;
	enum pgripple_verdict verdict =
	    pgripple_judge_rule(row->touch, rule, &column);

	indent(text, depth);
	explain_add_rule(text, rule);
	buf_add_string(text, ": ");
	for (const struct explain_deed *deed = row->deeds; deed != NULL;
	     deed = deed->next) {
		if (deed->rule != rule)
			continue;
		buf_add_string(text, n++ > 0 ? ", " : "");
		explain_add_operation(text, deed->operation);
	}
	if (verdict != PGRIPPLE_VERDICT_APPLIES) {
		buf_add_string(text, "no, ");
		explain_add_reason(
		    text, row->touch, &rule->condition, verdict, column);
	} else if (n == 0) {
		buf_add_string(text, "no key, ");
		explain_add_no_key(text, row->touch, rule);
	} else if (rule->repeat_ms != 0) {
		buf_add_string(text, ", again after ");
		explain_add_repeat(text, rule->repeat_ms);
	}
	buf_add_char(text, '\n');
}

/* "whole_model" stands for the rules that remove keys. */
static void
print_whole_patterns(
    struct buf *text, const struct explain_row *row, size_t depth)
{
	for (const struct explain_deed *deed = row->deeds; deed != NULL;
	     deed = deed->next) {
		if (deed->rule != NULL)
			continue;
		indent(text, depth);
		buf_add_string(text, "whole_model: ");
		explain_add_operation(text, deed->operation);
		buf_add_char(text, '\n');
	}
}

static void print_row(
    struct printer *printer, struct explain_row *row, size_t depth);

static void
print_relation(struct printer *printer, const struct pgripple_touch *touch,
    const struct pgripple_relation *relation, size_t depth)
{
	struct buf *text = printer->text;
	struct explain_led led;

	if (explain_follow(printer->explanation, touch, relation, &led) != 0) {
		printer->failed = true;
		return;
	}
	indent(text, depth);
	buf_printf(text, "%s: ", relation->name);
	if (led.verdict == PGRIPPLE_VERDICT_APPLIES ||
	    led.verdict == PGRIPPLE_VERDICT_UNKNOWN) {
		explain_add_way(text, printer->explanation, &led);
	} else {
		buf_add_string(text, "no, ");
		explain_add_reason(
		    text, touch, &relation->condition, led.verdict, led.column);
	}
	buf_add_char(text, '\n');
	for (size_t i = 0; i < led.n_rows; i++)
		print_row(printer, led.rows[i], depth + 1);
}

static void
print_relations(
    struct printer *printer, const struct pgripple_touch *touch, size_t depth)
{
	const struct pgripple_graph *graph = printer->explanation->graph;

	if (!touch->may_pass) {
		if (touch->model->n_out == 0)
			return;
		indent(printer->text, depth);
		buf_add_string(printer->text,
		    "passes nothing on: reached by a relation that is not "
		    "transitive\n");
		return;
	}
	for (size_t i = 0; i < graph->n_relations; i++)
		if (graph->relations[i].from == touch->model)
			print_relation(
			    printer, touch, &graph->relations[i], depth);
}

static void
print_row(struct printer *printer, struct explain_row *row, size_t depth)
{
	const struct pgripple_touch *touch = row->touch;
	const char *image = explain_image_name(printer->explanation, touch);
	struct buf *text = printer->text;

	indent(text, depth);
	buf_add_string(text, touch->model->name);
	if (image != NULL && !touch->whole)
		buf_printf(text, " (%s)", image);
	buf_add_char(text, ':');
	print_values(text, touch);
	if (row->shown || depth >= MAX_DEPTH) {
		buf_add_string(
		    text, row->shown ? ", as above\n" : ", and what follows\n");
		return;
	}
	buf_add_char(text, '\n');
	row->shown = true;
	if (explain_has_patterns(touch))
		print_whole_patterns(text, row, depth + 1);
	for (size_t i = 0; i < touch->model->n_rules; i++)
		if (!explain_has_patterns(touch) ||
		    !pgripple_rule_is_replaced(&touch->model->rules[i]))
			print_rule(
			    printer, row, &touch->model->rules[i], depth + 1);
	print_relations(printer, touch, depth + 1);
}

static void
print_tree(struct printer *printer)
{
	const struct explanation *explanation = printer->explanation;
	struct explain_row **roots;
	size_t n_roots;

	if (explain_roots(printer->explanation, &roots, &n_roots) != 0) {
		printer->failed = true;
		return;
	}
	for (size_t i = 0; i < n_roots; i++) {
		if (i > 0 || explanation->model != NULL)
			buf_add_char(printer->text, '\n');
		print_row(printer, roots[i], 0);
	}
}

/* ---- lookups ---- */

static void
print_keys(struct buf *text, const struct explain_lookup *lookup)
{
	size_t n_columns = lookup->n_columns;

	buf_printf(text, "%zu key%s: ", lookup->n_keys, plural(lookup->n_keys));
	for (size_t i = 0; i < lookup->n_shown; i++) {
		buf_printf(
		    text, "%s%s", i > 0 ? ", " : "", n_columns > 1 ? "(" : "");
		for (size_t j = 0; j < n_columns; j++) {
			buf_add_string(text, j > 0 ? ", " : "");
			explain_add_value(
			    text, &lookup->keys[i * n_columns + j]);
		}
		buf_add_string(text, n_columns > 1 ? ")" : "");
	}
	buf_add_string(text, lookup->n_shown < lookup->n_keys ? ", ..." : "");
}

static void
print_lookup(struct buf *text, const struct explain_lookup *lookup)
{
	if (lookup->relation != NULL)
		buf_printf(text, "  %s: ", lookup->relation->name);
	else
		buf_printf(text,
		    "  rows of %s, asked for by hand: ", lookup->model->name);
	if (lookup->problem == NULL)
		buf_printf(
		    text, "%zu row%s", lookup->n_rows, plural(lookup->n_rows));
	else
		buf_add_string(text, lookup->problem);
	buf_add_string(text, "\n    needed: ");
	explain_add_lookup_reason(text, lookup);
	buf_add_string(text, "\n    ");
	print_keys(text, lookup);
	if (lookup->sql != NULL)
		buf_printf(text, "\n    %s", lookup->sql);
	buf_add_char(text, '\n');
}

static void
print_lookups(struct buf *text, const struct explanation *explanation)
{
	if (explanation->lookups != NULL)
		buf_add_string(text, "\nlookups\n");
	for (const struct explain_lookup *lookup = explanation->lookups;
	     lookup != NULL; lookup = lookup->next)
		print_lookup(text, lookup);
}

/* ---- operations ---- */

static void
print_repeats(struct buf *text, const struct explain_operation *one)
{
	const char *comma = "; again after ";

	for (const struct explain_repeat *repeat = one->repeats; repeat != NULL;
	     repeat = repeat->next) {
		buf_add_string(text, comma);
		explain_add_repeat(text, repeat->after_ms);
		comma = ", ";
	}
}

static void
print_operations(struct buf *text, const struct explanation *explanation)
{
	if (explanation->n_operations == 0) {
		buf_add_string(text, "\nnothing is to be done in Redis\n");
		return;
	}
	buf_add_string(text, "\nto be done in Redis\n");
	for (size_t i = 0; i < explanation->n_operations; i++) {
		const struct explain_operation *one =
		    explanation->operations[i];

		buf_add_string(text, "  ");
		explain_add_operation(text, one);
		buf_printf(text, " (%s, ", one->model->name);
		if (one->rule == NULL)
			buf_add_string(text, "whole_model");
		else
			explain_add_rule(text, one->rule);
		if (one->whole)
			buf_add_string(text, ", whole model");
		else
			buf_printf(text, ", %zu touched row%s", one->n_rows,
			    plural(one->n_rows));
		print_repeats(text, one);
		buf_add_string(text, ")\n");
	}
}

void
explain_print_text(struct explanation *explanation, struct buf *text)
{
	struct printer printer = {.explanation = explanation, .text = text};

	for (size_t i = 0; i < explanation->n_rows; i++)
		explanation->rows[i].shown = false;
	print_head(text, explanation);
	print_tree(&printer);
	print_lookups(text, explanation);
	print_operations(text, explanation);
	text->failed = text->failed || printer.failed;
}
