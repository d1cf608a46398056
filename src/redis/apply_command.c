/*
 * From operations to commands of Redis.
 *
 * Neighbours of one kind share a command where Redis has one for many; they are
 * bounded by number and bytes, so that none keeps Redis busy for long.
 */
#include "redis/apply_private.h"

#include <inttypes.h>
#include <string.h>

#include "redis/script.h"

/* "*2\r\n$6\r\nUNLINK\r\n", and "$5\r\n...\r\n" around a key. */
#define COMMAND_OVERHEAD 24
#define KEY_OVERHEAD 16

/* Of one table, that one script looks for: what it does within a millisecond or
 * two where a table has twenty schemes. */
#define MAX_ROWS 50

#define ASIDE_PREFIX "pgripple:drain:"
#define REFUSED "refused:"

/* Every kind: its command, what that answers, and how many operations at most
 * share one. */
static const struct form {
	const char *name;
	enum redis_reply_kind expects;
	size_t max_operations;
	bool is_script;
	enum redis_script script;
} forms[PGRIPPLE_OPERATION_KINDS] = {
    [PGRIPPLE_OPERATION_FENCE] = {"SET", REDIS_REPLY_KIND_TEXT, 1, false, 0},
    [PGRIPPLE_OPERATION_UNLINK] = {"UNLINK", REDIS_REPLY_KIND_INTEGER,
	REDIS_APPLY_COMMAND_KEYS, false, 0},
    [PGRIPPLE_OPERATION_HDEL] = {"HDEL", REDIS_REPLY_KIND_INTEGER,
	REDIS_APPLY_COMMAND_KEYS, false, 0},
    [PGRIPPLE_OPERATION_VERSION] = {"version.lua", REDIS_REPLY_KIND_INTEGER,
	REDIS_APPLY_COMMAND_KEYS, true, REDIS_SCRIPT_VERSION},
    [PGRIPPLE_OPERATION_TAG] = {"tag.lua", REDIS_REPLY_KIND_ARRAY, 1, true,
	REDIS_SCRIPT_TAG},
    [PGRIPPLE_OPERATION_CACHEOPS] = {"cacheops.lua", REDIS_REPLY_KIND_ARRAY,
	MAX_ROWS, true, REDIS_SCRIPT_CACHEOPS},
    [PGRIPPLE_OPERATION_PUBLISH] = {"PUBLISH", REDIS_REPLY_KIND_INTEGER, 1,
	false, 0},
    [PGRIPPLE_OPERATION_STREAM] = {"XADD", REDIS_REPLY_KIND_TEXT, 1, false, 0},
    [PGRIPPLE_OPERATION_SCAN] = {"SCAN", REDIS_REPLY_KIND_ARRAY, 0, false, 0},
    [PGRIPPLE_OPERATION_DRAIN] = {"drain.lua", REDIS_REPLY_KIND_ARRAY, 1, true,
	REDIS_SCRIPT_DRAIN},
    [PGRIPPLE_OPERATION_CONJ] = {"drain.lua", REDIS_REPLY_KIND_ARRAY, 1, true,
	REDIS_SCRIPT_DRAIN},
};

const char *
command_name(enum pgripple_operation_kind kind)
{
	return forms[kind].name;
}

enum redis_reply_kind
command_expects(enum pgripple_operation_kind kind)
{
	return forms[kind].expects;
}

bool
command_is_script(enum pgripple_operation_kind kind)
{
	return forms[kind].is_script;
}

void
redis_tag_aside(
    struct buf *key, const char *prefix, const char *tag, size_t length)
{
	buf_add_string(key, prefix);
	buf_add_string(key, ASIDE_PREFIX);
	buf_add(key, tag, length);
}

/* Ranges. */

static size_t
size_of(const struct pgripple_operation *operation)
{
	size_t bytes = operation->key_length + KEY_OVERHEAD;

	for (size_t i = 0; i < operation->n_values; i++)
		bytes += operation->values[i].length + KEY_OVERHEAD;
	return bytes;
}

static bool
same_bytes(const char *a, size_t n_a, const char *b, size_t n_b)
{
	return n_a == n_b && memcmp(a, b, n_a) == 0;
}

static bool
same_values(const struct pgripple_operation *a,
    const struct pgripple_operation *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!same_bytes(a->values[i].bytes, a->values[i].length,
			b->values[i].bytes, b->values[i].length))
			return false;
	return a->n_values == b->n_values;
}

static bool
go_together(
    const struct pgripple_operation *a, const struct pgripple_operation *b)
{
	bool is_same_key =
	    same_bytes(a->key, a->key_length, b->key, b->key_length);

	if (a->kind != b->kind)
		return false;
	if (a->kind == PGRIPPLE_OPERATION_CACHEOPS)
		return is_same_key &&
		       same_values(a, b, PGRIPPLE_CACHEOPS_CELLS);
	return a->kind != PGRIPPLE_OPERATION_HDEL || is_same_key;
}

struct range
command_range(const struct apply *apply, size_t from)
{
	const struct pgripple_operation *first = &apply->operations[from];
	struct range range = {.from = from, .bytes = COMMAND_OVERHEAD};

	while (from + range.n < apply->n_operations) {
		const struct pgripple_operation *next = first + range.n;
		size_t bytes = size_of(next);

		if (range.n > 0 &&
		    (range.n == forms[first->kind].max_operations ||
			range.bytes + bytes > REDIS_APPLY_COMMAND_BYTES ||
			!go_together(first, next)))
			break;
		range.bytes += bytes;
		range.n++;
	}
	return range;
}

/* Words. */

void
words_done(struct words *words)
{
	free(words->argv);
	free(words->lengths);
	buf_done(&words->made);
	*words = (struct words){0};
}

static void
grow(struct words *words)
{
	size_t capacity = words->capacity * 2 + 16;
	const char **argv =
	    reallocarray(words->argv, capacity, sizeof(*words->argv));
	size_t *lengths;

	if (argv != NULL)
		words->argv = argv;
	lengths =
	    reallocarray(words->lengths, capacity, sizeof(*words->lengths));
	if (lengths != NULL)
		words->lengths = lengths;
	if (argv == NULL || lengths == NULL)
		words->failed = true;
	else
		words->capacity = capacity;
}

static void
add_bytes(struct words *words, const char *bytes, size_t length)
{
	if (words->n == words->capacity)
		grow(words);
	if (words->failed)
		return;
	words->argv[words->n] = bytes;
	words->lengths[words->n++] = length;
}

static void
add_word(struct words *words, const char *word)
{
	add_bytes(words, word, strlen(word));
}

static void
add_key(struct words *words, const struct pgripple_operation *operation)
{
	add_bytes(words, operation->key, operation->key_length);
}

static void
add_value(struct words *words, const struct pgripple_bytes *value)
{
	add_bytes(words, value->bytes, value->length);
}

static void
add_values(struct words *words, const struct pgripple_operation *operation)
{
	for (size_t i = 0; i < operation->n_values; i++)
		add_value(words, &operation->values[i]);
}

/* The text in "made" must not move any more: at most once for a command, at the
 * very beginning; it may hold several words, each with its end. */
static const char *
make_number(struct words *words, int64_t number)
{
	buf_reset(&words->made);
	buf_printf(&words->made, "%" PRId64, number);
	words->failed |= words->made.failed;
	return buf_string(&words->made);
}

static void
open_script(struct apply *apply, enum redis_script script, const char *n_keys)
{
	struct words *words = &apply->words;

	add_word(words, apply->has_scripts ? "EVAL" : "EVALSHA");
	add_word(words, apply->has_scripts ? redis_script_text(script)
					   : redis_script_sha1(script));
	add_word(words, n_keys);
}

static void
make_tag(struct apply *apply, const struct pgripple_operation *operation)
{
	struct words *words = &apply->words;
	struct buf *made = &words->made;
	size_t aside;

	(void)make_number(words, apply->tag_members);
	buf_add_char(made, '\0');
	aside = made->n;
	redis_tag_aside(made, redis_connection_prefix(apply->conn),
	    operation->key, operation->key_length);
	words->failed |= made->failed;
	if (words->failed)
		return;
	open_script(apply, REDIS_SCRIPT_TAG, "2");
	add_key(words, operation);
	add_bytes(words, made->bytes + aside, made->n - aside);
	add_word(words, made->bytes);
}

static bool
lies_aside(
    const struct apply *apply, const struct pgripple_operation *operation)
{
	CLEANUP(buf_done) struct buf start = BUF_INIT;

	redis_tag_aside(&start, redis_connection_prefix(apply->conn), "", 0);
	return !start.failed && operation->key_length >= start.n &&
	       memcmp(operation->key, start.bytes, start.n) == 0;
}

static void
make_drain(struct apply *apply, const struct pgripple_operation *operation)
{
	bool is_any = operation->kind == PGRIPPLE_OPERATION_CONJ;
	struct words *words = &apply->words;
	struct buf *made = &words->made;
	size_t kept;

	(void)make_number(words, apply->tag_members);
	buf_add_char(made, '\0');
	kept = made->n;
	redis_tag_aside(made, redis_connection_prefix(apply->conn), REFUSED,
	    strlen(REFUSED));
	buf_add(made, operation->key, operation->key_length);
	words->failed |= made->failed;
	if (words->failed)
		return;
	open_script(apply, REDIS_SCRIPT_DRAIN, "2");
	add_key(words, operation);
	add_bytes(words, made->bytes + kept, made->n - kept);
	add_word(words, made->bytes);
	add_word(words, is_any ? "any" : "");
	add_word(words, lies_aside(apply, operation) ? "" : "back");
}

/* What the rows have in common once, then their cells. */
static void
make_cacheops(struct apply *apply, const struct range *range)
{
	const struct pgripple_operation *rows = &apply->operations[range->from];
	struct words *words = &apply->words;
	struct buf *made = &words->made;
	size_t n_rows, aside;

	(void)make_number(words, apply->tag_members);
	buf_add_char(made, '\0');
	n_rows = made->n;
	buf_printf(made, "%zu", range->n);
	buf_add_char(made, '\0');
	aside = made->n;
	redis_tag_aside(made, redis_connection_prefix(apply->conn), rows->key,
	    rows->key_length);
	words->failed |= made->failed;
	if (words->failed)
		return;
	open_script(apply, REDIS_SCRIPT_CACHEOPS, "2");
	add_key(words, rows);
	add_bytes(words, made->bytes + aside, made->n - aside);
	for (size_t i = 0; i < PGRIPPLE_CACHEOPS_CELLS - 1; i++)
		add_value(words, &rows->values[i]);
	add_word(words, made->bytes);
	add_word(words, made->bytes + n_rows);
	add_value(words, &rows->values[PGRIPPLE_CACHEOPS_CELLS - 1]);
	for (size_t i = 0; i < range->n; i++)
		for (size_t j = PGRIPPLE_CACHEOPS_CELLS; j < rows[i].n_values;
		     j++)
			add_value(words, &rows[i].values[j]);
}

static void
make_version(struct apply *apply, const struct range *range)
{
	struct words *words = &apply->words;

	open_script(
	    apply, REDIS_SCRIPT_VERSION, make_number(words, (int64_t)range->n));
	for (size_t i = 0; i < range->n; i++)
		add_key(words, &apply->operations[range->from + i]);
}

static void
make_fence(struct apply *apply, const struct pgripple_operation *operation)
{
	struct words *words = &apply->words;
	const char *hold = make_number(words, operation->number);

	add_word(words, "SET");
	add_key(words, operation);
	add_word(words, apply->nonce);
	add_word(words, "PX");
	add_word(words, hold);
}

static void
make_stream(struct words *words, const struct pgripple_operation *operation)
{
	add_word(words, "XADD");
	add_key(words, operation);
	if (operation->number > 0) {
		add_word(words, "MAXLEN");
		add_word(words, "~");
		add_word(words, make_number(words, operation->number));
	}
	add_word(words, "*");
	add_values(words, operation);
}

static void
make_many(struct apply *apply, const struct range *range)
{
	const struct pgripple_operation *first =
	    &apply->operations[range->from];
	struct words *words = &apply->words;

	add_word(words, forms[first->kind].name);
	if (first->n_values > 0)
		add_key(words, first);
	for (size_t i = 0; i < range->n; i++)
		if (first->n_values > 0)
			add_values(words, first + i);
		else
			add_key(words, first + i);
}

int
command_make(
    struct apply *apply, const struct range *range, struct pgripple_error *err)
{
	const struct pgripple_operation *first =
	    &apply->operations[range->from];

	apply->words.n = 0;
	switch (first->kind) {
	case PGRIPPLE_OPERATION_FENCE:
		make_fence(apply, first);
		break;
	case PGRIPPLE_OPERATION_UNLINK:
	case PGRIPPLE_OPERATION_HDEL:
	case PGRIPPLE_OPERATION_PUBLISH:
		make_many(apply, range);
		break;
	case PGRIPPLE_OPERATION_VERSION:
		make_version(apply, range);
		break;
	case PGRIPPLE_OPERATION_TAG:
		make_tag(apply, first);
		break;
	case PGRIPPLE_OPERATION_STREAM:
		make_stream(&apply->words, first);
		break;
	case PGRIPPLE_OPERATION_CACHEOPS:
		make_cacheops(apply, range);
		break;
	case PGRIPPLE_OPERATION_DRAIN:
	case PGRIPPLE_OPERATION_CONJ:
		make_drain(apply, first);
		break;
	case PGRIPPLE_OPERATION_SCAN:
		break; /* refused by redis_apply() */
	}
	return apply->words.failed ? pgripple_error_nomem(err) : 0;
}
