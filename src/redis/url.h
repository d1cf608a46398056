/*
 * Redis URLs.
 *
 *	redis://[[user]:password@]host[:port][/db]
 *	unix://[[user]:password@]/path/to.sock[?db=N]
 *
 * User, password, host and path are percent-decoded.  No error text quotes
 * what may be a part of a password.
 */
#ifndef PGRIPPLE_REDIS_URL_H
#define PGRIPPLE_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define REDIS_DEFAULT_PORT 6379

struct redis_url {
	bool is_unix;
	char *host; /* without the brackets of an IPv6 address; NULL if unix */
	char *path; /* of the socket; NULL if not unix */
	uint16_t port;
	int db;
	char *user; /* NULL: the default user */
	char *password; /* NULL: none */
};

/* -1: CONFIG, NOMEM. */
int redis_url_parse(const char *text, struct redis_url *ret_url,
    struct pgripple_error *err) MUST_CHECK;
void redis_url_done(struct redis_url *url);

/* "redis://127.0.0.1:6379/0": for people, without user and password.  Always
 * terminated; cut if too long. */
#define REDIS_URL_TEXT 320
void redis_url_print(const struct redis_url *url, char *buffer, size_t size);

#endif
