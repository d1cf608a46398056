/*
 * State: sql/schema/state.sql has what is done.
 */
#include "postgres/state.h"

#include <string.h>

#include "postgres/quote.h"
#include "postgres/request.h"

enum state_column {
	STATE_TARGET,
	STATE_MARK_KEY,
	STATE_NUMBER,
	STATE_RUN_ID,
	STATE_REPLICATION_ID,
};

int
state_claim(struct session *session, const char *schema,
    const struct state_claim *claim, session_answer_cb answer, void *context,
    struct pgripple_error *err)
{
	struct request request = {0};
	struct buf *targets;

	buf_add_string(&request.sql,
	    "SELECT target, mark_key, number, run_id, replication_id FROM ");
	quote_identifier(&request.sql, schema);
	buf_add_string(&request.sql, ".claim_state($1, $2)");
	buf_add_string(request_value(&request), claim->owner);
	targets = request_value(&request);
	array_open(targets);
	for (size_t i = 0; i < claim->n_targets; i++)
		array_add_string(targets, claim->targets[i]);
	array_close(targets);
	return request_submit(&request, session, false, answer, context, err);
}

static const char *
text_or_empty(const struct rows *rows, size_t row, enum state_column column)
{
	const char *text = rows_text(rows, row, (int)column);

	return text == NULL ? "" : text;
}

void
state_read(const struct rows *rows, size_t row, struct state_row *ret_row)
{
	*ret_row = (struct state_row){
	    .target = rows_text(rows, row, STATE_TARGET),
	    .mark_key = rows_text(rows, row, STATE_MARK_KEY),
	    .number = text_or_empty(rows, row, STATE_NUMBER),
	    .run_id = text_or_empty(rows, row, STATE_RUN_ID),
	    .replication_id = text_or_empty(rows, row, STATE_REPLICATION_ID),
	};
}

static void
add_texts(struct request *request, const struct state_change *change,
    size_t offset_of_text)
{
	struct buf *texts = request_value(request);

	array_open(texts);
	for (size_t i = 0; i < change->n_marks; i++) {
		const char *mark = (const char *)&change->marks[i];
		const char *text;

		memcpy(&text, mark + offset_of_text, sizeof(text));
		array_add_string(texts, text);
	}
	array_close(texts);
}

void
state_print_change(struct request *request, const char *quoted_schema,
    const struct state_change *change)
{
	int first = request->n_values + 1;

	buf_add_string(request_value(request), change->owner);
	add_texts(request, change, offsetof(struct state_mark, target));
	add_texts(request, change, offsetof(struct state_mark, number));
	add_texts(request, change, offsetof(struct state_mark, run_id));
	add_texts(request, change, offsetof(struct state_mark, replication_id));
	buf_printf(&request->sql, "%s.set_state($%d, $%d, $%d, $%d, $%d)",
	    quoted_schema, first, first + 1, first + 2, first + 3, first + 4);
}

bool
state_is_claimed_by_other(const struct session_answer *answer)
{
	return answer->outcome == SESSION_FAILED &&
	       strcmp(answer->sqlstate, "RP001") == 0;
}
