/*
 * Redis URLs.
 *
 *	redis://[[user]:password@]host[:port][/db]
 *	rediss://[[user]:password@]host[:port][/db][?ca=FILE][&cert=FILE&key=FILE]
 *	unix://[[user]:password@]/path/to.sock[?db=N]
 *	redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master
 *	    [/db][?sentinel_user=USER][&sentinel_password=PASSWORD]
 *
 * User and password are those of Redis; sentinels have their own, or none.
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
#define REDIS_SENTINEL_PORT 26379
#define REDIS_MAX_SENTINELS 16

struct redis_endpoint {
	char *host;
	uint16_t port;
};

struct redis_url {
	char *text; /* all of it, with secrets */
	bool is_unix;
	bool is_tls;
	char *ca; /* file of authorities; NULL: those of the system */
	char *cert, *key; /* files; NULL: the client shows no certificate */
	char *host; /* without the brackets of an IPv6 address; NULL if unix */
	char *path; /* of the socket; NULL if not unix */
	uint16_t port;
	int db;
	char *user; /* NULL: the default user */
	char *password; /* NULL: none */
	/* Who knows the host and the port: */
	struct redis_endpoint sentinels[REDIS_MAX_SENTINELS];
	size_t n_sentinels; /* 0: those above are right */
	char *master; /* its name there */
	char *sentinel_user; /* NULL: the default user */
	char *sentinel_password; /* NULL: none */
};

/* -1: CONFIG, NOMEM. */
int redis_url_parse(const char *text, struct redis_url *ret_url,
    struct pgripple_error *err) MUST_CHECK;
/* -1: NOMEM. */
int redis_url_copy(const struct redis_url *url, struct redis_url *ret_copy,
    struct pgripple_error *err) MUST_CHECK;
void redis_url_done(struct redis_url *url);

/* "127.0.0.1:6379", "[::1]:6379".  Returns how long that is; cut if that is
 * too long for the buffer. */
size_t redis_endpoint_print(
    const char *host, uint16_t port, char *buffer, size_t size);

/* "redis://127.0.0.1:6379/0": for people, without user and password.  Always
 * terminated; cut if too long. */
#define REDIS_URL_TEXT 320
void redis_url_print(const struct redis_url *url, char *buffer, size_t size);

#endif
