/*
 * Replies of Redis, and what the errors among them mean.
 */
#include "redis/reply.h"

#include <string.h>

#include <hiredis/hiredis.h>

const char *
redis_reply_kind_name(enum redis_reply_kind kind)
{
	switch (kind) {
	case REDIS_REPLY_KIND_TEXT:
		return "text";
	case REDIS_REPLY_KIND_INTEGER:
		return "integer";
	case REDIS_REPLY_KIND_NIL:
		return "nil";
	case REDIS_REPLY_KIND_ARRAY:
		return "array";
	case REDIS_REPLY_KIND_ERROR:
		return "error";
	case REDIS_REPLY_KIND_OTHER:
		return "other";
	}
	return "?";
}

static enum redis_reply_kind
kind_of(int type)
{
	switch (type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return REDIS_REPLY_KIND_TEXT;
	case REDIS_REPLY_INTEGER:
		return REDIS_REPLY_KIND_INTEGER;
	case REDIS_REPLY_NIL:
		return REDIS_REPLY_KIND_NIL;
	case REDIS_REPLY_ARRAY:
		return REDIS_REPLY_KIND_ARRAY;
	case REDIS_REPLY_ERROR:
		return REDIS_REPLY_KIND_ERROR;
	default:
		return REDIS_REPLY_KIND_OTHER;
	}
}

struct redis_reply
redis_reply_from(const struct redisReply *raw)
{
	struct redis_reply reply = {
	    .kind = kind_of(raw->type), .text = "", .raw = raw};

	switch (reply.kind) {
	case REDIS_REPLY_KIND_TEXT:
	case REDIS_REPLY_KIND_ERROR:
		reply.text = raw->str;
		reply.length = raw->len;
		break;
	case REDIS_REPLY_KIND_INTEGER:
		reply.integer = raw->integer;
		break;
	case REDIS_REPLY_KIND_ARRAY:
		reply.n_items = raw->elements;
		break;
	case REDIS_REPLY_KIND_NIL:
	case REDIS_REPLY_KIND_OTHER:
		break;
	}
	return reply;
}

struct redis_reply
redis_reply_item(const struct redis_reply *reply, size_t index)
{
	const redisReply *raw = reply->raw;

	return redis_reply_from(raw->element[index]);
}

bool
redis_reply_equals(const struct redis_reply *reply, const char *text)
{
	return reply->kind == REDIS_REPLY_KIND_TEXT &&
	       reply->length == strlen(text) &&
	       memcmp(reply->text, text, reply->length) == 0;
}

const char *
redis_refusal_name(enum redis_refusal refusal)
{
	switch (refusal) {
	case REDIS_REFUSAL_ROLE:
		return "role";
	case REDIS_REFUSAL_PASSING:
		return "passing";
	case REDIS_REFUSAL_SICK:
		return "sick";
	case REDIS_REFUSAL_DENIED:
		return "denied";
	case REDIS_REFUSAL_CLUSTER:
		return "cluster";
	case REDIS_REFUSAL_OTHER:
		return "other";
	}
	return "?";
}

static const struct {
	const char *word;
	enum redis_refusal refusal;
} refusals[] = {
    {"READONLY", REDIS_REFUSAL_ROLE},
    {"MASTERDOWN", REDIS_REFUSAL_ROLE},
    {"LOADING", REDIS_REFUSAL_PASSING},
    {"BUSY", REDIS_REFUSAL_PASSING},
    {"TRYAGAIN", REDIS_REFUSAL_PASSING},
    {"CLUSTERDOWN", REDIS_REFUSAL_PASSING},
    {"MISCONF", REDIS_REFUSAL_SICK},
    {"NOREPLICAS", REDIS_REFUSAL_SICK},
    {"OOM", REDIS_REFUSAL_SICK},
    {"NOAUTH", REDIS_REFUSAL_DENIED},
    {"WRONGPASS", REDIS_REFUSAL_DENIED},
    {"NOPERM", REDIS_REFUSAL_DENIED},
    {"DENIED", REDIS_REFUSAL_DENIED}, /* protected mode */
    {"MOVED", REDIS_REFUSAL_CLUSTER},
    {"ASK", REDIS_REFUSAL_CLUSTER},
    {"CROSSSLOT", REDIS_REFUSAL_CLUSTER},
};

enum redis_refusal
redis_refusal_of(const char *text)
{
	static const char full[] = "ERR max number of clients";
	size_t length = strcspn(text, " ");

	if (strncmp(text, full, strlen(full)) == 0)
		return REDIS_REFUSAL_PASSING;
	for (size_t i = 0; i < N_ELEMENTS(refusals); i++)
		if (strlen(refusals[i].word) == length &&
		    memcmp(refusals[i].word, text, length) == 0)
			return refusals[i].refusal;
	return REDIS_REFUSAL_OTHER;
}

static const char *
hint_of(enum redis_refusal refusal)
{
	switch (refusal) {
	case REDIS_REFUSAL_ROLE:
		return "Let redis.url lead to the master.";
	case REDIS_REFUSAL_PASSING:
		return "The server is expected to recover by itself.";
	case REDIS_REFUSAL_SICK:
		return "The server must be mended; until then nothing is "
		       "acknowledged.";
	case REDIS_REFUSAL_DENIED:
		return "Check user and password in redis.url, and the user's "
		       "permissions (ACL).";
	case REDIS_REFUSAL_CLUSTER:
		return "Redis Cluster is not supported by this version.";
	case REDIS_REFUSAL_OTHER:
		break;
	}
	return NULL;
}

/* Refusals that a setting causes and no code tells. */
static const char *
hint_of_text(const char *text)
{
	static const struct {
		const char *part, *hint;
	} hints[] = {
	    {"without any password configured",
		"The server has no password: leave it out of redis.url."},
	    {"DB index is out of range",
		"The server has fewer databases: take another number at the "
		"end of redis.url, or raise \"databases\" in redis.conf."},
	};

	for (size_t i = 0; i < N_ELEMENTS(hints); i++)
		if (strstr(text, hints[i].part) != NULL)
			return hints[i].hint;
	return NULL;
}

int
redis_reply_refuse(const struct redis_reply *reply, const char *server,
    const char *command, struct pgripple_error *err)
{
	const char *hint;

	if (reply->kind != REDIS_REPLY_KIND_ERROR)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" answered %s with an unexpected reply of "
		    "kind \"%s\"",
		    server, command, redis_reply_kind_name(reply->kind));
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" refused %s: \"%s\"", server, command, reply->text);
	hint = hint_of(redis_refusal_of(reply->text));
	if (hint == NULL)
		hint = hint_of_text(reply->text);
	if (hint != NULL)
		pgripple_error_hint(err, "%s", hint);
	return -1;
}
