/*
 * Which server this is.  The judgement is the database's, see
 * sql/schema/server.sql, for it must be of one piece with what follows from it.
 */
#include "postgres/server.h"

#include <string.h>

#include "postgres/quote.h"
#include "postgres/request.h"

struct recognise {
	struct server_policy policy;
	server_cb done;
	void *context;
};

const char *
server_verdict_name(enum server_verdict verdict)
{
	switch (verdict) {
	case SERVER_KNOWN:
		return "known";
	case SERVER_FIRST:
		return "first";
	case SERVER_CRASH:
		return "crash";
	case SERVER_TIMELINE:
		return "timeline";
	case SERVER_SYSTEM:
		return "system";
	case SERVER_COPY:
		return "copy";
	}
	return "unknown";
}

static bool
ignores(const struct server_policy *policy, enum server_verdict verdict)
{
	switch (verdict) {
	case SERVER_KNOWN:
	case SERVER_FIRST:
		return false;
	case SERVER_CRASH:
		return policy->ignores_crash;
	case SERVER_TIMELINE:
	case SERVER_SYSTEM:
	case SERVER_COPY:
		return policy->ignores_timeline;
	}
	return false;
}

/* A verdict that this version does not know is taken for a crash. */
static enum server_verdict
read_verdict(const char *text)
{
	for (int i = 0; i < SERVER_N_VERDICTS; i++)
		if (strcmp(text, server_verdict_name(i)) == 0)
			return i;
	return SERVER_CRASH;
}

static void
on_answer(void *context, const struct session_answer *answer)
{
	struct recognise recognise = *(struct recognise *)context;
	struct server_recognition recognition;

	free(context);
	if (answer->outcome != SESSION_DONE) {
		recognise.done(
		    recognise.context, answer->outcome, NULL, answer->err);
		return;
	}
	recognition = (struct server_recognition){
	    .verdict = read_verdict(rows_text(&answer->rows, 0, 0)),
	    .former = rows_text(&answer->rows, 0, 1),
	    .present = rows_text(&answer->rows, 0, 2),
	};
	recognition.is_ignored =
	    ignores(&recognise.policy, recognition.verdict);
	if (recognition.verdict == SERVER_FIRST)
		recognition.former = NULL;
	recognise.done(recognise.context, SESSION_DONE, &recognition, NULL);
}

static void
print_ignored(struct buf *list, const struct server_policy *policy)
{
	buf_add_char(list, '{');
	for (int i = 0; i < SERVER_N_VERDICTS; i++) {
		if (!ignores(policy, i))
			continue;
		if (list->n > 1)
			buf_add_char(list, ',');
		buf_add_string(list, server_verdict_name(i));
	}
	buf_add_char(list, '}');
}

int
server_recognise(struct session *session, const char *schema,
    const struct server_policy *policy, server_cb done, void *context,
    struct pgripple_error *err)
{
	struct request request = {0};
	struct recognise *recognise = malloc(sizeof(*recognise));

	if (recognise == NULL)
		return pgripple_error_nomem(err);
	*recognise = (struct recognise){*policy, done, context};
	buf_add_string(&request.sql, "SELECT verdict, former, present FROM ");
	quote_identifier(&request.sql, schema);
	buf_add_string(&request.sql, ".recognise_server($1::text[])");
	print_ignored(request_value(&request), policy);
	if (request_submit(
		&request, session, false, on_answer, recognise, err) != 0) {
		free(recognise);
		return -1;
	}
	return 0;
}
