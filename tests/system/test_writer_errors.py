"""What a writer can meet in the trigger: the server's own limits, as the table
in docs/operations.md lists them, and what ends it."""

import itertools
import os
import shutil
import subprocess
import threading

import psycopg2
import pytest

from harness.flow import install, wait_quiet, warm
from harness.outbox import take, take_one, watch
from harness.postgres import Postgres, run
from harness.wait import wait_until

pytestmark = pytest.mark.once

GRAPH = """\
models:
  item:
    table: item
    invalidate: ["item:{id}"]
"""

database_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    """A server with a small table of locks and a standby that never comes."""
    made = Postgres(fsync="off", autovacuum="off", max_connections=20,
                    max_locks_per_transaction=20, max_wal_senders=1,
                    max_worker_processes=0, synchronous_commit="local",
                    synchronous_standby_names="nobody", shared_buffers="16MB")
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture
def items(server):
    """A watched table, and one that is not."""
    # A session of the test before may still give back its locks.
    wait_until(server.is_up, what="room for a session")
    database = server.create_database(f"errors{next(database_numbers)}")
    database.install()
    database.execute("CREATE TABLE item (id int PRIMARY KEY, name text);"
                     "INSERT INTO item VALUES (1, 'a'), (2, 'b');"
                     "CREATE TABLE free AS SELECT * FROM item")
    watch(database, "item", "id", "name")
    yield database
    database.drop()


def fails_with(session, state, sql):
    with pytest.raises(psycopg2.Error) as failed:
        run(session, sql)
    assert failed.value.pgcode == state, failed.value
    session.rollback()
    return failed.value


UPDATE = "UPDATE {} SET name = name || 'x' WHERE id = 1"


# ---- a full disk ----

@pytest.fixture
def small_disk(server):
    """The folder of a file system of 16 MB."""
    folder = os.path.join(server.folder, "small")
    os.mkdir(folder)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder],
        stderr=subprocess.PIPE, text=True, check=False)
    if mounted.returncode != 0:
        os.rmdir(folder)
        pytest.skip(f"cannot mount a file system: {mounted.stderr.strip()}")
    shutil.chown(folder, server.user)
    yield folder
    subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)


@pytest.fixture
def small_outbox(items, small_disk):
    """The watched table, with the outbox on that disk."""
    items.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    items.execute("ALTER TABLE pgripple.outbox SET TABLESPACE small;"
                  "ALTER INDEX pgripple.outbox_pkey SET TABLESPACE small")
    yield items
    items.execute("ALTER TABLE pgripple.outbox SET TABLESPACE pg_default;"
                  "ALTER INDEX pgripple.outbox_pkey SET TABLESPACE pg_default")
    items.execute("DROP TABLESPACE small")


def fill(disk):
    """Use up all that is left; returns the file that does."""
    path = os.path.join(disk, "filler")
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


INSERT = "INSERT INTO item SELECT i, repeat('x', 900) " \
         "FROM generate_series({0}, {0} + 199) AS i"


def test_a_full_disk_fails_writers_until_capture_is_disabled(
        small_outbox, small_disk, cache, redis_server, make_config,
        make_daemon):
    database = small_outbox
    config = make_config(database.conninfo(), redis_server.url, GRAPH)
    install(config)
    daemon = make_daemon(config)
    wait_quiet(database)
    daemon.stop()
    filler = fill(small_disk)
    writer = database.connect(autocommit=False)
    error = fails_with(writer, "53100", ";".join(
        INSERT.format(n) for n in range(1000, 9000, 200)))
    assert "could not extend file" in str(error)
    run(writer, UPDATE.format("free"))      # nobody else is hurt
    writer.commit()
    assert database.value("SELECT pgripple.disable()") is True
    run(writer, ";".join(INSERT.format(n) for n in range(1000, 9000, 200)))
    writer.commit()
    warm(cache, "item:1000")
    os.remove(filler)
    daemon.start()
    assert database.value("SELECT pgripple.enable()") is True
    wait_until(lambda: not cache.exists("item:1000"), 30, "the whole model")
    wait_quiet(database)
    run(writer, UPDATE.format("item"))
    writer.commit()
    wait_quiet(database)


def test_a_daemon_empties_an_outbox_whose_disk_is_full(
        small_outbox, small_disk, cache, redis_server, make_config,
        make_daemon):
    database = small_outbox
    config = make_config(database.conninfo(), redis_server.url, GRAPH)
    install(config)
    warm(cache, "item:1", "item:1000", "item:2")
    database.execute(UPDATE.format("item") + ";" + INSERT.format(1000))
    filler = fill(small_disk)
    make_daemon(config)
    wait_quiet(database)
    assert not cache.exists("item:1", "item:1000")
    assert cache.exists("item:2")
    os.remove(filler)
    database.execute(UPDATE.format("item"))
    wait_quiet(database)


# ---- the table of locks ----

@pytest.mark.parametrize("mode", ["adaptive", "never"])
def test_a_full_table_of_locks_fails_those_who_need_one_more(items, mode):
    """Every transaction that writes takes one lock of this table, one that is
    captured takes the doorbell's as well."""
    items.execute(f"SELECT pgripple.notify_mode('{mode}')")
    writer = items.connect()
    # Whatever else they lock once is known and cached.
    run(writer, UPDATE.format("item") + ";" + UPDATE.format("free"))
    take(items)
    hog = items.connect()
    hog_pid = hog.info.backend_pid
    held = 0
    while has_room(hog, f"SELECT pg_advisory_lock({held})"):
        held += 1
    assert held > 100
    while not has_room(writer, UPDATE.format("free")):
        held -= 1
        run(hog, f"SELECT pg_advisory_unlock({held})")
    assert has_room(writer, UPDATE.format("item")) == (mode == "never")
    hog.close()
    wait_until(lambda: has_room(writer, UPDATE.format("item")), 30, "room")
    # It gives them back one by one; the next to connect needs many.
    wait_until(lambda: has_ended(writer, hog_pid), 30, "the end of the hog")
    assert len(take(items)) == (2 if mode == "never" else 1)


def has_ended(session, pid):
    try:
        return not run(session, "SELECT FROM pg_stat_activity WHERE pid = %s",
                       pid)
    except psycopg2.errors.OutOfMemory:
        return False


def has_room(session, sql):
    """Run it: false if it failed because of a full table of locks."""
    try:
        run(session, sql)
        return True
    except psycopg2.errors.OutOfMemory as error:
        assert error.pgcode == "53200"
        return False


# ---- an output function that fails ----

OUTPUT = """
CREATE FUNCTION {0}_in(cstring) RETURNS {0}
    LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION {0}_out({0}) RETURNS cstring
    LANGUAGE internal IMMUTABLE STRICT AS '{1}';
CREATE TYPE {0} (INPUT = {0}_in, OUTPUT = {0}_out, LIKE = text)"""


def test_an_output_function_that_fails_fails_the_writer(items):
    """The value's text cannot be known. A column that is not captured does not
    matter."""
    items.execute("SET client_min_messages = error; CREATE TYPE odd;"
                  + OUTPUT.format("odd", "pg_node_tree_in")
                  + "; CREATE TABLE strange (id int PRIMARY KEY, v odd)")
    watch(items, "strange", "id")
    items.execute("INSERT INTO strange VALUES (1, 'a')")
    assert take_one(items)["new"] == [{"id": "1"}]
    watch(items, "strange", "id", "v")
    writer = items.connect()
    error = fails_with(writer, "0A000", "INSERT INTO strange VALUES (2, 'b')")
    assert "cannot accept a value of type pg_node_tree" in str(error)
    watch(items, "strange", "id")
    run(writer, "INSERT INTO strange VALUES (2, 'b')")
    assert take(items)[-1]["new"] == [{"id": "2"}]


# ---- temporary files ----

def test_old_and_new_rows_count_as_temporary_files(items):
    items.execute("INSERT INTO item SELECT i, repeat('x', 500) "
                  "FROM generate_series(3, 10000) i;"
                  "INSERT INTO free SELECT * FROM item; "
                  "DELETE FROM pgripple.outbox")
    writer = items.connect()
    run(writer, "SET temp_file_limit = '1MB'; SET work_mem = '64kB'")
    run(writer, "UPDATE free SET name = name || 'x'")
    error = fails_with(writer, "53400", "UPDATE item SET name = name || 'x'")
    assert "temporary file size exceeds temp_file_limit" in str(error)
    run(writer, UPDATE.format("item"))
    assert take_one(items)["op"] == "update"


# ---- time ----

def test_a_timeout_counts_the_trigger_as_well(items):
    """A writer that waits in its trigger is cancelled like any other."""
    blocker = items.connect(autocommit=False)
    run(blocker, "LOCK TABLE pgripple.outbox IN SHARE MODE")
    writer = items.connect()
    run(writer, "SET statement_timeout = '100ms'")
    fails_with(writer, "57014", UPDATE.format("item"))
    run(writer, "SET statement_timeout = 0; SET lock_timeout = '100ms'")
    fails_with(writer, "55P03", UPDATE.format("item"))
    run(writer, UPDATE.format("free"))
    blocker.rollback()
    run(writer, UPDATE.format("item"))
    assert take_one(items)["op"] == "update"


@pytest.mark.parametrize("mode", ["always", "adaptive", "never"])
def test_a_commit_that_rings_waits_for_another(items, mode):
    """The first one waits for a standby, and keeps the lock that NOTIFY takes
    for so long. In adaptive mode nobody rings, for nobody sleeps."""
    items.execute(f"SELECT pgripple.notify_mode('{mode}')")
    first, second = (items.connect(autocommit=False) for _ in range(2))
    run(first, "SET synchronous_commit = on; " + UPDATE.format("item"))
    run(second, "SET lock_timeout = '200ms'")
    second.commit()
    commit = threading.Thread(target=first.commit)
    commit.start()
    try:
        wait_until(lambda: items.value(
            "SELECT wait_event FROM pg_stat_activity WHERE pid = %s",
            first.info.backend_pid) == "SyncRep", 30, "a commit that waits")
        run(second, "UPDATE item SET name = 'y' WHERE id = 2")
        if mode == "always":
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                second.commit()
        else:
            second.commit()
    finally:
        items.execute("SELECT pg_cancel_backend(%s)", first.info.backend_pid)
        commit.join()
    assert len(take(items)) == (1 if mode == "always" else 2)


# ---- SERIALIZABLE ----

def serializable(database):
    session = database.connect(autocommit=False)
    run(session, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    return session


@pytest.mark.parametrize("limit", [1000000, 1])
def test_serializable_writers_of_different_rows(items, limit):
    """Up to the limit of the outbox capture adds no conflict; past it those
    who look for the same mark may get one, and succeed when they try again."""
    items.execute(f"SELECT pgripple.outbox_limit({limit});"
                  "UPDATE item SET name = 'x'; UPDATE item SET name = 'y'")
    n_refused = 0
    for number in range(10, 30, 2):
        writers = [serializable(items), serializable(items)]
        for place, writer in enumerate(writers):
            run(writer, f"INSERT INTO item VALUES ({number + place})")
        for place, writer in enumerate(writers):
            try:
                writer.commit()
            except psycopg2.errors.SerializationFailure:
                n_refused += 1
                run(writer, f"INSERT INTO item VALUES ({number + place})")
                writer.commit()
            writer.close()
    assert n_refused == 0 or limit == 1
    assert items.value("SELECT count(*) FROM item") == 22
    changes = take(items)
    if limit == 1:
        assert any(change.get("whole") == "outbox limit" for change in changes)
    else:
        assert len(changes) == 22
