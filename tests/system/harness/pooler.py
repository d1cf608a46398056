"""A private PgBouncer."""

import os
import textwrap

import psycopg2

from harness.process import Server, free_port


class PgBouncer(Server):
    """A pooler in front of a database, on a unix socket."""

    name = "pgbouncer"

    def __init__(self, database, pool_mode):
        super().__init__()
        self.port = free_port()
        self.database = database
        server = database.server
        if os.geteuid() == 0:
            self.user = "postgres"
            os.chmod(self.folder, 0o777)
        self.ini = os.path.join(self.folder, "pgbouncer.ini")
        with open(self.ini, "w") as file:
            file.write(textwrap.dedent(f"""\
                [databases]
                pooled = host={server.folder} port={server.port} \
                dbname={database.name} user={server.admin}
                [pgbouncer]
                listen_addr =
                listen_port = {self.port}
                unix_socket_dir = {self.folder}
                auth_type = any
                pool_mode = {pool_mode}
                ignore_startup_parameters = extra_float_digits
                """))
        os.chmod(self.ini, 0o644)

    def command(self):
        return ["/usr/sbin/pgbouncer", self.ini]

    @property
    def conninfo(self):
        return (f"host={self.folder} port={self.port} dbname=pooled "
                f"user={self.database.server.admin}")

    def is_up(self):
        try:
            psycopg2.connect(self.conninfo).close()
            return True
        except psycopg2.OperationalError:
            return False
