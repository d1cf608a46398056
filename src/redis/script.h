/*
 * The Lua scripts of src/redis/scripts: constants, known to Redis by their
 * SHA-1; what they work on travels in KEYS and ARGV alone.
 */
#ifndef PGRIPPLE_REDIS_SCRIPT_H
#define PGRIPPLE_REDIS_SCRIPT_H

enum redis_script {
	REDIS_SCRIPT_VERSION,
	REDIS_SCRIPT_TAG,
	REDIS_SCRIPT_DRAIN,
	REDIS_SCRIPT_CACHEOPS,
};

const char *redis_script_text(enum redis_script script);
/* For EVALSHA, which is refused with NOSCRIPT by a server that has not seen
 * the text in an EVAL. */
const char *redis_script_sha1(enum redis_script script);

#endif
