"""A private Postgres cluster, and databases in it."""

import functools
import glob
import os
import re
import shutil
import signal
import subprocess

import psycopg2
import psycopg2.extensions

from harness.process import Server, free_port

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))


@functools.cache
def read_sql(path):
    """A file of the repository, with the files that it includes."""
    return subprocess.run(
        [os.path.join(ROOT, "scripts/join_sql.sh"), os.path.join(ROOT, path)],
        check=True, stdout=subprocess.PIPE, text=True).stdout


def bin_folder():
    """Where initdb is: PGRIPPLE_PGBIN, or the newest Debian version."""
    named = os.environ.get("PGRIPPLE_PGBIN")
    if named:
        return named
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        newest = max(found, key=lambda path: int(path.split("/")[4]))
        return os.path.dirname(newest)
    on_path = shutil.which("initdb")
    assert on_path, "cannot find initdb; set PGRIPPLE_PGBIN to its folder"
    return os.path.dirname(on_path)


class Postgres(Server):
    """A cluster on a private unix socket and, with tcp, on 127.0.0.1.

    Further settings, such as wal_level="logical", go into postgresql.conf.
    """

    name = "postgres"
    stop_signal = signal.SIGINT     # fast shutdown
    admin = "postgres"

    def __init__(self, tcp=False, **settings):
        super().__init__()
        self.bin = bin_folder()
        self.port = free_port()
        self.data = os.path.join(self.folder, "data")
        if os.geteuid() == 0:
            self.user = "postgres"
            shutil.chown(self.folder, "postgres", "postgres")
        os.chmod(self.folder, 0o755)
        self.settings = {
            "listen_addresses": "127.0.0.1" if tcp else "",
            "unix_socket_directories": self.folder,
            "port": self.port,
            "max_connections": 100,
            "shared_buffers": "64MB",
            # In its folder: nothing is left of one that was killed.
            "dynamic_shared_memory_type": "mmap",
            "max_wal_size": "512MB",
            "log_line_prefix": "%m [%p] %d ",
            "log_min_messages": "warning",
            **settings,
        }
        self.init()

    def init(self):
        self.run_tool("initdb", "-D", self.data, "-U", self.admin, "-A",
                      "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self.write_settings()

    def write_settings(self):
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            for name, value in self.settings.items():
                text = str(value).replace("'", "''")
                conf.write(f"{name} = '{text}'\n")

    def run_tool(self, tool, *args, check=True, **options):
        """Run one of Postgres's programs as the cluster's user."""
        if self.user is not None:
            options.update(user=self.user, group=self.user, extra_groups=[])
        done = subprocess.run(
            [os.path.join(self.bin, tool), *args], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **options)
        assert not check or done.returncode == 0, (
            f"{tool} failed:\n{done.stdout}{done.stderr}")
        return done

    def command(self):
        return [os.path.join(self.bin, "postgres"), "-D", self.data]

    def is_up(self):
        try:
            self.connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    def conninfo(self, dbname="postgres", **more):
        options = {"host": self.folder, "port": self.port,
                   "user": self.admin, "dbname": dbname, **more}
        return psycopg2.extensions.make_dsn(**options)

    def connect(self, dbname="postgres", autocommit=True, **more):
        connection = psycopg2.connect(self.conninfo(dbname, **more))
        connection.autocommit = autocommit
        return connection

    def create_database(self, name, template="template0"):
        with_admin = self.connect()
        # The checkpoints of this way cost less than the WAL of the other.
        by_files = ("STRATEGY file_copy"
                    if with_admin.server_version >= 150000 else "")
        try:
            with_admin.cursor().execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{template}" {by_files}')
        finally:
            with_admin.close()
        return Database(self, name)


class Database:
    """One database, with a connection of its own for the test's use.

    execute() and value() run on that connection in autocommit; connect()
    makes further ones, closed with the database.
    """

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.roles = []
        self.connections = []
        self._own = None
        self._own_server = None

    def conninfo(self, **more):
        return self.server.conninfo(self.name, **more)

    def connect(self, autocommit=True, **more):
        connection = self.server.connect(self.name, autocommit, **more)
        self.connections.append(connection)
        return connection

    @property
    def own(self):
        """The test's connection; made anew if the server was restarted."""
        if self._own is None or self._own_server is not self.server.process:
            self._own = self.connect()
            self._own_server = self.server.process
        return self._own

    def execute(self, sql, *params):
        """Run SQL and return its rows, if it has any."""
        return run(self.own, sql, *params)

    def value(self, sql, *params):
        """The only column of the only row."""
        rows = self.execute(sql, *params)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return rows[0][0]

    def run_file(self, path):
        """Run a file of the repository as one multi-statement string."""
        self.execute(read_sql(path))
        return self

    def install(self):
        """Create pgripple's schema."""
        return self.run_file("sql/pgripple.sql")

    def create_role(self, attributes="LOGIN"):
        """A role of this test only, dropped with the database."""
        role = f"{self.name}_role{len(self.roles) + 1}"
        self.execute(f'CREATE ROLE "{role}" {attributes}')
        self.roles.append(role)
        return role

    def changes(self):
        """What lies in the outbox, oldest first, as JSON texts."""
        return [row[0] for row in self.execute(
            "SELECT change::text FROM pgripple.outbox ORDER BY id")]

    def dump_schema(self):
        """pg_dump --schema-only, without what is new in every dump."""
        dump = self.server.run_tool("pg_dump", "--schema-only", "-d",
                                    self.conninfo()).stdout
        return re.sub(r"(?m)^\\(un)?restrict .*\n", "", dump)

    def drop(self):
        for connection in self.connections:
            connection.close()
        with_admin = self.server.connect()
        try:
            cursor = with_admin.cursor()
            cursor.execute(
                f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            for role in self.roles:
                cursor.execute(f'DROP ROLE IF EXISTS "{role}"')
        finally:
            with_admin.close()


def run(connection, sql, *params):
    """Run SQL on a connection and return its rows, if it has any.

    Without parameters the text goes as it is: a % in it means itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchall() if cursor.description else []
