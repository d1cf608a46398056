/*
 * Conditions of rules and relations.
 */
#include "core/condition.h"

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

static bool
own_change_passes(const struct pgripple_condition *condition,
    const struct pgripple_change *change)
{
	if ((condition->ops >> change->op & 1) == 0)
		return false;
	if (!condition->has_changed || !change->has_changed ||
	    change->op != PGRIPPLE_OP_UPDATE)
		return true;
	return pgripple_columns_meet(&condition->changed, &change->changed);
}

bool
condition_holds(const struct pgripple_condition *condition,
    const struct pgripple_touch *touch)
{
	if (touch->whole)
		return true;
	if (touch->own != NULL && !own_change_passes(condition, touch->own))
		return false;
	for (size_t i = 0; i < condition->n_where; i++) {
		const struct pgripple_where *where = &condition->where[i];

		if (!where_holds(where, &touch->values[where->column]))
			return false;
	}
	return true;
}
