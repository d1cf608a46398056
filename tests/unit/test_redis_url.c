/*
 * Redis URLs: what is understood, what is refused, and that no password shows.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "redis/url.h"

static struct redis_url
parse(const char *text)
{
	struct redis_url url;
	struct pgripple_error err;

	cr_assert_eq(
	    redis_url_parse(text, &url, &err), 0, "%s: %s", text, err.text);
	return url;
}

static void
check_print(const char *text, const char *expected)
{
	struct redis_url url = parse(text);
	char buffer[REDIS_URL_TEXT];

	redis_url_print(&url, buffer, sizeof(buffer));
	cr_expect_str_eq(buffer, expected);
	redis_url_done(&url);
}

static void
check_bad(const char *text, const char *expected)
{
	struct redis_url url;
	struct pgripple_error err;

	cr_assert_eq(redis_url_parse(text, &url, &err), -1, "%s", text);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_CONFIG);
	cr_expect(strstr(err.text, expected) != NULL, "%s: %s", text, err.text);
	cr_expect(strstr(err.text, "secret") == NULL, "%s", err.text);
	cr_expect(strstr(err.hint, "secret") == NULL, "%s", err.hint);
}

Test(redis_url, takes_all_parts)
{
	struct redis_url url =
	    parse("redis://ann:s%40c%2Fr%3at@example:6380/3");

	cr_expect_not(url.is_unix);
	cr_expect_str_eq(url.host, "example");
	cr_expect_eq(url.port, 6380);
	cr_expect_eq(url.db, 3);
	cr_expect_str_eq(url.user, "ann");
	cr_expect_str_eq(url.password, "s@c/r:t");
	redis_url_done(&url);
}

Test(redis_url, takes_a_socket)
{
	struct redis_url url =
	    parse("unix://:secret@/run/redis/a%20b.sock?db=2");

	cr_expect(url.is_unix);
	cr_expect_str_eq(url.path, "/run/redis/a b.sock");
	cr_expect_eq(url.db, 2);
	cr_expect_null(url.user);
	cr_expect_str_eq(url.password, "secret");
	redis_url_done(&url);
}

#if PGRIPPLE_REDIS_TLS
Test(redis_url, takes_tls)
{
	struct redis_url url = parse("rediss://:secret@h/2?ca=/a&cert=b&key=c");

	cr_expect(url.is_tls);
	cr_expect_str_eq(url.host, "h");
	cr_expect_eq(url.db, 2);
	cr_expect_str_eq(url.ca, "/a");
	cr_expect_str_eq(url.cert, "b");
	cr_expect_str_eq(url.key, "c");
	redis_url_done(&url);
	check_print("rediss://:secret@h?ca=/a", "rediss://h:6379/0");
	check_bad("rediss://h?cert=b", "one of cert and key alone");
	check_bad("rediss://h?secret=b", "unknown parameter");
	check_bad("rediss://h/2#", "%23");
}
#else
Test(redis_url, refuses_tls_where_there_is_none)
{
	check_bad("rediss://h", "built without TLS");
	check_bad("rediss://:secret@h", "built without TLS");
}
#endif

Test(redis_url, takes_sentinels)
{
	struct redis_url copy,
	    url = parse("redis+sentinel://u:p%40@a,[::1]:7000,b:1/my%20name/3"
			"?sentinel_user=s&sentinel_password=t%26");
	struct pgripple_error err;

	cr_assert_eq(redis_url_copy(&url, &copy, &err), 0, "%s", err.text);
	redis_url_done(&url);
	cr_assert_eq(copy.n_sentinels, 3);
	cr_expect_str_eq(copy.sentinels[0].host, "a");
	cr_expect_eq(copy.sentinels[0].port, 26379);
	cr_expect_str_eq(copy.sentinels[1].host, "::1");
	cr_expect_eq(copy.sentinels[1].port, 7000);
	cr_expect_eq(copy.sentinels[2].port, 1);
	cr_expect_str_eq(copy.master, "my name");
	cr_expect_eq(copy.db, 3);
	cr_expect_str_eq(copy.user, "u");
	cr_expect_str_eq(copy.password, "p@");
	cr_expect_str_eq(copy.sentinel_user, "s");
	cr_expect_str_eq(copy.sentinel_password, "t&");
	redis_url_done(&copy);
}

Test(redis_url, refuses_sentinels_that_are_malformed)
{
	check_bad("redis+sentinel://h", "name of the master");
	check_bad("redis+sentinel://h/", "name of the master");
	check_bad("redis+sentinel://h//0", "name of the master");
	check_bad("redis+sentinel:///m", "names no host");
	check_bad("redis+sentinel://h,/m", "names no host");
	check_bad("redis+sentinel://h:0/m", "from 1 to 65535");
	check_bad("redis+sentinel://h/m/x", "database");
	check_bad("redis+sentinel://h/m?secret=1", "unknown parameter");
	check_bad("redis+sentinel://h/m?sentinel_user=u", "without a");
	check_bad("redis+sentinel://h/m?sentinel_password=secret"
		  "&sentinel_password=secret",
	    "twice");
	check_bad("redis+sentinel://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/m",
	    "more than 16");
}

Test(redis_url, prints_with_defaults_and_without_secrets)
{
	check_print("redis://localhost", "redis://localhost:6379/0");
	check_print("redis://localhost/", "redis://localhost:6379/0");
	check_print("redis://[::1]:7000/1", "redis://[::1]:7000/1");
	check_print("redis://[fe80::1]", "redis://[fe80::1]:6379/0");
	check_print("redis://u:secret@h", "redis://h:6379/0");
	check_print("redis://:a@secret@h", "redis://h:6379/0");
	check_print("redis+sentinel://:secret@a:1,[::2]/m"
		    "?sentinel_password=secret",
	    "redis+sentinel://a:1,[::2]:26379/m/0");
	check_print("unix:///a.sock", "unix:///a.sock");
	check_print("unix://u:secret@/a.sock?db=4", "unix:///a.sock?db=4");
}

Test(redis_url, refuses_what_is_not_supported)
{
	check_bad("redis://h/0?timeout=3", "not supported by this version");
	check_bad("redis://h?db=3", "not supported by this version");
}

Test(redis_url, refuses_what_is_malformed)
{
	check_bad("", "redis:// or unix://");
	check_bad("secret", "redis:// or unix://");
	check_bad("localhost:6379", "redis:// or unix://");
	check_bad("SECRET://h", "redis:// or unix://");
	check_bad("redis://", "names no host");
	check_bad("redis:///0", "names no host");
	check_bad("redis://:6379", "names no host");
	check_bad("redis://[]:1", "names no host");
	check_bad("redis://[::1", "without a ]");
	check_bad("redis://[::1]x", "between ] and port");
	check_bad("redis://h:0", "from 1 to 65535");
	check_bad("redis://h:65536", "from 1 to 65535");
	check_bad("redis://h:", "from 1 to 65535");
	check_bad("redis://h/x", "database");
	check_bad("redis://h/-1", "database");
	check_bad("redis://h/1/2", "database");
	check_bad("redis://secret@h", "user without a password");
	check_bad("redis://secret:@h", "user without a password");
	check_bad("redis://:sec%zzret@h", "hex digits");
	check_bad("redis://:secret%4@h", "hex digits");
	check_bad("redis://:secret%00@h", "hex digits");
	check_bad("redis://:secret/more@h", "names no host");
	check_bad("redis://ann:secret/more@h", "from 1 to 65535");
	check_bad("unix://run/redis.sock", "no absolute path");
	check_bad("unix://", "no absolute path");
	check_bad("unix:///a?password=secret", "other than db");
	check_bad("unix:///a?db=", "database");
}

Test(redis_url, refuses_a_path_that_a_socket_cannot_have)
{
	char text[200] = "unix:///";

	memset(text + 8, 'x', 150);
	check_bad(text, "too long");
}
