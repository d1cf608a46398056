"""The roles of sql/roles.sql: an owner, and a daemon with the least rights."""

from harness.daemon import run_cli

OWNER = "pgripple_owner"
DAEMON = "pgripple_daemon"


def set_up_roles(database, lookups="public"):
    """Hand an installed schema over to its owner and give the daemon its
    rights. lookups: the schema whose tables it may read, or None. Returns the
    daemon's conninfo."""
    database.run_file("sql/roles.sql")
    if lookups is not None:
        database.execute(
            f'GRANT USAGE ON SCHEMA "{lookups}" TO {DAEMON};'
            f'GRANT SELECT ON ALL TABLES IN SCHEMA "{lookups}" TO {DAEMON}')
    return database.conninfo(user=DAEMON)


def install_with_roles(config, database, lookups="public"):
    """pgripple install as the superuser; from then on the configuration is
    that of the daemon's role."""
    done = run_cli("install", "-c", config.path, "--conninfo",
                   database.conninfo())
    assert done.status == 0, done.stdout + done.stderr
    config.write_settings({"postgres": {
        "conninfo": set_up_roles(database, lookups)}})
    return done
