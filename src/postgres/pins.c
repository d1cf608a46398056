/*
 * The settings that our statements rely on.
 */
#include "postgres/pins.h"

#include <inttypes.h>

#include "base/buf.h"

#define MAX_LOCK_TIMEOUT_MS 10000

static const struct pin {
	const char *name;
	const char *value;
	int since; /* the first server version that has it */
} pins[] = {
    /* First of all: nobody's function stands in for one of the server's. */
    {"search_path", "pg_catalog, pg_temp", 0},
    /* Under REPEATABLE READ the doorbell would ring before the row shows. */
    {"default_transaction_isolation", "'read committed'", 0},
    {"default_transaction_read_only", "off", 0},
    {"default_transaction_deferrable", "off", 0},
    /* A lookup that a policy hides must fail, not come back empty. */
    {"row_security", "off", 0},
    /* An idle listener is what we are. */
    {"idle_session_timeout", "0", 140000},
    /* The text of values: as in the capture functions. */
    {"\"TimeZone\"", "'UTC'", 0},
    {"\"DateStyle\"", "'ISO, YMD'", 0},
    {"\"IntervalStyle\"", "'postgres'", 0},
    {"bytea_output", "'hex'", 0},
    {"extra_float_digits", "1", 0},
    {"lc_monetary", "'C'", 0},
    {"quote_all_identifiers", "off", 0},
    {"standard_conforming_strings", "on", 0},
    /* So that the server, too, notices soon that we vanished, and frees what
     * the session held; its kernel's default is two hours. */
    {"tcp_keepalives_idle", "5", 0},
    {"tcp_keepalives_interval", "5", 0},
    {"tcp_keepalives_count", "3", 0},
    {"tcp_user_timeout", "10000", 0},
    /* Our statements are short: compiling them takes longer than running. */
    {"jit", "off", 0},
};

int
pins_check_version(PGconn *conn, struct pgripple_error *err)
{
	const char *version = PQparameterStatus(conn, "server_version");

	if (PQserverVersion(conn) >= PINS_OLDEST_SERVER)
		return 0;
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "the server's version \"%s\" is too old: 13 or later is needed",
	    version == NULL ? "unknown" : version);
}

void
pins_print(struct buf *sql, int server_version, int64_t statement_timeout_ms,
    bool relaxed)
{
	int64_t lock_timeout_ms = statement_timeout_ms;

	for (size_t i = 0; i < N_ELEMENTS(pins); i++)
		if (server_version >= pins[i].since)
			buf_printf(
			    sql, "SET %s = %s;\n", pins[i].name, pins[i].value);
	if (lock_timeout_ms == 0 || lock_timeout_ms > MAX_LOCK_TIMEOUT_MS)
		lock_timeout_ms = MAX_LOCK_TIMEOUT_MS;
	buf_printf(sql,
	    "SET statement_timeout = %" PRId64 ";\n"
	    "SET lock_timeout = %" PRId64 ";\n"
	    "SET idle_in_transaction_session_timeout = %" PRId64 ";\n",
	    statement_timeout_ms, lock_timeout_ms, statement_timeout_ms);
	/* An acknowledgement that a crash takes back means that its batch is
	 * done again, which does no harm. */
	if (relaxed)
		buf_add_string(sql, "SET synchronous_commit = off;\n");
	buf_add_string(sql, "SELECT pg_catalog.pg_is_in_recovery()");
}
