/*
 * Reading the head of an HTTP request.
 */
#include "observe/http_request.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Past the empty line that ends the head; NULL if it is not there yet. */
static const char *
find_end(const char *bytes, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++) {
		if (bytes[i] != '\n')
			continue;
		if (bytes[i + 1] == '\n')
			return bytes + i + 2;
		if (i + 2 < n && bytes[i + 1] == '\r' && bytes[i + 2] == '\n')
			return bytes + i + 3;
	}
	return NULL;
}

/* The line at *at, without its end; *at moves to the next. */
static const char *
next_line(const char **at, const char *end, size_t *ret_length)
{
	const char *line = *at;
	const char *newline = memchr(line, '\n', (size_t)(end - line));

	*at = newline + 1; /* there is one: the head ends in an empty line */
	*ret_length = (size_t)(newline - line);
	if (*ret_length > 0 && line[*ret_length - 1] == '\r')
		--*ret_length;
	return line;
}

/* "GET /path?query HTTP/1.1" */
static int
parse_first(const char *line, size_t n, struct http_request *request)
{
	const char *version = n == 0 ? NULL : memrchr(line, ' ', n);
	const char *path;
	size_t length;

	if (version == NULL || memchr(line, '\0', n) != NULL)
		return 400;
	if (version + 9 != line + n || memcmp(version, " HTTP/", 6) != 0)
		return 400;
	if (memcmp(version + 6, "1.0", 3) != 0 &&
	    memcmp(version + 6, "1.1", 3) != 0)
		return 505;
	if (strncmp(line, "GET ", 4) != 0)
		return 405;
	path = line + 4;
	if (path > version || *path != '/')
		return 400;
	length = strcspn(path, "? ");
	if (length >= sizeof(request->path))
		return 414;
	memcpy(request->path, path, length);
	request->path[length] = '\0';
	return 0;
}

/* "name:9821", "[::1]:9821" */
static int
parse_host(const char *value, size_t n, struct http_request *request)
{
	const char *end;

	while (n > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		n--;
	}
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (n > 0 && *value == '[') {
		value++;
		n--;
		end = memchr(value, ']', n);
	} else {
		end = memchr(value, ':', n);
	}
	if (end != NULL)
		n = (size_t)(end - value);
	if (n >= sizeof(request->host) || memchr(value, '\0', n) != NULL)
		return 400;
	memcpy(request->host, value, n);
	request->host[n] = '\0';
	return 0;
}

int
http_request_parse(
    const char *bytes, size_t n, struct http_request *ret_request)
{
	struct http_request request = {0};
	const char *end = find_end(bytes, n);
	const char *at = bytes;
	const char *line;
	size_t length;
	int status;

	if (end == NULL)
		return n >= HTTP_MAX_HEAD ? 431 : HTTP_PARSE_MORE;
	line = next_line(&at, end, &length);
	status = parse_first(line, length, &request);
	while (status == 0 && at < end) {
		line = next_line(&at, end, &length);
		if (length > 5 && strncasecmp(line, "Host:", 5) == 0)
			status = parse_host(line + 5, length - 5, &request);
	}
	if (status == 0)
		*ret_request = request;
	return status;
}

bool
http_host_is_local(const char *host)
{
	struct in6_addr address; /* large enough for either */

	return *host == '\0' || strcasecmp(host, "localhost") == 0 ||
	       inet_pton(AF_INET, host, &address) == 1 ||
	       inet_pton(AF_INET6, host, &address) == 1;
}
