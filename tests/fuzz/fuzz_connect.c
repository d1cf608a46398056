/*
 * What says how to connect: a Redis URL, and a conninfo for libpq.
 */
#include "base/arena.h"
#include "config/settings_table.h"
#include "fuzz.h"
#include "postgres/conninfo.h"
#include "redis/url.h"

/* A secret that nothing else contains must not be told. */
static void
check_secret(const char *secret, const char *told, const char *text)
{
	const char *first = strstr(text, secret);

	if (strlen(secret) < 8 || first == NULL ||
	    strstr(first + 1, secret) != NULL)
		return;
	EXPECT(strstr(told, secret) == NULL);
}

static void
try_url(const char *text)
{
	char printed[REDIS_URL_TEXT];
	struct pgripple_error err;
	struct redis_url url;

	if (redis_url_parse(text, &url, &err) != 0) {
		EXPECT(err.kind == PGRIPPLE_ERROR_CONFIG);
		return;
	}
	redis_url_print(&url, printed, sizeof(printed));
	EXPECT(strlen(printed) < sizeof(printed));
	if (url.password != NULL)
		check_secret(url.password, printed, text);
	redis_url_done(&url);
}

/* The same, more roughly. */
static void
try_setting(const char *text)
{
	const struct setting *url = &settings_target_table[0];
	struct settings_target target;
	struct arena *arena = arena_new();
	struct pgripple_error err;

	EXPECT(arena != NULL && url->type == SETTING_URL);
	(void)!setting_parse(url, text, arena, &target, &err);
	arena_free(arena);
}

static void
try_conninfo(const char *text)
{
	struct conninfo *conninfo;
	struct pgripple_error err;

	if (conninfo_new(text, "fuzz", &conninfo, &err) != 0) {
		EXPECT(err.kind == PGRIPPLE_ERROR_CONFIG);
		return;
	}
	EXPECT(conninfo_describe(conninfo) != NULL);
	conninfo_rotate(conninfo);
	(void)conninfo_error(conninfo, text, &err);
	EXPECT(strchr(err.text, '\n') == NULL);
	conninfo_free(conninfo);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	try_url(text);
	try_setting(text);
	try_conninfo(text);
	free(text);
	return 0;
}
