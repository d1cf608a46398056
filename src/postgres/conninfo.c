/*
 * How to connect.
 *
 * The user's conninfo or URI is taken apart by libpq itself, so everything
 * that it understands may be written; what it leaves open still comes from the
 * environment, the service file and the password file.
 */
#include "postgres/conninfo.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

#define REPLACED "..."

/* What we add: always, or where the user's conninfo says nothing. */
static const struct addition {
	const char *keyword;
	const char *value;
	bool always;
} additions[] = {
    {"client_encoding", "UTF8", true},
    /* The async interface ignores it; the caller has a deadline. */
    {"connect_timeout", NULL, true},
    /* A host that vanished is noticed within 20 seconds, idle or not. */
    {"keepalives", "1", false},
    {"keepalives_idle", "5", false},
    {"keepalives_interval", "5", false},
    {"keepalives_count", "3", false},
    /* Bounds the connecting too: the next host gets its turn. */
    {"tcp_user_timeout", "10000", false},
    /* One round trip less, and no Kerberos library in the event loop. */
    {"gssencmode", "disable", false},
};

/* The outbox is emptied, so a standby is of no use: libpq goes on to the next
 * host.  Not "read-write", which refuses a primary whose database has
 * default_transaction_read_only on; we turn that off.  Before 14, libpq has
 * only that; then the session tells a standby and rotates the hosts. */
#define TARGET_KEYWORD "target_session_attrs"
#define TARGET_SINCE 140000

/* What is said anew with each attempt. */
static const char *const host_keywords[] = {"host", "hostaddr", "port"};

struct conninfo {
	PQconninfoOption *options; /* as the user gave them */
	const char **keywords; /* for libpq, ends with NULL */
	const char **values;
	size_t n_fixed; /* those that never change; after them the hosts */
	char *name;
	char *description;
	struct hosts *hosts;
};

static PQconninfoOption *
find_option(PQconninfoOption *options, const char *keyword)
{
	PQconninfoOption *option = options;

	while (option != NULL && option->keyword != NULL)
		if (strcmp(option->keyword, keyword) == 0)
			return option;
		else
			option++;
	return NULL;
}

static const char *
given(const struct conninfo *conninfo, const char *keyword)
{
	PQconninfoOption *option = find_option(conninfo->options, keyword);

	return option == NULL || option->val == NULL || option->val[0] == '\0'
		   ? NULL
		   : option->val;
}

/* libpq quotes the text where it does not understand it. */
static int
refuse(const char *message, struct pgripple_error *err)
{
	const char *first = strchr(message, '"');
	const char *last = strrchr(message, '"');
	size_t length = strcspn(message, "\n");

	if (first != NULL && last > first)
		pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "the conninfo cannot be parsed: %.*s\"" REPLACED "\"%.*s",
		    (int)(first - message), message,
		    (int)strcspn(last + 1, "\n"), last + 1);
	else
		pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "the conninfo cannot be parsed: %.*s", (int)length,
		    message);
	pgripple_error_hint(err, "Write it as \"host=... dbname=...\", with "
				 "values in single quotes where they hold "
				 "spaces, or as a postgresql:// URI.");
	return -1;
}

static void
describe_option(struct buf *text, const char *keyword, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	if (text->n > 0)
		buf_add_char(text, ' ');
	buf_printf(text, "%s=%s", keyword, value);
}

static int
describe(struct conninfo *conninfo, struct pgripple_error *err)
{
	static const char *const keywords[] = {
	    "host", "hostaddr", "port", "dbname", "user"};
	PQconninfoOption *defaults = PQconndefaults();
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < N_ELEMENTS(keywords); i++) {
		const char *value = given(conninfo, keywords[i]);
		PQconninfoOption *option = find_option(defaults, keywords[i]);

		if (value == NULL && option != NULL)
			value = option->val;
		describe_option(&text, keywords[i], value);
	}
	PQconninfoFree(defaults);
	conninfo->description = strdup(buf_string(&text));
	if (text.failed || conninfo->description == NULL) {
		buf_done(&text);
		return pgripple_error_nomem(err);
	}
	buf_done(&text);
	return 0;
}

static const struct addition *
find_addition(const char *keyword)
{
	for (size_t i = 0; i < N_ELEMENTS(additions); i++)
		if (strcmp(additions[i].keyword, keyword) == 0)
			return &additions[i];
	return NULL;
}

static bool
is_host_keyword(const char *keyword)
{
	for (size_t i = 0; i < N_ELEMENTS(host_keywords); i++)
		if (strcmp(keyword, host_keywords[i]) == 0)
			return true;
	return false;
}

static const char *
default_of(PQconninfoOption *defaults, const char *keyword)
{
	const PQconninfoOption *option = find_option(defaults, keyword);

	return option == NULL || option->val == NULL || option->val[0] == '\0'
		   ? NULL
		   : option->val;
}

/* One entry for each option that libpq knows, so nothing is passed that an
 * older libpq would refuse. */
static int
assemble(struct conninfo *conninfo, struct pgripple_error *err)
{
	size_t n = 0, n_options = 0;

	while (conninfo->options[n_options].keyword != NULL)
		n_options++;
	conninfo->keywords =
	    calloc(n_options + N_ELEMENTS(host_keywords) + 1, sizeof(char *));
	conninfo->values =
	    calloc(n_options + N_ELEMENTS(host_keywords) + 1, sizeof(char *));
	if (conninfo->keywords == NULL || conninfo->values == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < n_options; i++) {
		const char *keyword = conninfo->options[i].keyword;
		const struct addition *addition = find_addition(keyword);
		const char *value = given(conninfo, keyword);

		if (addition != NULL && (addition->always || value == NULL))
			value = addition->value;
		if (strcmp(keyword, "application_name") == 0)
			value = conninfo->name;
		if (strcmp(keyword, TARGET_KEYWORD) == 0 && value == NULL &&
		    PQlibVersion() >= TARGET_SINCE)
			value = "primary";
		if (value == NULL || is_host_keyword(keyword))
			continue;
		conninfo->keywords[n] = keyword;
		conninfo->values[n++] = value;
	}
	conninfo->n_fixed = n;
	return 0;
}

/* A host that only the environment names is to be resolved as well; what only
 * a service file says, libpq finds by itself. */
static int
take_hosts(struct conninfo *conninfo, struct pgripple_error *err)
{
	PQconninfoOption *defaults = PQconndefaults();
	const char *values[N_ELEMENTS(host_keywords)];
	int failed;

	for (size_t i = 0; i < N_ELEMENTS(values); i++)
		values[i] = given(conninfo, host_keywords[i]);
	if (values[0] == NULL && values[1] == NULL &&
	    given(conninfo, "service") == NULL) {
		values[0] = default_of(defaults, "host");
		values[1] = default_of(defaults, "hostaddr");
	}
	if (values[2] == NULL && (values[0] != NULL || values[1] != NULL))
		values[2] = default_of(defaults, "port");
	failed =
	    hosts_new(values[0], values[1], values[2], &conninfo->hosts, err);
	PQconninfoFree(defaults);
	return failed;
}

int
conninfo_new(const char *text, const char *name, struct conninfo **ret_conninfo,
    struct pgripple_error *err)
{
	struct conninfo *conninfo = calloc(1, sizeof(*conninfo));
	char *message = NULL;

	if (conninfo == NULL)
		return pgripple_error_nomem(err);
	conninfo->options = PQconninfoParse(text, &message);
	if (conninfo->options == NULL) {
		if (message == NULL)
			pgripple_error_nomem(err);
		else
			refuse(message, err);
		PQfreemem(message);
		goto failed;
	}
	if (asprintf(&conninfo->name, "pgripple %s", name) < 0) {
		conninfo->name = NULL;
		pgripple_error_nomem(err);
		goto failed;
	}
	if (assemble(conninfo, err) != 0 || take_hosts(conninfo, err) != 0 ||
	    describe(conninfo, err) != 0)
		goto failed;
	*ret_conninfo = conninfo;
	return 0;
failed:
	conninfo_free(conninfo);
	return -1;
}

void
conninfo_free(struct conninfo *conninfo)
{
	if (conninfo == NULL)
		return;
	hosts_free(conninfo->hosts);
	PQconninfoFree(conninfo->options);
	free(conninfo->keywords);
	free(conninfo->values);
	free(conninfo->name);
	free(conninfo->description);
	free(conninfo);
}

int
conninfo_resolve(struct conninfo *conninfo, struct event_base *base,
    int64_t patience_ms, hosts_cb done, void *context,
    struct pgripple_error *err)
{
	return hosts_resolve(
	    conninfo->hosts, base, patience_ms, done, context, err);
}

void
conninfo_cancel(struct conninfo *conninfo)
{
	hosts_cancel(conninfo->hosts);
}

static void
say(struct conninfo *conninfo, size_t *n, const char *keyword,
    const char *value)
{
	if (value == NULL)
		return;
	conninfo->keywords[*n] = keyword;
	conninfo->values[(*n)++] = value;
}

PGconn *
conninfo_connect(struct conninfo *conninfo)
{
	const struct hosts_lists *lists = hosts_lists(conninfo->hosts);
	size_t n = conninfo->n_fixed;

	if (lists == NULL)
		return NULL;
	say(conninfo, &n, "host", lists->host);
	say(conninfo, &n, "hostaddr", lists->hostaddr);
	say(conninfo, &n, "port", lists->port);
	conninfo->keywords[n] = NULL;
	return PQconnectStartParams(conninfo->keywords, conninfo->values, 0);
}

void
conninfo_rotate(struct conninfo *conninfo)
{
	hosts_rotate(conninfo->hosts);
}

const char *
conninfo_describe(const struct conninfo *conninfo)
{
	return conninfo->description;
}

/* Takes every occurrence of a secret out.  A belt: libpq's messages hold none.
 * Shorter ones would tear holes into ordinary words. */
static void
redact_one(char *text, const char *secret)
{
	size_t length = strlen(secret);
	char *found;

	if (length < 4)
		return;
	while ((found = strstr(text, secret)) != NULL) {
		memcpy(found, REPLACED, 3);
		memmove(found + 3, found + length, strlen(found + length) + 1);
	}
}

static void
redact(const struct conninfo *conninfo, char *text)
{
	const PQconninfoOption *option = conninfo->options;

	for (; option->keyword != NULL; option++)
		if (option->val != NULL && option->dispchar[0] == '*' &&
		    strcmp(option->val, REPLACED) != 0)
			redact_one(text, option->val);
}

/* Runs of white space become one space, ends of lines "; ". */
static void
on_one_line(struct buf *line, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, " \t\r\n");
		size_t space;

		buf_add(line, text, n);
		text += n;
		space = strspn(text, " \t\r\n");
		if (text[space] != '\0' && line->n > 0) {
			if (memchr(text, '\n', space) != NULL &&
			    line->bytes[line->n - 1] != ':')
				buf_add_char(line, ';');
			buf_add_char(line, ' ');
		}
		text += space;
	}
}

static int
fill(const struct conninfo *conninfo, const char *message, const char *sqlstate,
    struct pgripple_error *err)
{
	struct buf line = BUF_INIT;

	on_one_line(&line, message);
	if (line.failed) {
		buf_done(&line);
		return pgripple_error_nomem(err);
	}
	if (line.n > 0)
		redact(conninfo, line.bytes);
	pgripple_error_set(err, PGRIPPLE_ERROR_PEER, "%s%s%s%s",
	    line.n > 0 ? line.bytes : "the connection failed",
	    sqlstate == NULL ? "" : " (", sqlstate == NULL ? "" : sqlstate,
	    sqlstate == NULL ? "" : ")");
	buf_done(&line);
	return -1;
}

int
conninfo_error(const struct conninfo *conninfo, const char *message,
    struct pgripple_error *err)
{
	return fill(conninfo, message == NULL ? "" : message, NULL, err);
}

int
conninfo_result_error(const struct conninfo *conninfo, const PGresult *result,
    char sqlstate[6], struct pgripple_error *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary =
	    PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (sqlstate != NULL) {
		memset(sqlstate, 0, 6);
		if (state != NULL)
			memcpy(sqlstate, state, strnlen(state, 5));
	}
	fill(conninfo, primary != NULL ? primary : PQresultErrorMessage(result),
	    state, err);
	if (hint != NULL)
		pgripple_error_hint(err, "%s", hint);
	return -1;
}
