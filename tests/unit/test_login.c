/*
 * Passwords of files, in conninfo and URLs.
 */
#include "config/login.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *login;
static struct pgripple_error err;

static void
teardown(void)
{
	login_forget(&login);
}

TestSuite(login, .fini = teardown);

static const char *
conninfo(const char *text, const char *password)
{
	login_forget(&login);
	cr_assert_eq(login_make_conninfo(text, password, &login, &err), 0);
	return login;
}

static const char *
url(const char *text, const char *password)
{
	login_forget(&login);
	login = NULL;
	return login_make_url(text, password, &login, &err) == 0 ? login
								 : err.text;
}

Test(login, puts_a_password_into_a_conninfo)
{
	cr_assert_str_eq(
	    conninfo("host=db", "a'b\\c"), "password='a\\'b\\\\c' host=db");
	cr_assert_str_eq(conninfo("", "x"), "password='x' ");
}

Test(login, puts_a_password_into_a_uri)
{
	cr_assert_str_eq(conninfo("postgresql://u@a,b:1/db", "/ä&"),
	    "postgresql://u@a,b:1/db?password=%2F%C3%A4%26");
	cr_assert_str_eq(conninfo("postgres://h?user=u&port=1", "x-1._~"),
	    "postgres://h?password=x-1._~&user=u&port=1");
	cr_assert_str_eq(conninfo("postgresql://u?v@h/db?port=1", "x"),
	    "postgresql://u?v@h/db?password=x&port=1");
}

Test(login, puts_a_password_into_a_redis_url)
{
	cr_assert_str_eq(url("redis://cache:6379/0", "a@/b"),
	    "redis://:a%40%2Fb@cache:6379/0");
	cr_assert_str_eq(url("redis://me@cache", "x"), "redis://me:x@cache");
	cr_assert_str_eq(url("rediss://me:@[::1]:1/2?ca=/a@b", "x"),
	    "rediss://me:x@[::1]:1/2?ca=/a@b");
	cr_assert_str_eq(url("unix:///run/redis.sock?db=3", "x"),
	    "unix://:x@/run/redis.sock?db=3");
	cr_assert_str_eq(url("redis+sentinel://a,b:1/m/0", "x"),
	    "redis+sentinel://:x@a,b:1/m/0");
	cr_assert_str_eq(url("redis://me:secret@cache", "x"),
	    "a Redis URL has a password, and \"password_file\" names another");
}

/* The file that holds this text as "postgres.password_file". */
static const char *
outcome(const char *text, size_t n)
{
	char path[64];
	struct settings settings = {
	    .file = "/nowhere/pgripple.yaml",
	    .postgres = {.conninfo = "dbname=a", .password_file = path},
	};
	FILE *file;

	(void)snprintf(path, sizeof(path), "/tmp/pgripple-login-%d", getpid());
	file = fopen(path, "w");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, n, file), n);
	cr_assert_eq(fclose(file), 0);
	login_forget(&login);
	login = NULL;
	n = login_conninfo(&settings, &login, &err) == 0;
	(void)unlink(path);
	if (n == 1)
		return login;
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_CONFIG);
	cr_assert_not_null(strstr(err.text, path));
	return strrchr(err.text, ':') + 2;
}

Test(login, takes_one_line_of_a_file)
{
	static char long_one[2000];

	memset(long_one, 'x', sizeof(long_one));
	cr_assert_str_eq(outcome("x", 1), "password='x' dbname=a");
	cr_assert_str_eq(outcome(" x y \r\n", 7), "password=' x y ' dbname=a");
	cr_assert_str_eq(outcome("", 0), "it is empty");
	cr_assert_str_eq(outcome("\n", 1), "it is empty");
	cr_assert_str_eq(outcome("a\nb\n", 4), "it is not one line of text");
	cr_assert_str_eq(outcome("a\0b", 3), "it is not one line of text");
	cr_assert_str_eq(outcome(long_one, sizeof(long_one)),
	    "it is longer than a password");
}

Test(login, looks_for_a_file_among_the_credentials)
{
	struct settings settings = {.file = "/etc/pgripple/pgripple.yaml"};

	login = login_path(&settings, "redis");
	cr_assert_str_eq(login, "/etc/pgripple/redis");
	login_forget(&login);
	(void)setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
	login = login_path(&settings, "redis");
	cr_assert_str_eq(login, "/run/credentials/x/redis");
	login_forget(&login);
	login = login_path(&settings, "/a/redis");
	cr_assert_str_eq(login, "/a/redis");
	login_forget(&login);
	settings.file = "pgripple.yaml";
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	login = login_path(&settings, "redis");
	cr_assert_str_eq(login, "redis");
}
