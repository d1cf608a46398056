/*
 * Replies of Redis, and what the errors among them mean.
 */
#include "redis/reply.h"

#include <stdio.h>
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

void
redis_info_field(const char *info, const char *name, char *buffer, size_t size)
{
	size_t n_name = strlen(name);
	const char *line = info;

	*buffer = '\0';
	while (line != NULL) {
		if (strncmp(line, name, n_name) == 0 && line[n_name] == ':') {
			line += n_name + 1;
			(void)snprintf(buffer, size, "%.*s",
			    (int)strcspn(line, "\r\n"), line);
			return;
		}
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
}

const char *
redis_refusal_name(enum redis_refusal refusal)
{
	switch (refusal) {
	case REDIS_REFUSAL_KEY:
		return "key";
	case REDIS_REFUSAL_SCRIPT:
		return "script";
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

/* By the first word, or by what stands somewhere in the text; the first line
 * that fits counts.  NOPERM has three meanings, of which two are about the key
 * and one about the user; a script wraps some of them into ERR. */
static const struct {
	const char *word;
	const char *part; /* NULL: any */
	enum redis_refusal refusal;
} refusals[] = {
    {"WRONGTYPE", NULL, REDIS_REFUSAL_KEY},
    {"NOPERM", "to access one of the keys", REDIS_REFUSAL_KEY},
    {"NOPERM", "to access one of the channels", REDIS_REFUSAL_KEY},
    {"NOPERM", "No permissions to access a key", REDIS_REFUSAL_KEY},
    {"NOPERM", "No permissions to access a channel", REDIS_REFUSAL_KEY},
    {"ERR", "can't access at least one of the keys", REDIS_REFUSAL_KEY},
    {"NOPERM", "can't access at least one of the keys", REDIS_REFUSAL_KEY},
    {"ERR", "value is not an integer", REDIS_REFUSAL_KEY},
    {"ERR", "increment or decrement would overflow", REDIS_REFUSAL_KEY},
    {"ERR", "The ID specified in XADD", REDIS_REFUSAL_KEY},
    {"ERR", "The stream has exhausted the last possible ID", REDIS_REFUSAL_KEY},
    {"NOSCRIPT", NULL, REDIS_REFUSAL_SCRIPT},
    {"READONLY", NULL, REDIS_REFUSAL_ROLE},
    {"MASTERDOWN", NULL, REDIS_REFUSAL_ROLE},
    {"LOADING", NULL, REDIS_REFUSAL_PASSING},
    {"BUSY", NULL, REDIS_REFUSAL_PASSING},
    {"TRYAGAIN", NULL, REDIS_REFUSAL_PASSING},
    {"CLUSTERDOWN", NULL, REDIS_REFUSAL_PASSING},
    {"ERR", "max number of clients", REDIS_REFUSAL_PASSING},
    {"MISCONF", NULL, REDIS_REFUSAL_SICK},
    {"NOREPLICAS", NULL, REDIS_REFUSAL_SICK},
    {"OOM", NULL, REDIS_REFUSAL_SICK},
    {"NOAUTH", NULL, REDIS_REFUSAL_DENIED},
    {"WRONGPASS", NULL, REDIS_REFUSAL_DENIED},
    {"NOPERM", NULL, REDIS_REFUSAL_DENIED},
    {"ERR", "can't run this command", REDIS_REFUSAL_DENIED},
    {"DENIED", NULL, REDIS_REFUSAL_DENIED}, /* protected mode */
    {"MOVED", NULL, REDIS_REFUSAL_CLUSTER},
    {"ASK", NULL, REDIS_REFUSAL_CLUSTER},
    {"CROSSSLOT", NULL, REDIS_REFUSAL_CLUSTER},
};

enum redis_refusal
redis_refusal_of(const char *text)
{
	size_t length = strcspn(text, " ");

	for (size_t i = 0; i < N_ELEMENTS(refusals); i++)
		if (strlen(refusals[i].word) == length &&
		    memcmp(refusals[i].word, text, length) == 0 &&
		    (refusals[i].part == NULL ||
			strstr(text, refusals[i].part) != NULL))
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
	case REDIS_REFUSAL_KEY:
	case REDIS_REFUSAL_SCRIPT:
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
