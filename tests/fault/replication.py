"""Copies of a Postgres: standbys, backups, files put back."""

import os
import shutil
import subprocess

from harness.postgres import Postgres
from harness.wait import wait_until


class Standby(Postgres):
    """A streaming standby of a running primary."""

    def __init__(self, primary, **settings):
        self.primary = primary
        super().__init__(**settings)

    def init(self):
        base_backup(self.primary, self.data, "-R", owner=self)
        self.write_settings()

    def wait_until_caught_up(self, timeout=30):
        """Until it has replayed what the primary has written so far."""
        with self.primary.connect() as primary, self.connect() as own:
            written = value(primary, "SELECT pg_current_wal_insert_lsn()")
            value(primary, "SELECT pg_switch_wal()")    # so that it is sent
            wait_until(lambda: value(
                own, "SELECT pg_last_wal_replay_lsn() >= %s", written),
                timeout, "the standby")

    def promote(self):
        self.run_tool("pg_ctl", "promote", "-D", self.data, "-w")


def value(connection, sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchone()[0]


def base_backup(server, folder, *options, owner=None):
    (owner or server).run_tool(
        "pg_basebackup", "-D", folder, "-h", server.folder, "-p",
        str(server.port), "-U", server.admin, "-X", "stream", "-c", "fast",
        *options)


def cold_backup(server, folder):
    """A copy of the files of a server that was stopped."""
    assert not server.is_running()
    subprocess.run(["cp", "-a", server.data, folder], check=True)


def restore(server, folder):
    """From now on a server that is not running has the files of a backup."""
    assert not server.is_running()
    shutil.rmtree(server.data)
    os.rename(folder, server.data)
