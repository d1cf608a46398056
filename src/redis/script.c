/*
 * The Lua scripts.
 */
#include "redis/script.h"

#include <string.h>

#include "base/digest.h"
#include "base/util.h"
#include "redis/embedded_lua.h"

static const char *const texts[] = {
    [REDIS_SCRIPT_VERSION] = embedded_version_lua,
    [REDIS_SCRIPT_TAG] = embedded_tag_lua,
    [REDIS_SCRIPT_DRAIN] = embedded_drain_lua,
    [REDIS_SCRIPT_CACHEOPS] = embedded_cacheops_lua,
};

const char *
redis_script_text(enum redis_script script)
{
	return texts[script];
}

const char *
redis_script_sha1(enum redis_script script)
{
	static char names[N_ELEMENTS(texts)][DIGEST_SHA1_LENGTH + 1];

	if (names[script][0] == '\0')
		digest_sha1(
		    texts[script], strlen(texts[script]), names[script]);
	return names[script];
}
