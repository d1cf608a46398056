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
    """

    tolerated = (psycopg2.errors.UndefinedColumn,
                 psycopg2.errors.UndefinedTable,
                 psycopg2.errors.DatatypeMismatch,
                 # A cached plan, at the moment of a change of type.
                 psycopg2.errors.FeatureNotSupported)

    def __init__(self, database, statements, n_writers=3):
        self.database = database
        self.statements = statements
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

    def _write(self, place):
        session = self.database.connect()
        number = place
        while not self.stopping.is_set() and not self.failures:
            number += len(self.threads)
            with self.gates[place]:
                for sql in self.statements(number):
                    try:
                        run(session, sql)
                        self.counts[place] += 1
                        break
                    except psycopg2.Error as error:
                        if (not isinstance(error, self.tolerated)
                                or "pgripple" in str(error)):
                            self.failures.append(error)
                            return

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
