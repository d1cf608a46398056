"""The Django project with its servers: a database of its own, a Redis of its
own, and pgripple between them.

Django's settings are those of a process, so there is one Site in each. They
are completed when there are servers.
"""

import os
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from harness.daemon import Config, Daemon
from harness.flow import install, wait_quiet
from harness.postgres import ROOT, run
from harness.redis_server import RedisServer

CONTRIB = os.path.join(ROOT, "contrib/django")
MANAGE = os.path.join(ROOT, "tests/system/django_project/manage.py")

if CONTRIB not in sys.path:
    sys.path.insert(0, CONTRIB)
os.environ["DJANGO_SETTINGS_MODULE"] = "django_project.settings"
django.setup()

# What the application's write paths invalidate by hand today, as relations.
CHOSEN = """\
  - app_draftround.draft_id -> app_draft.id
  - app_draft.tournament_id -> app_tournament.id
  - app_team.tournament_id -> app_tournament.id
  - app_game.tournament_id -> app_tournament.id
  - app_game.radiant_team_id -> app_team.id: { transitive: false }
  - app_game.dire_team_id -> app_team.id: { transitive: false }
  - app_customuser.id -> app_team_members.customuser_id
  - app_team_members.team_id -> app_team.id: { transitive: false }
"""

# One that no foreign key tells.
ADDED = """\
  - app_draftround.captain_id -> app_team.captain_id: { transitive: false }
"""


class Site:
    """Tables made by migrate, as the role of the application, which owns them
    and is no superuser."""

    def __init__(self, postgres):
        self.database = postgres.create_database("django_site")
        self.redis_server = RedisServer().start()
        self.role = self.database.create_role()
        self.database.execute(
            f'GRANT CREATE ON SCHEMA public TO "{self.role}"')
        connections["default"].settings_dict.update({
            "HOST": postgres.folder, "PORT": str(postgres.port),
            "NAME": self.database.name, "USER": self.role})
        settings.CACHEOPS_REDIS = self.redis_server.url
        self.cache = self.redis_server.client(decode_responses=False)
        self.config = None
        self.daemon = None
        call_command("migrate", run_syncdb=True, verbosity=0)

    def install(self, graph):
        """pgripple install, roles and all; the daemon is not started."""
        self.config = Config(self.database.conninfo(), self.redis_server.url,
                             graph)
        install(self.config)
        self.database.execute(f'GRANT pgripple_invalidate TO "{self.role}"')
        self.daemon = Daemon(self.config)

    def fill(self):
        """The rows of rows.sql, and an empty cache."""
        self.thaw()
        with open(os.path.join(os.path.dirname(__file__), "rows.sql"),
                  encoding="utf-8") as sql:
            self.database.execute(sql.read())
        if self.daemon is not None:
            wait_quiet(self.database)
        self.flush()

    def thaw(self):
        """Let the daemon go on that a test has paused."""
        if self.daemon is not None and self.daemon.is_running():
            self.daemon.resume()

    def flush(self):
        """Forget what is cached, and nothing of pgripple's own."""
        keys = [key for pattern in ("q:*", "as:*", "asp:*", "conj:*",
                                    "schemes:*")
                for key in self.cache.scan_iter(pattern, count=1000)]
        if keys:
            self.cache.unlink(*keys)

    def write(self, sql):
        """As somebody who is not Django."""
        connection = self.database.connect()
        try:
            run(connection, sql)
        finally:
            connection.close()

    def stop(self):
        """Stop the daemon, which may be paused."""
        if self.daemon is None:
            return
        self.thaw()
        self.daemon.kill()
        reports = self.daemon.sanitizer_reports()
        self.config.remove()
        self.daemon = None
        assert not reports, reports

    def remove(self):
        self.stop()
        connections.close_all()
        self.cache.close()
        self.redis_server.remove()
        self.database.drop()
