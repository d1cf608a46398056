/*
 * Reading the systemd journal.  sd-journal(3) is its interface.
 */
#include "observe/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>

#define MESSAGE "MESSAGE="

struct journal {
	sd_journal *handle;
};

static int
failed(struct pgripple_error *err, const char *what, int result)
{
	(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "cannot read the journal: %s: %s", what, strerror(-result));
	if (result == -EACCES || result == -EPERM)
		pgripple_error_hint(err,
		    "Be a member of the group \"systemd-journal\", or root.");
	return -1;
}

/* A service's own words, and not what systemd says about it. */
static int
match_unit(sd_journal *handle, const char *unit)
{
	char text[300];
	const char *suffix = strchr(unit, '.') == NULL ? ".service" : "";

	(void)snprintf(text, sizeof(text), "_SYSTEMD_UNIT=%s%s", unit, suffix);
	return sd_journal_add_match(handle, text, 0);
}

/* Before the message from which to read. */
static int
seek(sd_journal *handle, size_t n_back)
{
	int result;

	if (n_back == 0)
		return sd_journal_seek_head(handle);
	result = sd_journal_seek_tail(handle);
	if (result < 0)
		return result;
	/* One more: the one where reading stands is not read again. */
	result = sd_journal_previous_skip(handle, n_back + 1);
	if (result >= 0 && (size_t)result <= n_back)
		return sd_journal_seek_head(handle);
	return result;
}

int
journal_open(const char *folder, const char *unit, size_t n_back,
    struct journal **ret_journal, struct pgripple_error *err)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int result;

	if (journal == NULL)
		return pgripple_error_nomem(err);
	result = folder != NULL
		     ? sd_journal_open_directory(&journal->handle, folder, 0)
		     : sd_journal_open(&journal->handle, SD_JOURNAL_LOCAL_ONLY);
	if (result >= 0)
		result = match_unit(journal->handle, unit);
	if (result >= 0)
		result = seek(journal->handle, n_back);
	if (result < 0) {
		journal_close(journal);
		return failed(err, folder != NULL ? folder : "local", result);
	}
	*ret_journal = journal;
	return 0;
}

void
journal_close(struct journal *journal)
{
	if (journal == NULL)
		return;
	sd_journal_close(journal->handle);
	free(journal);
}

int
journal_next(struct journal *journal, const char **ret_text, size_t *ret_length,
    struct pgripple_error *err)
{
	const size_t skip = sizeof(MESSAGE) - 1;
	const void *data;
	size_t length;
	int result;

	while ((result = sd_journal_next(journal->handle)) > 0) {
		result = sd_journal_get_data(
		    journal->handle, "MESSAGE", &data, &length);
		/* One without a message says nothing to anybody. */
		if (result == -ENOENT || (result >= 0 && length < skip))
			continue;
		if (result < 0)
			return failed(err, "a message", result);
		*ret_text = (const char *)data + skip;
		*ret_length = length - skip;
		return 0;
	}
	return result < 0 ? failed(err, "the next message", result) : 1;
}

void
journal_wait(struct journal *journal, int timeout_ms)
{
	(void)sd_journal_wait(journal->handle, (uint64_t)timeout_ms * 1000);
}
