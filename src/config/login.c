/*
 * How to log in.
 *
 * Passwords are put into the texts that libpq and redis/url.h read, which is
 * one way for all that they understand.
 */
#include "config/login.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define MAX_PASSWORD 1024 /* bytes */

/* Texts. */

static int
take(struct buf *buf, char **ret_text, struct pgripple_error *err)
{
	if (buf->failed) {
		explicit_bzero(buf->bytes, buf->n);
		buf_done(buf);
		return pgripple_error_nomem(err);
	}
	*ret_text = buf->bytes;
	return 0;
}

/* RFC 3986, section 2.1. */
static void
add_encoded(struct buf *buf, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c) != NULL)
			buf_add_char(buf, (char)c);
		else
			buf_printf(buf, "%%%02X", c);
	}
}

/* At the beginning of the parameters, where no odd text before it can become a
 * part of what is shown. */
static void
add_to_uri(struct buf *buf, const char *uri, const char *password)
{
	const char *rest = strstr(uri, "://") + 3;
	size_t n = strcspn(rest, "@/");

	if (rest[n] == '@') /* a user may have a question mark */
		rest += n + 1;
	rest += strcspn(rest, "?");
	buf_add(buf, uri, (size_t)(rest - uri));
	buf_add_string(buf, "?password=");
	add_encoded(buf, password);
	if (*rest == '?')
		buf_printf(buf, "&%s", rest + 1);
}

/* https://www.postgresql.org/docs/current/libpq-connect.html, 34.1.1. */
int
login_make_conninfo(const char *conninfo, const char *password,
    char **ret_conninfo, struct pgripple_error *err)
{
	struct buf buf = BUF_INIT;

	if (strncmp(conninfo, "postgresql://", 13) == 0 ||
	    strncmp(conninfo, "postgres://", 11) == 0) {
		add_to_uri(&buf, conninfo, password);
		return take(&buf, ret_conninfo, err);
	}
	buf_add_string(&buf, "password='");
	for (; *password != '\0'; password++) {
		if (*password == '\\' || *password == '\'')
			buf_add_char(&buf, '\\');
		buf_add_char(&buf, *password);
	}
	buf_printf(&buf, "' %s", conninfo);
	return take(&buf, ret_conninfo, err);
}

/* SCHEME://[user[:]@]REST */
int
login_make_url(const char *url, const char *password, char **ret_url,
    struct pgripple_error *err)
{
	const char *scheme = strstr(url, "://");
	const char *user = scheme == NULL ? url : scheme + 3;
	size_t n = strcspn(user, "/?#");
	const char *at = memrchr(user, '@', n);
	size_t n_user = at == NULL ? 0 : (size_t)(at - user);
	const char *colon = memchr(user, ':', n_user);
	struct buf buf = BUF_INIT;

	if (colon != NULL && colon + 1 < at) {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "a Redis URL has a password, and \"password_file\" names "
		    "another");
		pgripple_error_hint(err, "Take one of them out.");
		return -1;
	}
	if (colon != NULL)
		n_user = (size_t)(colon - user);
	buf_add(&buf, url, (size_t)(user - url));
	buf_add(&buf, user, n_user);
	buf_add_char(&buf, ':');
	add_encoded(&buf, password);
	buf_printf(&buf, "@%s", at == NULL ? user : at + 1);
	return take(&buf, ret_url, err);
}

/* Files. */

char *
login_path(const struct settings *settings, const char *file)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	const char *slash = strrchr(settings->file, '/');
	struct buf buf = BUF_INIT;

	if (*file == '/')
		;
	else if (credentials != NULL && *credentials != '\0')
		buf_printf(&buf, "%s/", credentials);
	else if (slash != NULL)
		buf_add(
		    &buf, settings->file, (size_t)(slash + 1 - settings->file));
	buf_add_string(&buf, file);
	if (buf.failed)
		buf_done(&buf);
	return buf.bytes;
}

static int
fail(const char *path, const char *why, struct pgripple_error *err)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "cannot use the password file \"%s\": %s", path, why);
}

/* At most size bytes of an open file; what is behind a pipe is not waited
 * for. */
static int
read_file(const char *path, int fd, char *bytes, size_t size, size_t *ret_n,
    struct pgripple_error *err)
{
	struct stat status;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status) != 0)
		return fail(path, strerror(errno), err);
	if ((status.st_mode & S_IWOTH) != 0) {
		(void)fail(path, "everybody may write to it", err);
		pgripple_error_hint(err, "Run \"chmod o-w %s\".", path);
		return -1;
	}
	n = read(fd, bytes, size);
	if (n < 0)
		return fail(path, strerror(errno), err);
	*ret_n = (size_t)n;
	return 0;
}

/* One line, with or without its end. */
static int
read_password(const char *path, char password[MAX_PASSWORD + 3],
    struct pgripple_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t n = 0;
	int result = read_file(path, fd, password, MAX_PASSWORD + 2, &n, err);

	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	if (result < 0)
		return -1;
	if (n > 0 && password[n - 1] == '\n')
		n--;
	if (n > 0 && password[n - 1] == '\r')
		n--;
	password[n] = '\0';
	if (n == 0)
		return fail(path, "it is empty", err);
	if (n > MAX_PASSWORD)
		return fail(path, "it is longer than a password", err);
	if (strcspn(password, "\r\n") != n)
		return fail(path, "it is not one line of text", err);
	return 0;
}

static int
read_password_of(const struct settings *settings, const char *file,
    char password[MAX_PASSWORD + 3], struct pgripple_error *err)
{
	CLEANUP(free_pointer) char *path = login_path(settings, file);

	if (path == NULL)
		return pgripple_error_nomem(err);
	if (read_password(path, password, err) == 0)
		return 0;
	if (*file != '/' && getenv("CREDENTIALS_DIRECTORY") == NULL &&
	    access(path, F_OK) != 0)
		pgripple_error_hint(err,
		    "Credentials of a running service are in "
		    "/run/credentials/UNIT.service: set CREDENTIALS_DIRECTORY "
		    "to that.");
	return -1;
}

/* Logins. */

static int
make(const struct settings *settings, const char *text, const char *file,
    int (*put)(const char *text, const char *password, char **ret_text,
	struct pgripple_error *err),
    char **ret_text, struct pgripple_error *err)
{
	char password[MAX_PASSWORD + 3];
	int result;

	if (*file == '\0') {
		*ret_text = strdup(text);
		return *ret_text == NULL ? pgripple_error_nomem(err) : 0;
	}
	result = read_password_of(settings, file, password, err);
	if (result == 0)
		result = put(text, password, ret_text, err);
	explicit_bzero(password, sizeof(password));
	return result;
}

int
login_conninfo(const struct settings *settings, char **ret_conninfo,
    struct pgripple_error *err)
{
	return make(settings, settings->postgres.conninfo,
	    settings->postgres.password_file, login_make_conninfo, ret_conninfo,
	    err);
}

int
login_url(const struct settings *settings, const struct settings_target *target,
    char **ret_url, struct pgripple_error *err)
{
	return make(settings, target->url, target->password_file,
	    login_make_url, ret_url, err);
}

void
login_forget(char **login)
{
	if (*login != NULL)
		explicit_bzero(*login, strlen(*login));
	free(*login);
}
