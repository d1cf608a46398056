/*
 * Where "tail" reads the daemon's log.
 *
 * A file is looked at again every WAIT_MS once it is read to its end.  If its
 * name then stands for another file it was rotated, and if it is shorter than
 * what was read it was cut off: either is read from its beginning.
 */
#include "cli/tail_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "observe/journal.h"

#define WAIT_MS 100
#define READ_BYTES 65536
/* A longer line is none of the daemon's: it is handed out in pieces. */
#define MAX_LINE ((size_t)1024 * 1024)

struct tail_source {
	const struct tail_from *from;
	struct journal *journal; /* or */
	int fd;
	struct buf text; /* read from fd */
	size_t at; /* how much of it was handed out */
};

static int
failed(struct pgripple_error *err, const char *path)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "cannot read \"%s\": %s", path, strerror(errno));
}

static bool
is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int
open_fd(struct tail_source *source, struct pgripple_error *err)
{
	const char *path = source->from->path;

	if (strcmp(path, "-") == 0)
		source->fd = STDIN_FILENO;
	else
		source->fd = open(path, O_RDONLY | O_CLOEXEC);
	return source->fd < 0 ? failed(err, path) : 0;
}

int
tail_source_open(const struct tail_from *from, struct tail_source **ret_source,
    struct pgripple_error *err)
{
	struct tail_source *source = calloc(1, sizeof(*source));
	int result;

	if (source == NULL)
		return pgripple_error_nomem(err);
	source->from = from;
	source->fd = -1;
	result = from->path == NULL || is_folder(from->path)
		     ? journal_open(from->path, from->unit, from->n_back,
			   &source->journal, err)
		     : open_fd(source, err);
	if (result != 0) {
		tail_source_close(source);
		return -1;
	}
	*ret_source = source;
	return 0;
}

void
tail_source_close(struct tail_source *source)
{
	if (source == NULL)
		return;
	journal_close(source->journal);
	if (source->fd > STDERR_FILENO)
		(void)close(source->fd);
	buf_done(&source->text);
	free(source);
}

static int
next_of_journal(struct tail_source *source, const char **ret_line,
    size_t *ret_length, struct pgripple_error *err)
{
	int result;

	while ((result = journal_next(
		    source->journal, ret_line, ret_length, err)) == 1 &&
	       source->from->follow)
		journal_wait(source->journal, WAIT_MS * 10);
	return result;
}

/* Opens the file that has the name now, if that is another one or a shorter
 * one than what was read.  One that is away for a moment may come back. */
static void
reopen_if_rotated(struct tail_source *source)
{
	struct stat named, open_one;
	int fd;

	if (stat(source->from->path, &named) != 0 ||
	    fstat(source->fd, &open_one) != 0)
		return;
	if (named.st_ino == open_one.st_ino &&
	    named.st_dev == open_one.st_dev) {
		if (lseek(source->fd, 0, SEEK_CUR) > open_one.st_size)
			(void)lseek(source->fd, 0, SEEK_SET);
		return;
	}
	fd = open(source->from->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)close(source->fd);
	source->fd = fd;
}

/* At the end of what there is: true if there may be more. */
static bool
wait_for_more(struct tail_source *source)
{
	if (source->fd == STDIN_FILENO || !source->from->follow)
		return false;
	(void)poll(NULL, 0, WAIT_MS);
	reopen_if_rotated(source);
	return true;
}

/* Forgets what was handed out, and appends what can be read.  1: the end. */
static int
read_more(struct tail_source *source, struct pgripple_error *err)
{
	char bytes[READ_BYTES];
	ssize_t n;

	if (source->at > 0) {
		source->text.n -= source->at;
		memmove(source->text.bytes, source->text.bytes + source->at,
		    source->text.n);
		source->at = 0;
	}
	do
		n = read(source->fd, bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failed(err, source->from->path);
	buf_add(&source->text, bytes, (size_t)n);
	if (source->text.failed)
		return pgripple_error_nomem(err);
	return n == 0 ? 1 : 0;
}

/* A line of what was read; 1: it has no whole one. */
static int
take_line(struct tail_source *source, const char **ret_line, size_t *ret_length)
{
	const char *start, *newline;
	size_t n = source->text.n - source->at;

	if (n == 0)
		return 1;
	start = source->text.bytes + source->at;
	newline = memchr(start, '\n', n);
	if (newline == NULL && n < MAX_LINE)
		return 1;
	*ret_line = start;
	*ret_length = newline == NULL ? n : (size_t)(newline - start);
	source->at += *ret_length + (newline == NULL ? 0 : 1);
	return 0;
}

/* What is left when nothing more comes: a line without its newline. */
static int
take_rest(struct tail_source *source, const char **ret_line, size_t *ret_length)
{
	if (source->text.n == source->at)
		return 1;
	*ret_line = source->text.bytes + source->at;
	*ret_length = source->text.n - source->at;
	source->at = source->text.n;
	return 0;
}

int
tail_source_next(struct tail_source *source, const char **ret_line,
    size_t *ret_length, struct pgripple_error *err)
{
	if (source->journal != NULL)
		return next_of_journal(source, ret_line, ret_length, err);
	while (take_line(source, ret_line, ret_length) != 0) {
		int result = read_more(source, err);

		if (result < 0)
			return -1;
		if (result == 1 && !wait_for_more(source))
			return take_rest(source, ret_line, ret_length);
	}
	return 0;
}
