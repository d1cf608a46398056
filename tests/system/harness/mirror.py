"""A cache that must not be stale, and writers that never pause for long."""

import threading
from contextlib import ExitStack, contextmanager

import psycopg2

from harness.postgres import run

ABSENT = "absent"


class Mirror:
    """Keys in Redis whose values a query gives: rows of key and value. What
    it gives no value for is cached, too, as absent."""

    def __init__(self, cache, database, sql, keys):
        self.cache = cache
        self.database = database
        self.sql = sql
        self.keys = list(keys)

    def truth(self):
        return dict(self.database.execute(self.sql))

    def fill(self):
        """Cache all keys as the database has them. Nobody may write now."""
        truth = self.truth()
        self.cache.mset({key: truth.get(key, ABSENT) for key in self.keys})

    def stale(self):
        """The keys that hold what the database does not say."""
        truth = self.truth()
        return [key for key, value in zip(self.keys,
                                          self.cache.mget(self.keys))
                if value not in (None, truth.get(key, ABSENT))]

    def gone(self):
        """The keys that Redis does not hold."""
        return {key for key, value in zip(self.keys,
                                          self.cache.mget(self.keys))
                if value is None}


class Writers:
    """Threads that write all the while, each on a connection of its own.

    statements(number) gives the SQL of a round, alternatives of which one must
    succeed while no migration is under way: a writer may meet a column or a
    table that is gone, but nothing that comes from pgripple.

    reconnect: the server may go away; a writer waits for it and goes on. What
    a session says first stands in prepare().
    """

    tolerated = (psycopg2.errors.UndefinedColumn,
                 psycopg2.errors.UndefinedTable,
                 psycopg2.errors.DatatypeMismatch,
                 # A cached plan, at the moment of a change of type.
                 psycopg2.errors.FeatureNotSupported)

    def __init__(self, database, statements, n_writers=3, reconnect=False):
        self.database = database
        self.statements = statements
        self.reconnect = reconnect
        self.gates = [threading.Lock() for _ in range(n_writers)]
        self.counts = [0] * n_writers
        self.failures = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(place,))
                        for place in range(n_writers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def prepare(self, session):
        """Run by each writer when it has connected."""

    def pause(self):
        """Between two rounds."""

    def _connect(self):
        session = self.database.server.connect(self.database.name)
        self.prepare(session)
        return session

    def _write(self, place):
        session = None
        number = place
        while not self.stopping.is_set() and not self.failures:
            number += len(self.threads)
            try:
                with self.gates[place]:
                    session = session or self._connect()
                    self._do_round(session, place, number)
            except (psycopg2.OperationalError,
                    psycopg2.InterfaceError) as error:
                if session is not None and session.closed:
                    session = None
                if not self.reconnect or session is not None:
                    self.failures.append(error)
            except psycopg2.Error as error:
                self.failures.append(error)
            self.pause()
        if session is not None:
            session.close()

    def _do_round(self, session, place, number):
        for sql in self.statements(number):
            try:
                run(session, sql)
                self.counts[place] += 1
                break
            except self.tolerated as error:
                if "pgripple" in str(error):
                    raise
                run(session, "ROLLBACK")

    @contextmanager
    def held(self):
        """Nobody writes in here."""
        with ExitStack() as stack:
            for gate in self.gates:
                stack.enter_context(gate)
            yield

    def have_written(self, n=20):
        """A condition: that each has written n times more from now on."""
        wanted = [count + n for count in self.counts]
        return lambda: self.failures or all(
            count >= least for count, least in zip(self.counts, wanted))
