"""The faults of chaos.py: each begins, lasts for a while, and ends.

A fault is a context manager of the chaos (ChaosWorld), registered with where it
happens: of two at a time, no two happen at one place. "away" says that the
writers' own server, or their sessions, may go away by it. Nobody waits for a
daemon that was started: its peers may be away, or another one at work.
"""

import os
import shutil
from collections import namedtuple
from contextlib import contextmanager

import psycopg2

from harness.postgres import run
from harness.proxy import REPLIES, REQUESTS
from harness.roles import DAEMON

Fault = namedtuple("Fault", "name place away run")

FAULTS = []


def fault(place, name, away=False):
    def register(function):
        FAULTS.append(Fault(name, place, away, contextmanager(function)))
        return function
    return register


# The daemon.

@fault("daemon", "daemon killed")
def daemon_killed(world):
    world.daemon.kill()
    yield
    world.daemon.start(wait=False)


@fault("daemon", "daemon stopped")
def daemon_stopped(world):
    world.daemon.process.terminate()
    yield
    world.daemon.wait()
    world.daemon.start(wait=False)


@fault("daemon", "daemon frozen")
def daemon_frozen(world):
    world.daemon.pause()
    yield
    world.daemon.resume()


@fault("daemon", "two daemons")
def two_daemons(world):
    world.second.start(wait=False)
    yield
    world.second.process.terminate()
    world.second.wait()


@fault("daemon", "two daemons, one is killed")
def two_daemons_one_killed(world):
    world.second.start(wait=False)
    world.daemon.kill()
    yield
    world.daemon.start(wait=False)
    world.second.kill()


@fault("daemon", "two daemons, one is frozen")
def two_daemons_one_frozen(world):
    world.second.start(wait=False)
    world.daemon.pause()
    yield
    world.daemon.resume()
    world.second.kill()


@fault("daemon", "settings loaded again")
def reloaded(world):
    world.daemon.reload()
    yield
    world.daemon.reload()


# Postgres.

@fault("postgres", "Postgres restarted", away=True)
def postgres_restarted(world):
    world.postgres.stop()
    yield
    world.postgres.start()


@fault("postgres", "Postgres killed", away=True)
def postgres_killed(world):
    world.postgres.kill()
    yield
    world.postgres.start()


@fault("postgres", "Postgres frozen", away=True)
def postgres_frozen(world):
    world.postgres.pause()
    yield
    world.postgres.resume()


def terminate(world, condition):
    world.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = current_database() AND {condition}")


@fault("postgres", "the daemon's sessions terminated")
def sessions_terminated(world):
    terminate(world, f"usename = '{DAEMON}'")
    yield
    terminate(world, f"usename = '{DAEMON}'")


@fault("postgres", "the writers' sessions terminated", away=True)
def writers_terminated(world):
    terminate(world, "application_name = 'writer'")
    yield
    terminate(world, "application_name = 'writer'")


@fault("postgres", "no connection for the daemon")
def no_connection(world):
    world.database.execute(f"ALTER ROLE {DAEMON} CONNECTION LIMIT 0")
    terminate(world, f"usename = '{DAEMON}'")
    yield
    world.database.execute(f"ALTER ROLE {DAEMON} CONNECTION LIMIT -1")


# None of these changes what a page shows, but for the pick numbers.
SCHEMA_CHANGES = [
    "ALTER TABLE app_team ADD COLUMN more int DEFAULT 1;"
    " ALTER TABLE app_team DROP COLUMN more",
    "ALTER TABLE app_customuser ALTER COLUMN mmr TYPE bigint",
    "ALTER TABLE app_game RENAME COLUMN round TO lap;"
    " ALTER TABLE app_game RENAME COLUMN lap TO round",
    "ALTER TABLE app_team RENAME TO app_squad;"
    " ALTER TABLE app_squad RENAME TO app_team",
    "CREATE INDEX passing ON app_game (round); DROP INDEX passing",
    "ALTER TABLE app_customuser ALTER COLUMN mmr TYPE integer",
]
TRUNCATED = """
    CREATE TEMP TABLE kept AS SELECT * FROM app_draftround;
    TRUNCATE app_draftround;
    INSERT INTO app_draftround (id, draft_id, captain_id, choice_id,
                                pick_number)
        SELECT id, draft_id, captain_id, choice_id, pick_number + 1 FROM kept;
    DROP TABLE kept"""


def alter(world, statements):
    """In one transaction each, among writers, of whom it may be a victim."""
    for text in statements:
        for _ in range(20):
            try:
                world.database.execute(f"BEGIN; {text}; COMMIT")
                break
            except (psycopg2.errors.DeadlockDetected,
                    psycopg2.errors.ForeignKeyViolation):
                world.database.execute("ROLLBACK")


@fault("postgres", "schema changes")
def schema_changes(world):
    alter(world, SCHEMA_CHANGES[:3])
    yield
    alter(world, SCHEMA_CHANGES[3:])


@fault("postgres", "TRUNCATE")
def truncate(world):
    alter(world, [TRUNCATED])
    yield
    alter(world, [TRUNCATED])


@fault("postgres", "capture disabled")
def capture_disabled(world):
    world.database.execute("SELECT pgripple.disable()")
    yield
    world.database.execute("SELECT pgripple.enable()")


@fault("postgres", "a long snapshot")
def long_snapshot(world):
    session = world.connect()
    run(session, "BEGIN ISOLATION LEVEL REPEATABLE READ;"
                 " SELECT count(*) FROM app_customuser")
    yield
    session.close()


@fault("postgres", "open writers")
def open_writers(world):
    """They draw the ids of changes, and commit later than others."""
    sessions = [world.connect() for _ in range(3)]
    for session, user in zip(sessions, world.users_of_open_writers):
        run(session, "BEGIN; UPDATE app_customuser SET mmr = mmr + 1"
                     f" WHERE id = {user}")
    yield
    for session, end in zip(sessions, ("COMMIT", "ROLLBACK", "COMMIT")):
        run(session, end)
        session.close()


# Redis.

@fault("redis", "Redis restarted")
def redis_restarted(world):
    world.redis_server.stop()
    yield
    world.redis_server.start()


@fault("redis", "Redis killed")
def redis_killed(world):
    world.redis_server.kill()
    yield
    world.redis_server.start()


@fault("redis", "Redis frozen")
def redis_frozen(world):
    world.redis_server.pause()
    yield
    world.redis_server.resume()


@fault("redis", "Redis put back")
def redis_put_back(world):
    dump = os.path.join(world.redis_server.folder, "dump.rdb")
    with world.client() as client:
        client.save()
    shutil.copy(dump, dump + ".old")
    yield
    world.redis_server.kill()
    os.replace(dump + ".old", dump)
    world.redis_server.start()


@fault("redis", "Redis flushed")
def redis_flushed(world):
    with world.client() as client:
        client.flushall()
    yield


@fault("redis", "Redis full")
def redis_full(world):
    """It takes no fence. A fill that begins then and ends when it takes values
    again has no protection (docs/graph.md); it ends with its connection."""
    with world.client(single_connection_client=True) as client:
        client.config_set("maxmemory", 1)
        yield
        client.client_kill_filter(_type="normal", skipme=True)
        client.config_set("maxmemory", 0)


@fault("redis", "Redis read-only")
def redis_read_only(world):
    with world.client() as client:
        client.replicaof("127.0.0.1", 1)
        yield
        client.replicaof("NO", "ONE")


@fault("redis", "Redis takes no more clients")
def redis_no_more_clients(world):
    with world.client(single_connection_client=True) as client:
        client.config_set("maxclients", 1)
        client.client_kill_filter(_type="normal", skipme=True)
        yield
        client.config_set("maxclients", 1000)


@fault("redis", "a reply flipped")
def reply_flipped(world):
    world.redis_proxy.corrupt(REPLIES)
    yield
    world.redis_proxy.pass_all()


@fault("redis", "a reply lost")
def reply_lost(world):
    world.redis_proxy.drop_reply(3)
    yield
    world.redis_proxy.pass_all()


@fault("redis", "a reply doubled")
def reply_doubled(world):
    world.redis_proxy.duplicate_reply(3)
    yield
    world.redis_proxy.pass_all()


# The ways to both.

def refuse(proxy):
    proxy.refuse()
    proxy.cut()


def end_refusal(proxy):
    proxy.accept()


def delay(proxy):
    proxy.delay_ms = 100


def end_delay(proxy):
    proxy.delay_ms = 0


def end_passing(proxy):
    """What was cut or is missing from a connection is so for ever."""
    proxy.pass_all()


WAYS = [
    ("reset", lambda proxy: proxy.cut(), end_passing),
    ("silent", lambda proxy: proxy.drop(), end_passing),
    ("silent for requests", lambda proxy: proxy.drop(REQUESTS), end_passing),
    ("silent for replies", lambda proxy: proxy.drop(REPLIES), end_passing),
    ("stalled", lambda proxy: proxy.stall(), end_passing),
    ("cut in a request", lambda proxy: proxy.cut_mid_frame(REQUESTS),
     end_passing),
    ("cut in a reply", lambda proxy: proxy.cut_mid_frame(REPLIES),
     end_passing),
    ("half closed", lambda proxy: proxy.half_close(REPLIES), end_passing),
    ("swallowing replies", lambda proxy: proxy.swallow(), end_passing),
    ("in single bytes", lambda proxy: proxy.split(), end_passing),
    ("slow", delay, end_delay),
    ("refused", refuse, end_refusal),
]


def register_way(place, kind, begin, end):
    @fault(place, f"the way to {place.capitalize()} {kind}")
    def way(world):
        proxy = getattr(world, f"{place}_proxy")
        begin(proxy)
        yield
        end(proxy)


for way in WAYS:
    register_way("postgres", *way)
    register_way("redis", *way)
