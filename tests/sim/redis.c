/*
 * Redis: some keys, and every write that it could forget.
 *
 * Keys stay where they are until they go, so that a cursor that counts places
 * shows each key that was there all the time, as SCAN promises.
 */
#include <fnmatch.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "world.h"

#define MAX_WRITES 8192

struct redis_model redis;

/* What was at a place before a write. */
static struct {
	size_t place;
	struct redis_entry before;
} writes[MAX_WRITES];
static size_t n_writes;

void
redis_start(void)
{
	redis = (struct redis_model){.run = 1, .history = 1};
	n_writes = 0;
}

static bool
is_there(const struct redis_entry *entry)
{
	return entry->key[0] != '\0' &&
	       (entry->expires_us == 0 || entry->expires_us > agenda_now_us());
}

static struct redis_entry *
find(const char *key)
{
	for (size_t i = 0; i < MAX_KEYS; i++)
		if (is_there(&redis.entries[i]) &&
		    strcmp(redis.entries[i].key, key) == 0)
			return &redis.entries[i];
	return NULL;
}

const struct redis_entry *
redis_find(const char *key)
{
	return find(key);
}

static void
write_entry(struct redis_entry *entry, const struct redis_entry *after)
{
	if (n_writes == MAX_WRITES)
		abort();
	writes[n_writes].place = (size_t)(entry - redis.entries);
	writes[n_writes++].before = *entry;
	*entry = *after;
}

static struct redis_entry *
free_place(void)
{
	for (size_t i = 0; i < MAX_KEYS; i++)
		if (!is_there(&redis.entries[i]))
			return &redis.entries[i];
	abort();
}

void
redis_set(const char *key, const char *value, int64_t ttl_us)
{
	struct redis_entry *entry = find(key);
	struct redis_entry after = {0};

	if (entry == NULL)
		entry = free_place();
	if (strlen(key) >= KEY_BYTES || strlen(value) >= VALUE_BYTES)
		abort();
	(void)snprintf(after.key, KEY_BYTES, "%s", key);
	(void)snprintf(after.value, VALUE_BYTES, "%s", value);
	after.expires_us = ttl_us == 0 ? 0 : agenda_now_us() + ttl_us;
	write_entry(entry, &after);
}

static void
note_removal(const char *key)
{
	if (key[0] >= 'a' && key[0] < 'a' + N_TABLES && key[1] == ':' &&
	    key[2] >= '1' && key[2] <= '0' + N_ROWS && key[3] == '\0')
		redis.removed_tick[key[0] - 'a'][key[2] - '0'] = judge_tick();
}

bool
redis_remove(const char *key)
{
	struct redis_entry *entry = find(key);

	note_removal(key);
	if (entry == NULL)
		return false;
	write_entry(entry, &(struct redis_entry){0});
	return true;
}

size_t
redis_n_writes(void)
{
	return n_writes;
}

void
redis_go_back(size_t n)
{
	story("redis forgets %zu writes", n);
	while (n-- > 0 && n_writes > 0) {
		n_writes--;
		redis.entries[writes[n_writes].place] = writes[n_writes].before;
	}
}

/* Replies. */

static redisReply *
make(int type)
{
	redisReply *reply = calloc(1, sizeof(*reply));

	if (reply == NULL)
		abort();
	reply->type = type;
	return reply;
}

static redisReply *
make_text(int type, const char *text)
{
	redisReply *reply = make(type);

	reply->str = strdup(text);
	reply->len = strlen(text);
	return reply;
}

static redisReply *
make_integer(int64_t number)
{
	redisReply *reply = make(REDIS_REPLY_INTEGER);

	reply->integer = number;
	return reply;
}

static redisReply *
make_array(size_t n)
{
	redisReply *reply = make(REDIS_REPLY_ARRAY);

	reply->elements = n;
	reply->element = calloc(n + 1, sizeof(*reply->element));
	return reply;
}

static redisReply *
make_value(const struct redis_entry *entry)
{
	return entry == NULL ? make(REDIS_REPLY_NIL)
			     : make_text(REDIS_REPLY_STRING, entry->value);
}

/* Commands. */

static redisReply *
do_set(size_t argc, char *const *argv)
{
	redisReply *before = make_value(find(argv[1]));
	int64_t ttl_us = 0;
	bool wants_before = false;

	for (size_t i = 3; i < argc; i++) {
		if (strcasecmp(argv[i], "NX") == 0 && find(argv[1]) != NULL)
			return before;
		wants_before |= strcasecmp(argv[i], "GET") == 0;
		if (strcasecmp(argv[i], "PX") == 0)
			ttl_us = atoll(argv[++i]) * MS;
	}
	redis_set(argv[1], argv[2], ttl_us);
	if (wants_before)
		return before;
	freeReplyObject(before);
	return make_text(REDIS_REPLY_STATUS, "OK");
}

static redisReply *
do_unlink(size_t argc, char *const *argv)
{
	int64_t n = 0;

	for (size_t i = 1; i < argc; i++)
		n += redis_remove(argv[i]);
	return make_integer(n);
}

static redisReply *
do_scan(size_t argc, char *const *argv)
{
	size_t from = (size_t)atoll(argv[1]);
	size_t to = from + 1 + (size_t)chance_below(MAX_KEYS);
	const char *pattern = argc > 3 ? argv[3] : "*";
	redisReply *reply = make_array(2), *keys = make_array(MAX_KEYS);
	char cursor[24];

	keys->elements = 0;
	for (size_t i = from; i < to && i < MAX_KEYS; i++)
		if (is_there(&redis.entries[i]) &&
		    fnmatch(pattern, redis.entries[i].key, 0) == 0)
			keys->element[keys->elements++] =
			    make_text(REDIS_REPLY_STRING, redis.entries[i].key);
	(void)snprintf(cursor, sizeof(cursor), "%zu", to < MAX_KEYS ? to : 0);
	reply->element[0] = make_text(REDIS_REPLY_STRING, cursor);
	reply->element[1] = keys;
	return reply;
}

static redisReply *
do_dbsize(size_t argc UNUSED, char *const *argv UNUSED)
{
	int64_t n = 0;

	for (size_t i = 0; i < MAX_KEYS; i++)
		n += is_there(&redis.entries[i]);
	return make_integer(n);
}

static redisReply *
do_echo(size_t argc UNUSED, char *const *argv)
{
	return make_text(REDIS_REPLY_STRING, argv[1]);
}

static redisReply *
do_get(size_t argc UNUSED, char *const *argv)
{
	return make_value(find(argv[1]));
}

static redisReply *
do_info(size_t argc UNUSED, char *const *argv UNUSED)
{
	char text[80];

	(void)snprintf(text, sizeof(text),
	    "role:%s\r\nmaster_replid:history-%u\r\n",
	    redis.mood == REDIS_REPLICA ? "slave" : "master", redis.history);
	return make_text(REDIS_REPLY_STRING, text);
}

static const struct {
	const char *name;
	redisReply *(*execute)(size_t argc, char *const *argv);
	bool writes;
	bool grows; /* needs memory */
} commands[] = {
    {"SET", do_set, true, true},
    {"UNLINK", do_unlink, true, false},
    {"SCAN", do_scan, false, false},
    {"DBSIZE", do_dbsize, false, false},
    {"ECHO", do_echo, false, false},
    {"GET", do_get, false, false},
    {"INFO", do_info, false, false},
};

static redisReply *
refuse(bool does_write, bool grows)
{
	switch (redis.mood) {
	case REDIS_WELL:
		break;
	case REDIS_FULL:
		if (grows)
			return make_text(REDIS_REPLY_ERROR,
			    "OOM command not allowed when used memory > "
			    "'maxmemory'.");
		break;
	case REDIS_SICK:
		if (does_write)
			return make_text(REDIS_REPLY_ERROR,
			    "MISCONF Redis is configured to save RDB "
			    "snapshots, but it is unable to persist on disk.");
		break;
	case REDIS_LOADING: /* INFO would be answered; nobody asks it alone */
		return make_text(REDIS_REPLY_ERROR,
		    "LOADING Redis is loading the dataset in memory");
	case REDIS_REPLICA:
		if (does_write)
			return make_text(REDIS_REPLY_ERROR,
			    "READONLY You can't write against a read only "
			    "replica.");
		break;
	}
	return NULL;
}

struct redisReply *
redis_execute(size_t argc, char *const *argv)
{
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		redisReply *reply;

		if (strcasecmp(commands[i].name, argv[0]) != 0)
			continue;
		reply = refuse(commands[i].writes, commands[i].grows);
		return reply != NULL ? reply : commands[i].execute(argc, argv);
	}
	judge_fail("the model does not know the command %s", argv[0]);
	return make_text(REDIS_REPLY_ERROR, "ERR unknown command");
}
