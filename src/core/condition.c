/*
 * Conditions of rules and relations.
 */
#include "core/condition.h"

#include <stdbool.h>
#include <string.h>

static bool
where_holds(
    const struct pgripple_where *where, const struct pgripple_value *value)
{
	if (value->kind == PGRIPPLE_VALUE_UNKNOWN)
		return true;
	for (size_t i = 0; i < where->n_values; i++) {
		const char *wanted = where->values[i];

		if (wanted == NULL || value->kind == PGRIPPLE_VALUE_NULL) {
			if (wanted == NULL &&
			    value->kind == PGRIPPLE_VALUE_NULL)
				return true;
			continue;
		}
		if (strlen(wanted) == value->length &&
		    memcmp(wanted, value->text, value->length) == 0)
			return true;
	}
	return false;
}

static enum pgripple_verdict
judge_own_change(const struct pgripple_condition *condition,
    const struct pgripple_change *change)
{
	/* Whoever asks by hand means the row, whatever happened to it. */
	if (change->op == PGRIPPLE_OP_INVALIDATE)
		return PGRIPPLE_VERDICT_APPLIES;
	if ((condition->ops >> change->op & 1) == 0)
		return PGRIPPLE_VERDICT_OPS;
	if (!condition->has_changed || !change->has_changed ||
	    change->op != PGRIPPLE_OP_UPDATE)
		return PGRIPPLE_VERDICT_APPLIES;
	return pgripple_columns_meet(&condition->changed, &change->changed)
		   ? PGRIPPLE_VERDICT_APPLIES
		   : PGRIPPLE_VERDICT_UNCHANGED;
}

enum pgripple_verdict
condition_judge(const struct pgripple_condition *condition,
    const struct pgripple_touch *touch, size_t *ret_column)
{
	enum pgripple_verdict verdict = PGRIPPLE_VERDICT_APPLIES;

	if (touch->whole)
		return verdict;
	if (touch->own != NULL)
		verdict = judge_own_change(condition, touch->own);
	if (verdict != PGRIPPLE_VERDICT_APPLIES)
		return verdict;
	for (size_t i = 0; i < condition->n_where; i++) {
		const struct pgripple_where *where = &condition->where[i];

		if (!where_holds(where, &touch->values[where->column])) {
			*ret_column = where->column;
			return PGRIPPLE_VERDICT_WHERE;
		}
	}
	return PGRIPPLE_VERDICT_APPLIES;
}

enum pgripple_verdict
pgripple_judge_rule(const struct pgripple_touch *touch,
    const struct pgripple_rule *rule, size_t *ret_column)
{
	if (!rule->enabled)
		return PGRIPPLE_VERDICT_DISABLED;
	if (rule->own_change_only && touch->own == NULL)
		return PGRIPPLE_VERDICT_OWN_CHANGE_ONLY;
	return condition_judge(&rule->condition, touch, ret_column);
}

const char *
pgripple_verdict_name(enum pgripple_verdict verdict)
{
	switch (verdict) {
	case PGRIPPLE_VERDICT_APPLIES:
		return "applies";
	case PGRIPPLE_VERDICT_DISABLED:
		return "disabled";
	case PGRIPPLE_VERDICT_STOPPED:
		return "not transitive";
	case PGRIPPLE_VERDICT_OWN_CHANGE_ONLY:
		return "own change only";
	case PGRIPPLE_VERDICT_OPS:
		return "ops";
	case PGRIPPLE_VERDICT_UNCHANGED:
		return "unchanged";
	case PGRIPPLE_VERDICT_WHERE:
		return "where";
	case PGRIPPLE_VERDICT_NULL:
		return "null";
	case PGRIPPLE_VERDICT_UNKNOWN:
		return "unknown value";
	}
	return "unknown";
}
