/*
 * The value of one setting: from text, and compared.
 */
#include "config/settings_table.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/closest.h"
#include "base/unit.h"
#include "config/listen_address.h"

#define MAX_SCHEMA 40

const char *
notify_mode_name(enum notify_mode mode)
{
	switch (mode) {
	case NOTIFY_MODE_ADAPTIVE:
		return "adaptive";
	case NOTIFY_MODE_ALWAYS:
		return "always";
	case NOTIFY_MODE_NEVER:
		return "never";
	}
	return "unknown";
}

static void *
member(const struct setting *setting, void *object)
{
	return (char *)object + setting->offset;
}

static const void *
const_member(const struct setting *setting, const void *object)
{
	return (const char *)object + setting->offset;
}

static int
fail(struct pgripple_error *err, const struct setting *setting,
    const char *what, const char *text)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "\"%s\" must be %s, not \"%.80s\"", setting->path, what, text);
}

static bool
is_choice(const struct setting *setting, const char *text)
{
	size_t n = strlen(text);

	for (const char *c = setting->choices; *c != '\0';) {
		size_t length = strcspn(c, ",");

		if (length == n && memcmp(c, text, n) == 0)
			return true;
		c += length;
		c += strspn(c, ", ");
	}
	return false;
}

static int
check_choice(
    const struct setting *setting, const char *text, struct pgripple_error *err)
{
	if (is_choice(setting, text))
		return 0;
	(void)fail(err, setting, "one of its choices", text);
	pgripple_error_hint(err, "Write one of: %s.", setting->choices);
	return -1;
}

static int
check_schema(
    const struct setting *setting, const char *text, struct pgripple_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "0123456789_";

	if (*text != '\0' && text[strspn(text, letters)] == '\0' &&
	    strchr("0123456789", *text) == NULL &&
	    strncmp(text, "pg_", 3) != 0 && strlen(text) <= MAX_SCHEMA)
		return 0;
	(void)fail(err, setting, "a plain name", text);
	pgripple_error_hint(err,
	    "Use lower-case letters, digits and underscores, at most %d, and "
	    "do not begin with a digit or \"pg_\".",
	    MAX_SCHEMA);
	return -1;
}

static int
fail_url(
    const struct setting *setting, const char *what, struct pgripple_error *err)
{
	(void)pgripple_error_set(
	    err, PGRIPPLE_ERROR_CONFIG, "\"%s\" %s", setting->path, what);
	pgripple_error_hint(err,
	    "Write redis://[user[:password]@]host[:port][/db] or "
	    "unix:///path/to/socket[?db=N].");
	return -1;
}

static bool
is_number(const char *text, size_t n, int64_t min, int64_t max)
{
	char digits[16];
	int64_t number;

	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return unit_parse_count(digits, &number) && number >= min &&
	       number <= max;
}

/* "user:password@host:port", without what follows it. */
static int
check_host(const struct setting *setting, const char *text, size_t n,
    struct pgripple_error *err)
{
	const char *at = memrchr(text, '@', n);
	const char *host = at == NULL ? text : at + 1;
	const char *end = text + n, *port;

	if (host < end && *host == '[')
		port = memchr(host, ']', (size_t)(end - host));
	else
		port = host;
	if (port != NULL)
		port = memchr(port, ':', (size_t)(end - port));
	if (host == end || host == port)
		return fail_url(setting, "names no host", err);
	if (port != NULL &&
	    !is_number(port + 1, (size_t)(end - port - 1), 1, 65535))
		return fail_url(
		    setting, "has a port that is no number up to 65535", err);
	return 0;
}

/* "/", "/7" or nothing, and perhaps parameters */
static int
check_db(
    const struct setting *setting, const char *path, struct pgripple_error *err)
{
	size_t n = strcspn(path, "?");

	if (n > 1 && !is_number(path + 1, n - 1, 0, 999999))
		return fail_url(
		    setting, "has a database that is no number", err);
	return 0;
}

static int
check_unix(
    const struct setting *setting, const char *path, struct pgripple_error *err)
{
	const char *db = strstr(path, "?db=");

	if (path[0] != '/' || path[1] == '\0')
		return fail_url(setting, "names no absolute path", err);
	if (db != NULL && !is_number(db + 4, strlen(db + 4), 0, 999999))
		return fail_url(
		    setting, "has a database that is no number", err);
	return 0;
}

/* Of the list only the first one: redis/url.h knows the rest. */
static int
check_sentinels(
    const struct setting *setting, const char *rest, struct pgripple_error *err)
{
	size_t n = strcspn(rest, "/");
	size_t n_master = strcspn(rest + n, "?");
	const char *at = memrchr(rest, '@', n);
	const char *host = at == NULL ? rest : at + 1;

	if (check_host(setting, host, strcspn(host, ",/"), err) < 0)
		return -1;
	if (n_master < 2) {
		(void)fail_url(setting, "names no master", err);
		pgripple_error_hint(err,
		    "Write redis+sentinel://host:26379/mymaster, with the "
		    "name that the sentinels watch it by.");
		return -1;
	}
	return 0;
}

static int
check_tcp(
    const struct setting *setting, const char *rest, struct pgripple_error *err)
{
	size_t n = strcspn(rest, "/?");

	if (check_host(setting, rest, n, err) < 0)
		return -1;
	return check_db(setting, rest + n, err);
}

static int
check_tls(
    const struct setting *setting, const char *rest, struct pgripple_error *err)
{
	if (PGRIPPLE_REDIS_TLS)
		return check_tcp(setting, rest, err);
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "\"%s\" with \"rediss://\": this pgripple was built without TLS "
	    "to Redis",
	    setting->path);
	pgripple_error_hint(err,
	    "It needs hiredis 1.0 or later with hiredis_ssl. Use a socket, or "
	    "a tunnel.");
	return -1;
}

static int
refuse_sentinel_tls(const struct setting *setting, struct pgripple_error *err)
{
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "\"%s\" with \"rediss+sentinel://\": there is no TLS to sentinels",
	    setting->path);
	pgripple_error_hint(err,
	    "Write redis+sentinel://, and reach the sentinels and the servers "
	    "that they name through tunnels.");
	return -1;
}

/* The shape of a URL; no message has its text. */
static int
check_url(
    const struct setting *setting, const char *url, struct pgripple_error *err)
{
	if (strncmp(url, "rediss://", 9) == 0)
		return check_tls(setting, url + 9, err);
	if (strncmp(url, "unix://", 7) == 0)
		return check_unix(setting, url + 7, err);
	if (strncmp(url, "redis+sentinel://", 17) == 0)
		return check_sentinels(setting, url + 17, err);
	if (strncmp(url, "rediss+sentinel://", 18) == 0)
		return refuse_sentinel_tls(setting, err);
	if (strncmp(url, "redis://", 8) != 0)
		return fail_url(setting,
		    "begins with neither redis:// nor unix:// nor "
		    "redis+sentinel://",
		    err);
	return check_tcp(setting, url + 8, err);
}

static int
check_listen(
    const struct setting *setting, const char *text, struct pgripple_error *err)
{
	struct listen_address address;

	if (strcmp(text, LISTEN_OFF) == 0 ||
	    listen_address_parse(text, &address))
		return 0;
	(void)fail(err, setting, "an address and a port, or off", text);
	pgripple_error_hint(err,
	    "Write 127.0.0.1:9821, [::1]:9821, unix:///path/to/socket or "
	    "off.");
	return -1;
}

static int
parse_text(const struct setting *setting, const char *text, struct arena *arena,
    void *object, struct pgripple_error *err)
{
	const char *copy;

	if ((setting->type == SETTING_SCHEMA &&
		check_schema(setting, text, err) < 0) ||
	    (setting->type == SETTING_URL &&
		check_url(setting, text, err) < 0) ||
	    (setting->type == SETTING_LISTEN &&
		check_listen(setting, text, err) < 0) ||
	    (setting->type == SETTING_CHOICE &&
		check_choice(setting, text, err) < 0))
		return -1;
	if (*text == '\0' && *setting->initial != '\0')
		return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "\"%s\" is empty", setting->path);
	copy = arena_strdup(arena, text);
	if (copy == NULL)
		return pgripple_error_nomem(err);
	*(const char **)member(setting, object) = copy;
	return 0;
}

static int
parse_flag(const struct setting *setting, const char *text, void *object,
    struct pgripple_error *err)
{
	bool is_true = strcmp(text, "true") == 0;

	if (!is_true && strcmp(text, "false") != 0) {
		(void)fail(err, setting, "true or false", text);
		pgripple_error_hint(err, "Write true or false.");
		return -1;
	}
	*(bool *)member(setting, object) = is_true;
	return 0;
}

static int
parse_notify(const struct setting *setting, const char *text, void *object,
    struct pgripple_error *err)
{
	static const enum notify_mode modes[] = {
	    NOTIFY_MODE_ADAPTIVE,
	    NOTIFY_MODE_ALWAYS,
	    NOTIFY_MODE_NEVER,
	};

	if (check_choice(setting, text, err) < 0)
		return -1;
	for (size_t i = 0; i < N_ELEMENTS(modes); i++)
		if (strcmp(text, notify_mode_name(modes[i])) == 0)
			*(enum notify_mode *)member(setting, object) = modes[i];
	return 0;
}

static bool
parse_number(const struct setting *setting, const char *text, int64_t *ret)
{
	switch (setting->type) {
	case SETTING_DURATION:
		return unit_parse_duration(text, ret);
	case SETTING_SIZE:
		return unit_parse_size(text, ret);
	default:
		return unit_parse_count(text, ret);
	}
}

static void
print_number(const struct setting *setting, int64_t number, struct buf *buf)
{
	if (setting->type == SETTING_DURATION)
		unit_print_duration(buf, number);
	else if (setting->type == SETTING_SIZE)
		unit_print_size(buf, number);
	else
		buf_printf(buf, "%lld", (long long)number);
}

static int
fail_number(
    const struct setting *setting, const char *text, struct pgripple_error *err)
{
	if (setting->type == SETTING_DURATION) {
		(void)fail(err, setting, "a duration", text);
		pgripple_error_hint(
		    err, "Write a number with a unit: 250ms, 5s, 2m or 1h.");
	} else if (setting->type == SETTING_SIZE) {
		(void)fail(err, setting, "a size", text);
		pgripple_error_hint(err,
		    "Write a number of bytes, or one with a unit: 64kB, 1MB.");
	} else {
		(void)fail(err, setting, "a whole number", text);
		pgripple_error_hint(err, "Write digits alone.");
	}
	return -1;
}

static int
parse_bounded(const struct setting *setting, const char *text, void *object,
    struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf range = BUF_INIT;
	int64_t number;

	if (!parse_number(setting, text, &number))
		return fail_number(setting, text, err);
	if (number < setting->min || number > setting->max) {
		buf_add_string(&range, "from ");
		print_number(setting, setting->min, &range);
		buf_add_string(&range, " to ");
		print_number(setting, setting->max, &range);
		return fail(err, setting, buf_string(&range), text);
	}
	*(int64_t *)member(setting, object) = number;
	return 0;
}

int
setting_parse(const struct setting *setting, const char *text,
    struct arena *arena, void *object, struct pgripple_error *err)
{
	switch (setting->type) {
	case SETTING_TEXT:
	case SETTING_SCHEMA:
	case SETTING_URL:
	case SETTING_LISTEN:
	case SETTING_CHOICE:
		return parse_text(setting, text, arena, object, err);
	case SETTING_NOTIFY:
		return parse_notify(setting, text, object, err);
	case SETTING_FLAG:
		return parse_flag(setting, text, object, err);
	case SETTING_DURATION:
	case SETTING_SIZE:
	case SETTING_COUNT:
		return parse_bounded(setting, text, object, err);
	}
	return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
	    "setting \"%s\" is of no type", setting->path);
}

bool
setting_is_equal(const struct setting *setting, const void *a, const void *b)
{
	const void *x = const_member(setting, a);
	const void *y = const_member(setting, b);

	switch (setting->type) {
	case SETTING_TEXT:
	case SETTING_SCHEMA:
	case SETTING_URL:
	case SETTING_LISTEN:
	case SETTING_CHOICE:
		return strcmp(*(const char *const *)x,
			   *(const char *const *)y) == 0;
	case SETTING_NOTIFY:
		return *(const enum notify_mode *)x ==
		       *(const enum notify_mode *)y;
	case SETTING_FLAG:
		return *(const bool *)x == *(const bool *)y;
	case SETTING_DURATION:
	case SETTING_SIZE:
	case SETTING_COUNT:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
	return false;
}
