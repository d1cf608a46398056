/*
 * SQL text, arrays, scripts and conninfos: what needs no server.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "postgres/conninfo.h"
#include "postgres/embedded_sql.h"
#include "postgres/install.h"
#include "postgres/quote.h"

#define expect_text(text, call)                           \
	do {                                              \
		struct buf buf = BUF_INIT;                \
		call;                                     \
		cr_expect_str_eq(buf_string(&buf), text); \
		buf_done(&buf);                           \
	} while (0)

Test(postgres_quote, doubles_quotes_in_identifiers)
{
	expect_text("\"order\"", quote_identifier(&buf, "order"));
	expect_text("\"a\"\"b\"", quote_identifier(&buf, "a\"b"));
}

Test(postgres_quote, doubles_quotes_and_escapes_backslashes_in_literals)
{
	expect_text("'plain'", quote_literal(&buf, "plain"));
	expect_text("'it''s'", quote_literal(&buf, "it's"));
	expect_text(" E'a\\\\''b'", quote_literal(&buf, "a\\'b"));
}

static void
print_strings(struct buf *buf, const char *const *texts, size_t n)
{
	array_open(buf);
	for (size_t i = 0; i < n; i++)
		array_add_string(buf, texts[i]);
	array_close(buf);
}

Test(postgres_quote, prints_arrays)
{
	const char *const texts[] = {"a", "", "NULL", "x,\"y\\z{}", "{"};

	expect_text("{}", print_strings(&buf, NULL, 0));
	expect_text("{\"a\",\"\",\"NULL\",\"x,\\\"y\\\\z{}\",\"{\"}",
	    print_strings(&buf, texts, N_ELEMENTS(texts)));
	expect_text("{1,-2}", {
		array_open(&buf);
		array_add_int(&buf, 1);
		array_add_int(&buf, -2);
		array_close(&buf);
	});
}

static struct pgripple_error
refusal(const char *text)
{
	struct conninfo *conninfo;
	struct pgripple_error err;

	cr_assert_eq(conninfo_new(text, "work", &conninfo, &err), -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_CONFIG);
	return err;
}

Test(postgres_conninfo, never_quotes_what_it_cannot_parse)
{
	static const char *const texts[] = {
	    "host=x password=my s3cret",
	    "s3cret=1",
	    "host=x password=a\"s3cret\" \"s3cret",
	    "postgresql://u:s3cret%zz@h/db",
	    "postgresql://u:s3cret@h:1x/db?s3cret=1",
	    "postgresql://u:s3cret@[::1/db",
	    "password='s3cret",
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct pgripple_error err = refusal(texts[i]);

		cr_expect_null(strstr(err.text, "s3cret"), "%s", err.text);
		cr_expect_not(strchr(err.text, '\n'));
	}
	cr_expect_str_eq(refusal("host=x password=my s3cret").text,
	    "the conninfo cannot be parsed: missing \"...\" in connection "
	    "info string");
}

static struct conninfo *
good(const char *text)
{
	struct conninfo *conninfo = NULL;
	struct pgripple_error err = {0};

	cr_assert_eq(
	    conninfo_new(text, "work", &conninfo, &err), 0, "%s", err.text);
	return conninfo;
}

Test(postgres_conninfo, describes_without_secrets)
{
	struct conninfo *conninfo =
	    good("postgresql://bob:s3cret@h1:1,h2:2/app?sslpassword=x");

	cr_expect_str_eq(conninfo_describe(conninfo),
	    "host=h1,h2 port=1,2 dbname=app user=bob");
	conninfo_free(conninfo);
}

Test(postgres_conninfo, puts_messages_on_one_line_without_secrets)
{
	struct conninfo *conninfo = good("password=s3cret");
	struct pgripple_error err;

	cr_expect_eq(
	    conninfo_error(conninfo,
		"could not connect:\n\tto s3cret\nor s3crets \n", &err),
	    -1);
	cr_expect_eq(err.kind, PGRIPPLE_ERROR_PEER);
	cr_expect_str_eq(err.text, "could not connect: to ...; or ...s");
	(void)conninfo_error(conninfo, "", &err);
	cr_expect_str_eq(err.text, "the connection failed");
	conninfo_free(conninfo);
}

/* Where an attempt begins that nobody answers. */
static void
expect_first_host(struct conninfo *conninfo, const char *host)
{
	PGconn *conn = conninfo_connect(conninfo);

	cr_assert_not_null(conn);
	cr_expect_not_null(strstr(PQerrorMessage(conn), host), "%s: %s", host,
	    PQerrorMessage(conn));
	cr_expect_eq(strncmp(strstr(PQerrorMessage(conn), "/nowhere"), host,
			 strlen(host)),
	    0);
	PQfinish(conn);
}

Test(postgres_conninfo, begins_with_the_next_host_after_a_failure)
{
	struct conninfo *conninfo =
	    good("host=/nowhere1,/nowhere2,/nowhere3 port=7 user=x");
	static const char *const hosts[] = {
	    "/nowhere1", "/nowhere2", "/nowhere3", "/nowhere1"};

	for (size_t i = 0; i < N_ELEMENTS(hosts); i++) {
		expect_first_host(conninfo, hosts[i]);
		conninfo_rotate(conninfo);
	}
	conninfo_free(conninfo);
}

static const char *
printed(const char *schema, struct buf *script)
{
	struct pgripple_error err;

	cr_assert_eq(install_objects(schema, script, &err), 0);
	return script->bytes;
}

Test(postgres_install, leaves_the_script_as_it_is_for_the_usual_schema)
{
	struct buf script = BUF_INIT;

	cr_expect_str_eq(printed("pgripple", &script), embedded_install_sql);
	buf_done(&script);
}

Test(postgres_install, puts_another_schema_in_place)
{
	struct buf script = BUF_INIT;
	const char *text = printed("order", &script);

	cr_expect_null(strstr(text, "pgripple.outbox"));
	cr_expect_null(strstr(text, "SCHEMA pgripple"));
	cr_expect_not_null(strstr(text, "'\"order\".outbox'::regclass"));
	cr_expect_not_null(strstr(text, "CREATE SCHEMA \"order\""));
	/* Names that only begin so stay. */
	cr_expect_not_null(strstr(text, "pgripple_old"));
	buf_done(&script);
}
