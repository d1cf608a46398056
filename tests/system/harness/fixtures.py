"""Fixtures: real servers on private sockets, a fresh database for each test.

postgres, redis_server    one of each for the whole run
database                  a fresh database in which nothing is installed
installed                 the same with sql/pgripple.sql
tournament                a fresh database with the tournament application
cache                     a client of redis_server, which is empty
make_postgres, make_redis servers of a test's own, to stop, kill and pause
make_config               pgripple.yaml and graph.yaml in a folder
make_daemon, cli          the binary under test
"""

import itertools
import os

import pytest

from harness.daemon import TAIL_LINES, Config, Daemon, run_cli
from harness.postgres import Database, Postgres
from harness.redis_server import RedisServer
from harness.results import Results

database_numbers = itertools.count(1)

# What a fresh database may hold, by the fixture that asks for it.
CONTENTS = {
    "installed": Database.install,
    "tournament": lambda database: database.run_file(
        "tests/system/tournament.sql"),
}


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "sql: of the schema alone, the same with every build")
    config.addinivalue_line(
        "markers", "once: of servers and clients rather than of our code: "
        "long, and run with one build")
    config.addinivalue_line(
        "markers", "timing: asserts durations, or what the machine's load "
        "changes: run with one build, one after the other, beside nothing")
    path = os.environ.get("PGRIPPLE_RESULTS")
    is_worker = hasattr(config, "workerinput")
    if path and not is_worker and not config.pluginmanager.hasplugin("results"):
        config.pluginmanager.register(Results(path), "results")


@pytest.fixture(autouse=True)
def no_build(request, monkeypatch):
    """Tests marked so are run once, hence may run no program of ours."""
    if request.node.get_closest_marker("sql"):
        monkeypatch.setenv("PGRIPPLE_BUILD", "/no build for a test of SQL")


@pytest.fixture(scope="session")
def postgres():
    server = Postgres(tcp=True, fsync="off", full_page_writes="off",
                      synchronous_commit="off")
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_server():
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def template(postgres):
    """template(content): the name of a database that holds it. To copy one is
    quicker than to make it again for each test."""
    made = {}

    def of(content):
        if content not in made:
            database = postgres.create_database(f"template_{content}")
            CONTENTS[content](database)
            database.own.close()
            made[content] = database.name
        return made[content]
    return of


@pytest.fixture
def database(postgres, template, request):
    log_start = postgres.log_size()
    content = next((content for content in CONTENTS
                    if content in request.fixturenames), None)
    fresh = postgres.create_database(
        f"test{next(database_numbers)}",
        template(content) if content else "template0")
    fresh.content = content
    yield fresh
    fresh.drop()
    show_on_failure("postgres", postgres.log_text(log_start))


@pytest.fixture
def installed(database):
    return holding(database, "installed")


@pytest.fixture
def tournament(database):
    return holding(database, "tournament")


def holding(database, content):
    if database.content != content:
        CONTENTS[content](database)
    return database


@pytest.fixture
def cache(redis_server):
    client = redis_server.client()
    client.flushall()
    yield client
    client.close()


def show_on_failure(name, text):
    """pytest shows what a test printed only if the test failed."""
    if text:
        print(f"---- {name}\n{text[-200 * TAIL_LINES:]}")


@pytest.fixture
def make_postgres():
    """make_postgres(tcp=False, **settings): a cluster, started."""
    yield from server_factory(Postgres)


@pytest.fixture
def make_redis():
    """make_redis(**settings): a redis-server, started."""
    yield from server_factory(RedisServer)


def server_factory(server_class):
    made = []

    def make(start=True, **settings):
        server = server_class(**settings)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        show_on_failure(server.name, server.log_text())
        server.remove()


@pytest.fixture
def make_config():
    """make_config(conninfo, redis_url, graph, settings=None): a Config."""
    made = []

    def make(*args, **more):
        config = Config(*args, **more)
        made.append(config)
        return config

    yield make
    for config in made:
        config.remove()


@pytest.fixture
def make_daemon(make_config):
    """make_daemon(config, start=True, wait=True, env=None, wrapper=()): a
    Daemon."""
    made = []

    def make(config, start=True, wait=True, env=None, wrapper=()):
        daemon = Daemon(config, env, wrapper)
        made.append(daemon)
        return daemon.start(wait) if start else daemon

    yield make
    for daemon in made:
        if daemon.is_running():
            daemon.resume()
            if "PGRIPPLE_WRAPPER" in os.environ:    # which has its say at exit
                daemon.stop(timeout=60)
        daemon.kill()
        show_on_failure("daemon", daemon.tail())
    reports = [line for daemon in made for line in daemon.sanitizer_reports()]
    assert not reports, reports


@pytest.fixture
def cli():
    """cli(*args, stdin="", timeout=60, env=None): status, stdout, stderr."""
    return run_cli


@pytest.fixture(scope="session")
def django_site(postgres):
    """The Django project of django_project/, with tables and no pgripple."""
    from django_project.at_work import Site

    site = Site(postgres)
    try:
        yield site
    finally:
        site.remove()
