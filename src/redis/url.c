/*
 * Redis URLs.  The text may hold a password, so faults are named without
 * quoting what is wrong.
 */
#include "redis/url.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define MAX_DB 1000000
#define REDIS_TLS_HINT                                                        \
	"It needs hiredis 1.0 or later with hiredis_ssl. Use a socket, or a " \
	"tunnel."

static int
bad(struct pgripple_error *err, const char *what)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG, "%s", what);
}

/* Host and port are wrong: perhaps because they are a part of a password. */
static int
bad_host(struct pgripple_error *err, const char *what)
{
	(void)bad(err, what);
	pgripple_error_hint(err,
	    "The characters / and @ in a password are written %%2F and %%40.");
	return -1;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decodes n bytes into a new string. */
static int
decode(const char *bytes, size_t n, char **ret_text, struct pgripple_error *err)
{
	CLEANUP(free_pointer) char *text = malloc(n + 1);
	size_t used = 0;

	if (text == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < n; i++) {
		int high, low;

		if (bytes[i] != '%') {
			text[used++] = bytes[i];
			continue;
		}
		high = i + 2 < n ? hex_digit(bytes[i + 1]) : -1;
		low = high >= 0 ? hex_digit(bytes[i + 2]) : -1;
		if (low < 0 || (high == 0 && low == 0))
			return bad(err,
			    "the Redis URL has a % that two hex digits do not "
			    "follow");
		text[used++] = (char)(high * 16 + low);
		i += 2;
	}
	text[used] = '\0';
	*ret_text = steal(&text);
	return 0;
}

/* A whole decimal number of n digits from min to max. */
static bool
decode_number(const char *bytes, size_t n, int min, int max, int *ret_number)
{
	int number = 0;

	if (n == 0 || n > 7)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return false;
		number = number * 10 + (bytes[i] - '0');
	}
	if (number < min || number > max)
		return false;
	*ret_number = number;
	return true;
}

static int
parse_db(const char *bytes, size_t n, struct redis_url *url,
    struct pgripple_error *err)
{
	if (!decode_number(bytes, n, 0, MAX_DB, &url->db))
		return bad(
		    err, "the database of the Redis URL is not a number");
	return 0;
}

/* "[user]:password", without the @. */
static int
parse_user(const char *bytes, size_t n, struct redis_url *url,
    struct pgripple_error *err)
{
	const char *colon = memchr(bytes, ':', n);

	if (colon == NULL || colon == bytes + n - 1) {
		(void)bad(err, "the Redis URL has a user without a password");
		pgripple_error_hint(err, "Write redis://user:password@host or "
					 "redis://:password@host.");
		return -1;
	}
	if (colon > bytes &&
	    decode(bytes, (size_t)(colon - bytes), &url->user, err) < 0)
		return -1;
	n -= (size_t)(colon + 1 - bytes);
	return decode(colon + 1, n, &url->password, err);
}

/* Takes "[user]:password@" off the front of an authority. */
static int
take_user(const char **bytes, size_t *n, struct redis_url *url,
    struct pgripple_error *err)
{
	const char *at = memrchr(*bytes, '@', *n);
	size_t used;

	if (at == NULL)
		return 0;
	used = (size_t)(at - *bytes);
	if (parse_user(*bytes, used, url, err) < 0)
		return -1;
	*bytes += used + 1;
	*n -= used + 1;
	return 0;
}

static int
parse_port(
    const char *bytes, size_t n, uint16_t *ret_port, struct pgripple_error *err)
{
	int port;

	if (!decode_number(bytes, n, 1, UINT16_MAX, &port))
		return bad_host(err,
		    "the port of the Redis URL is not a number from 1 to "
		    "65535");
	*ret_port = (uint16_t)port;
	return 0;
}

/* "host", "host:port", "[address]:port"; without a port, it stays. */
static int
parse_host(const char *bytes, size_t n, char **ret_host, uint16_t *port,
    struct pgripple_error *err)
{
	const char *end = memchr(bytes, ':', n);
	const char *host = bytes;

	if (n > 0 && *bytes == '[') {
		host = bytes + 1;
		end = memchr(bytes, ']', n);
		if (end == NULL)
			return bad(err, "the Redis URL has a [ without a ]");
	}
	if (end == NULL)
		end = bytes + n;
	if (end == host)
		return bad_host(err, "the Redis URL names no host");
	if (decode(host, (size_t)(end - host), ret_host, err) < 0)
		return -1;
	if (end < bytes + n && *end == ']')
		end++;
	if (end == bytes + n)
		return 0;
	if (*end != ':')
		return bad(err, "the Redis URL has text between ] and port");
	return parse_port(end + 1, (size_t)(bytes + n - end - 1), port, err);
}

struct parameter {
	const char *name;
	char **value;
};

/* "name=value", n bytes */
static int
parse_parameter(const char *bytes, size_t n, const struct parameter *known,
    size_t n_known, struct pgripple_error *err)
{
	for (size_t i = 0; i < n_known; i++) {
		size_t n_name = strlen(known[i].name);

		if (n <= n_name || bytes[n_name] != '=' ||
		    strncmp(bytes, known[i].name, n_name) != 0)
			continue;
		if (*known[i].value != NULL)
			return bad(err, "the Redis URL has a parameter twice");
		return decode(
		    bytes + n_name + 1, n - n_name - 1, known[i].value, err);
	}
	(void)bad(err, "the Redis URL has an unknown parameter");
	pgripple_error_hint(err, "There are \"%s\" and \"%s\"%s.",
	    known[0].name, known[1].name, n_known > 2 ? " and \"key\"" : "");
	return -1;
}

/* "?name=value&name=value" */
static int
parse_query(const char *query, const struct parameter *known, size_t n_known,
    struct pgripple_error *err)
{
	while (*query != '\0') {
		size_t n = strcspn(query + 1, "&");

		if (parse_parameter(query + 1, n, known, n_known, err) < 0)
			return -1;
		query += 1 + n;
	}
	return 0;
}

static int
parse_tls_options(
    const char *query, struct redis_url *url, struct pgripple_error *err)
{
	const struct parameter known[] = {
	    {"ca", &url->ca}, {"cert", &url->cert}, {"key", &url->key}};

	if (parse_query(query, known, N_ELEMENTS(known), err) < 0)
		return -1;
	if ((url->cert == NULL) != (url->key == NULL))
		return bad(err, "the Redis URL has one of cert and key alone");
	return 0;
}

static int
parse_sentinel_options(
    const char *query, struct redis_url *url, struct pgripple_error *err)
{
	const struct parameter known[] = {
	    {"sentinel_user", &url->sentinel_user},
	    {"sentinel_password", &url->sentinel_password}};

	if (parse_query(query, known, N_ELEMENTS(known), err) < 0)
		return -1;
	if (url->sentinel_user != NULL && url->sentinel_password == NULL)
		return bad(err, "the Redis URL has a sentinel_user without a "
				"sentinel_password");
	return 0;
}

/* "[user:password@]host[:port][/db]", n bytes */
static int
parse_tcp(const char *rest, size_t n_rest, struct redis_url *url,
    struct pgripple_error *err)
{
	size_t n = strcspn(rest, "/?#");
	const char *path = rest + n;
	size_t n_path = n_rest - n;

	url->port = REDIS_DEFAULT_PORT;
	if (take_user(&rest, &n, url, err) < 0 ||
	    parse_host(rest, n, &url->host, &url->port, err) < 0)
		return -1;
	if (n_path <= 1)
		return 0;
	return parse_db(path + 1, n_path - 1, url, err);
}

/* What follows redis:// */
static int
parse_plain(const char *rest, struct redis_url *url, struct pgripple_error *err)
{
	size_t n = strcspn(rest, "?#");

	if (rest[n] != '\0')
		return bad(err,
		    "parameters of a redis:// URL are not supported by this "
		    "version");
	return parse_tcp(rest, n, url, err);
}

/* What follows rediss:// */
static int
parse_tls(const char *rest, struct redis_url *url, struct pgripple_error *err)
{
	size_t n = strcspn(rest, "?#");

	if (!PGRIPPLE_REDIS_TLS) {
		(void)bad(err, "this pgripple was built without TLS to Redis");
		pgripple_error_hint(err, REDIS_TLS_HINT);
		return -1;
	}
	if (rest[n] == '#')
		return bad(err, "the Redis URL has a # that is not written "
				"%23");
	url->is_tls = true;
	if (parse_tcp(rest, n, url, err) < 0)
		return -1;
	return parse_tls_options(rest + n, url, err);
}

/* "host[:port],host[:port]" */
static int
parse_sentinels(const char *bytes, size_t n, struct redis_url *url,
    struct pgripple_error *err)
{
	const char *end = bytes + n;

	for (;;) {
		const char *comma = memchr(bytes, ',', (size_t)(end - bytes));
		const char *stop = comma != NULL ? comma : end;
		struct redis_endpoint *sentinel;

		if (url->n_sentinels == REDIS_MAX_SENTINELS)
			return bad(
			    err, "the Redis URL names more than 16 sentinels");
		sentinel = &url->sentinels[url->n_sentinels++];
		sentinel->port = REDIS_SENTINEL_PORT;
		if (parse_host(bytes, (size_t)(stop - bytes), &sentinel->host,
			&sentinel->port, err) < 0)
			return -1;
		if (comma == NULL)
			return 0;
		bytes = comma + 1;
	}
}

/* "/master", "/master/db" */
static int
parse_master(const char *path, size_t n, struct redis_url *url,
    struct pgripple_error *err)
{
	const char *name = path + 1;
	const char *slash;

	if (n < 2 || *name == '/') {
		(void)bad(
		    err, "the Redis URL does not tell the name of the master");
		pgripple_error_hint(err,
		    "Write redis+sentinel://host:26379/mymaster, with the "
		    "name that the sentinels watch it by.");
		return -1;
	}
	slash = memchr(name, '/', n - 1);
	if (slash == NULL)
		return decode(name, n - 1, &url->master, err);
	if (decode(name, (size_t)(slash - name), &url->master, err) < 0)
		return -1;
	return parse_db(slash + 1, (size_t)(path + n - slash - 1), url, err);
}

/* What follows redis+sentinel:// */
static int
parse_sentinel(
    const char *rest, struct redis_url *url, struct pgripple_error *err)
{
	size_t n = strcspn(rest, "/?#");
	const char *path = rest + n;
	size_t n_path = strcspn(path, "?#");

	if (path[n_path] == '#')
		return bad(err, "the Redis URL has a # that is not written "
				"%23");
	if (take_user(&rest, &n, url, err) < 0 ||
	    parse_sentinels(rest, n, url, err) < 0 ||
	    parse_master(path, n_path, url, err) < 0)
		return -1;
	return parse_sentinel_options(path + n_path, url, err);
}

/* What follows unix:// */
static int
parse_unix(const char *rest, struct redis_url *url, struct pgripple_error *err)
{
	const char *slash = strchr(rest, '/');
	const char *query;
	size_t n;

	if (slash == NULL)
		return bad(err, "the Redis URL names no absolute path");
	n = (size_t)(slash - rest);
	if (take_user(&rest, &n, url, err) < 0)
		return -1;
	if (n > 0)
		return bad(err, "the Redis URL names no absolute path");
	url->is_unix = true;
	n = strcspn(slash, "?");
	query = slash + n;
	if (decode(slash, n, &url->path, err) < 0)
		return -1;
	if (strlen(url->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return bad(err, "the path of the Redis URL is too long for a "
				"socket");
	if (*query == '\0')
		return 0;
	if (strncmp(query, "?db=", 4) != 0)
		return bad(err, "the Redis URL has a parameter other than db");
	return parse_db(query + 4, strlen(query + 4), url, err);
}

/* Only what is surely a scheme may be quoted. */
static int
refuse_scheme(const char *text, struct pgripple_error *err)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz+");

	if (n == 0 || n > 20 || strncmp(text + n, "://", 3) != 0)
		return bad(err,
		    "the Redis URL does not begin with redis:// or unix://");
	return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "the scheme \"%.*s\" of the Redis URL is not supported by this "
	    "version",
	    (int)n, text);
}

static int
parse(const char *text, struct redis_url *url, struct pgripple_error *err)
{
	if (strncmp(text, "redis://", 8) == 0)
		return parse_plain(text + 8, url, err);
	if (strncmp(text, "rediss://", 9) == 0)
		return parse_tls(text + 9, url, err);
	if (strncmp(text, "unix://", 7) == 0)
		return parse_unix(text + 7, url, err);
	if (strncmp(text, "redis+sentinel://", 17) == 0)
		return parse_sentinel(text + 17, url, err);
	return refuse_scheme(text, err);
}

int
redis_url_parse(
    const char *text, struct redis_url *ret_url, struct pgripple_error *err)
{
	struct redis_url url = {0};
	int status;

	url.text = strdup(text);
	if (url.text == NULL)
		return pgripple_error_nomem(err);
	status = parse(text, &url, err);
	if (status < 0) {
		redis_url_done(&url);
		return -1;
	}
	*ret_url = url;
	return 0;
}

int
redis_url_copy(const struct redis_url *url, struct redis_url *ret_copy,
    struct pgripple_error *err)
{
	return redis_url_parse(url->text, ret_copy, err);
}

static void
free_secret(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void
redis_url_done(struct redis_url *url)
{
	free_secret(url->text);
	free_secret(url->password);
	free_secret(url->sentinel_password);
	free(url->host);
	free(url->path);
	free(url->ca);
	free(url->cert);
	free(url->key);
	free(url->user);
	free(url->master);
	free(url->sentinel_user);
	for (size_t i = 0; i < url->n_sentinels; i++)
		free(url->sentinels[i].host);
	*url = (struct redis_url){0};
}

size_t
redis_endpoint_print(const char *host, uint16_t port, char *buffer, size_t size)
{
	bool is_ambiguous = strchr(host, ':') != NULL;
	int n = snprintf(buffer, size, "%s%s%s:%u", is_ambiguous ? "[" : "",
	    host, is_ambiguous ? "]" : "", port);

	return n > 0 ? (size_t)n : 0;
}

static void
print_sentinels(const struct redis_url *url, char *buffer, size_t size)
{
	size_t used;

	(void)snprintf(buffer, size, "redis+sentinel://");
	used = strlen(buffer);
	for (size_t i = 0; i < url->n_sentinels && used + 1 < size; i++) {
		if (i > 0)
			buffer[used++] = ',';
		used += redis_endpoint_print(url->sentinels[i].host,
		    url->sentinels[i].port, buffer + used, size - used);
	}
	if (used < size)
		(void)snprintf(
		    buffer + used, size - used, "/%s/%d", url->master, url->db);
}

void
redis_url_print(const struct redis_url *url, char *buffer, size_t size)
{
	char endpoint[REDIS_URL_TEXT];

	if (url->is_unix && url->db == 0) {
		(void)snprintf(buffer, size, "unix://%s", url->path);
	} else if (url->is_unix) {
		(void)snprintf(
		    buffer, size, "unix://%s?db=%d", url->path, url->db);
	} else if (url->n_sentinels > 0) {
		print_sentinels(url, buffer, size);
	} else {
		(void)redis_endpoint_print(
		    url->host, url->port, endpoint, sizeof(endpoint));
		(void)snprintf(buffer, size, "redis%s://%s/%d",
		    url->is_tls ? "s" : "", endpoint, url->db);
	}
}
