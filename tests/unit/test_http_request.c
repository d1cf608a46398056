/*
 * The head of an HTTP request.
 */
#include "observe/http_request.h"

#include <criterion/criterion.h>
#include <string.h>

static struct http_request request;

static int
parse(const char *text)
{
	memset(&request, 0, sizeof(request));
	return http_request_parse(text, strlen(text), &request);
}

Test(http_request, is_read)
{
	cr_assert_eq(parse("GET /metrics?a=b HTTP/1.1\r\nAccept: */*\r\n"
			   "hOST:  db1.internal:9821 \r\n\r\n"),
	    HTTP_PARSE_DONE);
	cr_assert_str_eq(request.path, "/metrics");
	cr_assert_str_eq(request.host, "db1.internal");
	cr_assert_eq(parse("GET / HTTP/1.0\n\n"), HTTP_PARSE_DONE);
	cr_assert_str_eq(request.path, "/");
	cr_assert_str_eq(request.host, "");
	cr_assert_eq(parse("GET / HTTP/1.1\r\nHost: [::1]:9821\r\n\r\n"),
	    HTTP_PARSE_DONE);
	cr_assert_str_eq(request.host, "::1");
}

Test(http_request, wants_all_of_its_head)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

	for (size_t n = 0; n + 1 < sizeof(text) - 1; n++)
		cr_assert_eq(http_request_parse(text, n, &request),
		    HTTP_PARSE_MORE, "%zu bytes", n);
	cr_assert_eq(http_request_parse(text, sizeof(text) - 1, &request),
	    HTTP_PARSE_DONE);
}

Test(http_request, is_refused)
{
	char text[HTTP_MAX_HEAD + 1];

	cr_expect_eq(parse("POST /metrics HTTP/1.1\r\n\r\n"), 405);
	cr_expect_eq(parse("HEAD / HTTP/1.1\r\n\r\n"), 405);
	cr_expect_eq(parse("get / HTTP/1.1\r\n\r\n"), 405);
	cr_expect_eq(parse("GET / HTTP/2.0\r\n\r\n"), 505);
	cr_expect_eq(parse("GET metrics HTTP/1.1\r\n\r\n"), 400);
	cr_expect_eq(parse("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
	cr_expect_eq(parse("GET HTTP/1.1\r\n\r\n"), 400);
	cr_expect_eq(parse("GET /\r\n\r\n"), 400);
	cr_expect_eq(parse("\r\n\r\n"), 400);
	cr_expect_eq(
	    http_request_parse("GET /\0 HTTP/1.1\n\n", 18, &request), 400);
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	cr_expect_eq(http_request_parse(text, HTTP_MAX_HEAD - 1, &request),
	    HTTP_PARSE_MORE);
	cr_expect_eq(http_request_parse(text, HTTP_MAX_HEAD, &request), 431);
	memcpy(text + 300, " HTTP/1.1\n\n", 11);
	cr_expect_eq(http_request_parse(text, 311, &request), 414);
}

Test(http_request, knows_its_own_addresses)
{
	cr_expect(http_host_is_local("localhost"));
	cr_expect(http_host_is_local("127.0.0.1"));
	cr_expect(http_host_is_local("::1"));
	cr_expect(http_host_is_local(""));
	cr_expect_not(http_host_is_local("evil.example"));
	cr_expect_not(http_host_is_local("127.0.0.1.evil.example"));
}
