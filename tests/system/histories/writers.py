"""Random transactions, and connections that run them at the same time.

What a writer runs depends on the seed alone. Statements are sent one by one, in
an order that depends on the seed too, and a writer that waits for a lock is
left behind while the others go on: so a seed gives nearly the same history each
time.
"""

import os
import select

import psycopg2
import psycopg2.extensions

from histories.domains import N_VALUES
from histories.schema import names

PATIENCE_S = 0.004      # how long a statement may take before others go on
SAVEPOINT, ROLL_BACK_TO, RELEASE = (
    "SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s")


class Statements:
    """Random statements on a schema."""

    def __init__(self, rng, schema, folder):
        self.rng = rng
        self.schema = schema
        self.folder = folder        # for COPY; the server can read it
        self.n_files = 0

    def table(self):
        return self.rng.choice(self.schema.tables)

    def target(self, table):
        """The table, or now and then one of its partitions."""
        if table.partitions and self.rng.random() < 0.3:
            return f'"{self.rng.choice(table.partitions)}"'
        return table.sql

    def existing(self, link, child_column):
        """SQL for the key of some row of the parent, spelled anew."""
        n = link.child_columns.index(child_column)
        parent = link.parent_columns[n]
        respelled = child_column.domain.respell(self.rng, parent.sql)
        salt = self.rng.randrange(N_VALUES)
        return (f"(SELECT {respelled}::{bare(child_column.type)}"
                f" FROM {link.parent.sql}"
                f" ORDER BY md5({parent.sql}::text || '{salt}') LIMIT 1)")

    def value(self, table, column):
        """SQL for a value of the column."""
        rng = self.rng
        chance = rng.random()
        if column.nullable and column.domain and chance < 0.12:
            return "NULL"
        for link in table.links:
            if column in link.child_columns and chance < 0.85:
                return self.existing(link, column)
        return column.literal(rng)

    def values(self, table, columns):
        """SQL for each of the columns, by name."""
        rng = self.rng
        values = {column.name: self.value(table, column) for column in columns}
        for link in table.links:
            if len(link.child_columns) == 2 and rng.random() < 0.85:
                self.point_to_one_row(link, values)
        return values

    def point_to_one_row(self, link, values):
        """Both columns of a composite key from one row of the parent."""
        salt = self.rng.randrange(N_VALUES)
        first, second = link.parent_columns
        for column, parent in zip(link.child_columns, link.parent_columns):
            if values.get(column.name, "NULL") != "NULL":
                values[column.name] = (
                    f"(SELECT {parent.sql} FROM {link.parent.sql} ORDER BY"
                    f" md5({first.sql}::text || {second.sql}::text"
                    f" || '{salt}') LIMIT 1)")

    def some_rows(self, table, share):
        """A condition that about this share of the rows meets."""
        rng = self.rng
        key = table.key[0]
        if share == 0:
            return f"{key.sql} = {key.literal(rng)}"
        if rng.random() < 0.2:
            return f"kind = '{rng.choice('abc')}'"
        return (f"get_byte(decode(md5({key.sql}::text || '{rng.random()}'),"
                f" 'hex'), 0) < {int(256 * share)}")

    def share(self):
        return self.rng.choice([0, 0, 0, 0.2, 0.5, 1])

    # One statement each.

    def insert(self):
        table = self.table()
        values = self.values(table, table.columns)
        conflict = self.rng.choice(
            ["", " ON CONFLICT DO NOTHING", " ON CONFLICT DO NOTHING"])
        if self.rng.random() < 0.25:
            conflict = (f" ON CONFLICT ({names(table.key)}) DO UPDATE SET"
                        " a = excluded.a, kind = excluded.kind")
        return (f"INSERT INTO {table.sql} ({names(table.columns)}) VALUES"
                f" ({', '.join(values.values())}){conflict}")

    def insert_many(self):
        table = self.table()
        rows = " UNION ALL ".join(
            "SELECT " + ", ".join(
                f"{sql}::{bare(column.type)}" for column, sql in zip(
                    table.columns,
                    self.values(table, table.columns).values()))
            for _ in range(self.rng.randint(2, 6)))
        return (f"INSERT INTO {table.sql} ({names(table.columns)}) {rows}"
                " ON CONFLICT DO NOTHING")

    def copy(self):
        table = self.table()
        columns = [c for c in table.columns if c.domain or c.name == "kind"]
        lines = ["\t".join(self.plain(c) for c in columns)
                 for _ in range(self.rng.randint(1, 2))]
        self.n_files += 1
        path = os.path.join(self.folder, f"copy{self.n_files}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        os.chmod(path, 0o644)
        return f"COPY {table.sql} ({names(columns)}) FROM '{path}'"

    def plain(self, column):
        if column.domain is None:
            return self.rng.choice(["a", "b", "\\N"])
        if column.nullable and self.rng.random() < 0.6:
            return "\\N"
        return column.domain.text(self.rng, self.rng.randrange(N_VALUES))

    def update(self):
        """Some columns that no key is made of."""
        table = self.table()
        free = [c for c in table.columns if c.domain is None]
        columns = self.rng.sample(free, self.rng.randint(1, 2))
        return self.set(table, columns)

    def set(self, table, columns):
        values = self.values(table, columns)
        return (f"UPDATE {self.target(table)} SET " + ", ".join(
            f"{c.sql} = {values[c.name]}" for c in columns)
            + f" WHERE {self.some_rows(table, self.share())}")

    def update_noise(self):
        table = self.table()
        column = self.rng.choice(["noise = noise + 1", "a = a, b = b",
                                  "noise = 5, kind = kind"])
        return f"UPDATE {table.sql} SET {column}"

    def move(self):
        """Rows to other parents, or to other codes."""
        table = self.table()
        groups = [link.child_columns for link in table.links
                  if not link.is_fixed]
        groups += [[c] for c in table.columns if c.name == "code"]
        if not groups:
            return self.update()
        return self.set(table, self.rng.choice(groups))

    def rename(self):
        """Another key for a row, or the same one spelled otherwise."""
        table = self.table()
        key = self.rng.choice(table.key)
        value = key.literal(self.rng)
        if self.rng.random() < 0.4:
            value = (f"{key.domain.respell(self.rng, key.sql)}"
                     f"::{bare(key.type)}")
        return (f"UPDATE {table.sql} SET {key.sql} = {value} WHERE"
                f" {self.some_rows(table, 0)}")

    def swap(self):
        """Two codes change places in one statement."""
        coded = [table for table in self.schema.tables if table.has_code]
        if not coded:
            return self.move()
        table = self.rng.choice(coded)
        one, other = (table.column("code").literal(self.rng) for _ in "12")
        return (f"UPDATE {table.sql} SET code = CASE WHEN code = {one}"
                f" THEN {other} ELSE {one} END WHERE code IN ({one}, {other})")

    def delete(self):
        table = self.table()
        share = self.rng.choice([0, 0, 0, 0.1])
        return (f"DELETE FROM {self.target(table)} WHERE"
                f" {self.some_rows(table, share)}")

    def delete_and_insert(self):
        """Two tables, or one key twice, in one statement."""
        table = self.table()
        return (f"WITH gone AS (DELETE FROM {table.sql} WHERE"
                f" {self.some_rows(table, 0)} RETURNING 1) "
                + self.insert())

    def merge(self):
        table = self.table()
        key = table.key[0]
        return (f"MERGE INTO {table.sql} AS t USING (SELECT"
                f" {key.literal(self.rng)} AS k) AS s ON t.{key.sql} = s.k"
                " WHEN MATCHED AND t.kind = 'a' THEN DELETE"
                " WHEN MATCHED THEN UPDATE SET kind = 'a', b = 7")

    def truncate(self):
        return f"TRUNCATE {self.table().sql} CASCADE"

    def any(self):
        kinds = {self.insert: 5, self.insert_many: 2, self.copy: 1,
                 self.update: 6, self.update_noise: 1, self.move: 7,
                 self.rename: 3, self.swap: 1, self.delete: 3,
                 self.delete_and_insert: 1, self.merge: 1}
        if self.rng.random() < 0.008:
            return self.truncate()
        make, = self.rng.choices(list(kinds), list(kinds.values()))
        return make()

    def transaction(self):
        """Statements, with savepoints; the last one ends it."""
        rng = self.rng
        if rng.random() < 0.25:
            return [self.any()]
        script = ["BEGIN" + rng.choice(
            ["", "", "", " ISOLATION LEVEL REPEATABLE READ"])]
        if rng.random() < 0.05:     # no foreign key is looked at
            script.append("SET LOCAL session_replication_role = replica")
        has_savepoint = False
        for _ in range(rng.randint(1, 5)):
            if rng.random() < 0.3:
                script.append(rng.choice([ROLL_BACK_TO, RELEASE])
                              if has_savepoint else SAVEPOINT)
                has_savepoint = script[-1] != RELEASE
            script.append(self.any())
        return script + ["ROLLBACK" if rng.random() < 0.15 else "COMMIT"]

    def fill_up(self):
        """Statements that leave some rows in every table."""
        return [f"INSERT INTO {table.sql} ({names(table.columns)}) VALUES"
                f" ({', '.join(self.values(table, table.columns).values())})"
                " ON CONFLICT DO NOTHING"
                for _ in range(8) for table in self.schema.tables]


def bare(type_name):
    """A type as a cast has it."""
    return type_name.replace(" COLLATE ci", "")


# What values must not depend on.
SESSIONS = [
    "SET timezone = 'Asia/Kathmandu'; SET datestyle = 'German'",
    "SET intervalstyle = 'iso_8601'; SET extra_float_digits = -5",
    "SET timezone = 'America/St_Johns'; SET search_path = public, pg_catalog",
    "SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'",
]


class Writer:
    """A connection that runs a script without being waited for."""

    def __init__(self, conninfo, session):
        self.connection = psycopg2.connect(conninfo, async_=1)
        self.wait(10)
        self.cursor = self.connection.cursor()
        self.script = []
        self.is_busy = False
        self.log = []
        self.send(f"SET deadlock_timeout = '20ms'; SET jit = off; {session}")
        assert self.wait(10), "SET waits"

    def wait(self, timeout):
        """False if the statement is under way still; raises what it did."""
        while True:
            state = self.connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                self.is_busy = False
                return True
            reading = state == psycopg2.extensions.POLL_READ
            fds = [self.connection.fileno()]
            ready = select.select(fds if reading else [],
                                  [] if reading else fds, [], timeout)
            if not any(ready):
                return False

    def send(self, sql):
        self.is_busy = True
        self.cursor.execute(sql)

    def step(self, timeout=PATIENCE_S):
        """Go on with the script, for a moment."""
        if not self.is_busy:
            sql = self.script.pop(0)
            self.log.append(sql)
            self.send(sql)
        try:
            self.wait(timeout)
        except psycopg2.Error as error:
            self.is_busy = False
            self.recover(error)

    def recover(self, error):
        """Leave the transaction, or go back to its savepoint."""
        if isinstance(error, (psycopg2.ProgrammingError,
                              psycopg2.InternalError)) \
                and not isinstance(error, psycopg2.errors.CardinalityViolation):
            raise AssertionError(f"{self.log[-1]}: {error}")
        self.log.append(f"-- {str(error).splitlines()[0]}")
        status = self.connection.info.transaction_status
        if status != psycopg2.extensions.TRANSACTION_STATUS_INERROR:
            return
        if ROLL_BACK_TO in self.script and self.savepoint_is_open():
            while self.script[0] != ROLL_BACK_TO:
                self.script.pop(0)
            return
        while self.script and self.script[0] not in ("COMMIT", "ROLLBACK"):
            self.script.pop(0)

    def savepoint_is_open(self):
        """Whether the script, as far as it was run, has a savepoint now, and
        goes on in the same transaction."""
        for sql in reversed(self.log):
            if sql.startswith("BEGIN") or sql == RELEASE:
                return False
            if sql == SAVEPOINT:
                break
        else:
            return False
        ahead = self.script[:self.script.index(ROLL_BACK_TO)]
        return not any(sql in ("COMMIT", "ROLLBACK", SAVEPOINT)
                       or sql.startswith("BEGIN") for sql in ahead)

    @property
    def has_ended(self):
        return not self.is_busy and not self.script

    def close(self):
        self.connection.close()


def run_together(rng, writers, disturb=None):
    """Run all scripts to their end; disturb() is called at some step."""
    n_steps = sum(len(writer.script) for writer in writers)
    disturb_at = rng.randrange(n_steps + 1)
    n = 0
    while not all(writer.has_ended for writer in writers):
        left = [writer for writer in writers if not writer.has_ended]
        free = [writer for writer in left if not writer.is_busy]
        for writer in left:
            if writer.is_busy:
                writer.step(0 if free else PATIENCE_S)
        if free:
            rng.choice(free).step()
            n += 1
            if n == disturb_at and disturb is not None:
                disturb()
