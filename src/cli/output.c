/*
 * What the commands say, on standard output and standard error.
 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool
may_colour(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (no_color != NULL && no_color[0] != '\0')
		return false;
	if (term == NULL || strcmp(term, "dumb") == 0)
		return false;
	return isatty(fileno(stream)) == 1;
}

static const char *
style_sequence(enum output_style style)
{
	switch (style) {
	case OUTPUT_PLAIN:
		return "";
	case OUTPUT_GOOD:
		return "\033[32m";
	case OUTPUT_WARNING:
		return "\033[33m";
	case OUTPUT_BAD:
		return "\033[1;31m";
	case OUTPUT_FAINT:
		return "\033[2m";
	}
	return "";
}

const char *
output_begin(FILE *stream, enum output_style style)
{
	return may_colour(stream) ? style_sequence(style) : "";
}

const char *
output_end(FILE *stream, enum output_style style)
{
	return style != OUTPUT_PLAIN && may_colour(stream) ? "\033[0m" : "";
}

enum exit_status
output_error(const struct pgripple_error *err)
{
	char text[1024];

	/* Both streams may be one terminal. */
	(void)fflush(stdout);
	(void)pgripple_error_print(err, text, sizeof(text));
	(void)fprintf(
	    stderr, "%s%s\n", err->at.file == NULL ? "pgripple: " : "", text);
	return exit_status_of(err->kind);
}

enum exit_status
output_errors(struct pgripple_errors *errors)
{
	enum exit_status status = EXIT_STATUS_CONFIG;

	pgripple_errors_sort(errors);
	for (size_t i = 0; i < errors->n_items; i++) {
		enum exit_status one = output_error(&errors->items[i]);

		if (one != EXIT_STATUS_CONFIG)
			status = one;
	}
	if (errors->n_dropped > 0)
		(void)fprintf(stderr, "pgripple: and %zu more errors\n",
		    errors->n_dropped);
	pgripple_errors_done(errors);
	return status;
}

enum exit_status
output_usage_error(const struct pgripple_error *err)
{
	enum exit_status status = output_error(err);

	return status == EXIT_STATUS_CONFIG ? EXIT_STATUS_USAGE : status;
}

static int
write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, bytes, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		n -= (size_t)written;
	}
	return 0;
}

static enum exit_status
write_error(const char *path, int reason)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "cannot write \"%s\": %s", path, strerror(reason));
	if (reason == EEXIST)
		pgripple_error_hint(
		    &err, "Give --force to write over what is there.");
	(void)output_error(&err);
	return EXIT_STATUS_PROBLEM;
}

enum exit_status
output_write(const char *path, bool force, const char *bytes, size_t n)
{
	bool is_new = true;
	int fd, reason = 0;

	if (path == NULL) {
		/* Whether it could be written is asked at the end. */
		(void)fwrite(bytes, 1, n, stdout);
		return EXIT_STATUS_OK;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST && force) {
		is_new = false;
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	}
	if (fd < 0)
		return write_error(path, errno);
	if (write_all(fd, bytes, n) != 0)
		reason = errno;
	if (close(fd) != 0 && reason == 0)
		reason = errno;
	if (reason == 0)
		return EXIT_STATUS_OK;
	if (is_new)
		(void)unlink(path);
	return write_error(path, reason);
}

enum exit_status
output_finish(enum exit_status status)
{
	struct pgripple_error err;

	errno = 0;
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	/* A reader that has seen enough ("| head") needs no message. */
	if (errno != EPIPE) {
		(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
		    "could not write to standard output: %s", strerror(errno));
		(void)output_error(&err);
	}
	return status == EXIT_STATUS_OK ? EXIT_STATUS_PROBLEM : status;
}
