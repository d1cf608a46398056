"""Reading one's own writes: waiting until they have reached Redis.

While a block is tracked, the transaction id of whatever writes in it is
noted; at its end, outside of any transaction, pgripple.applied() is asked
again and again whether all of it is done. Between two questions the session
is idle: it holds no snapshot. A transaction that was rolled back counts as
applied, so nobody has to know how it ended.

Django's save() is often a single statement in autocommit, and afterwards
nobody can tell which transaction that was: while tracked, such a statement
gets a transaction of its own.
"""

import logging
import re
import time
from contextlib import ExitStack, contextmanager
from threading import local

from django.db import Error, connections, transaction

from .conf import setting

logger = logging.getLogger("pgripple_django")

ASK_XID = "SELECT pg_current_xact_id_if_assigned()::text"
IS_APPLIED = ("SELECT bool_and(pgripple.applied(noted.xid::xid8))"
              " FROM unnest(%s::text[]) AS noted (xid)")

# Seconds between two questions: quick at first, where the answer is near.
SHORTEST_PAUSE = 0.001
LONGEST_PAUSE = 0.032

# Anywhere in the text: a CTE may write, a function may be named so.
MAY_WRITE = re.compile(
    r"\b(insert|update|delete|merge|copy|truncate|call|do)\b", re.IGNORECASE)
# At the beginning: these may run in a transaction block. CALL, DO, VACUUM and
# others may not, or end it.
CAN_BE_WRAPPED = re.compile(
    r"[\s(]*(insert|update|delete|merge|with|copy|truncate)\b", re.IGNORECASE)

state = local()             # tracker: the innermost block's
paused_until = 0.0          # monotonic; of all threads, a race does no harm


class Tracker:
    """Notes which transactions wrote on one connection."""

    def __init__(self, connection):
        self.connection = connection
        self.xids = set()
        self.present = None     # a commit hook: the open transaction is known
        self.is_asking = False

    def __call__(self, execute, sql, params, many, context):
        """An execute wrapper of Django's."""
        text = sql.decode() if isinstance(sql, bytes) else str(sql)
        if self.is_asking or not MAY_WRITE.search(text):
            return execute(sql, params, many, context)
        connection = self.connection
        if not is_idle(connection):
            result = execute(sql, params, many, context)
            self.ask()
            return result
        if not CAN_BE_WRAPPED.match(text):
            return execute(sql, params, many, context)
        with transaction.atomic(using=connection.alias):
            result = execute(sql, params, many, context)
            self.ask()
        return result

    def ask(self):
        """Note the open transaction, once. It is known as long as its commit
        hook is there, which goes with it or with the savepoint."""
        if any(hook[1] is self.present
               for hook in self.connection.run_on_commit):
            return
        self.is_asking = True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(ASK_XID)
                self.note(cursor.fetchone()[0])
        finally:
            self.is_asking = False

    def note(self, xid):
        if xid is None:
            return
        self.xids.add(xid)
        if self.connection.in_atomic_block:
            self.present = lambda: None
            self.connection.on_commit(self.present)


def note(connection, xid):
    """A function of pgripple's has told the transaction that it wrote in."""
    tracker = getattr(state, "tracker", None)
    if tracker is not None and tracker.connection is connection:
        tracker.note(xid)


@contextmanager
def wait_for_writes(timeout_ms=None):
    """Tracks what the block writes and, when it ends without an exception,
    waits at most timeout_ms (default: PGRIPPLE["wait_ms"]) until all of it
    has been applied to Redis.

        with wait_for_writes():
            with transaction.atomic():
                team.save()
        # from here on no cache holds the old team

    Yields a list that holds, afterwards, whether it was: [True], [False], or
    [] if there was nothing to wait for. Never raises an error of its own. In
    a block inside of a tracked one, or inside of a transaction, the outer one
    waits.
    """
    outcome = []
    if not setting("enabled") or getattr(state, "tracker", None) is not None:
        yield outcome
        return
    connection = connections[setting("database")]
    tracker = Tracker(connection)
    with ExitStack() as stack:
        stack.callback(setattr, state, "tracker", None)
        state.tracker = tracker
        stack.enter_context(connection.execute_wrapper(tracker))
        yield outcome
    if tracker.xids and is_idle(connection):
        outcome.append(wait(connection, sorted(tracker.xids), timeout_ms))


def is_idle(connection):
    """Whether a question would be a transaction of its own."""
    return not connection.in_atomic_block and connection.get_autocommit()


def wait(connection, xids, timeout_ms=None):
    """Waits for transactions; true if all are applied. A daemon that does not
    keep up must not hold every request up: after a wait in vain the next ones
    only look."""
    global paused_until
    if timeout_ms is None:
        timeout_ms = setting("wait_ms")
    is_paused = time.monotonic() < paused_until
    try:
        is_applied = poll(connection, xids, 0 if is_paused else timeout_ms)
    except Error as error:
        logger.warning("could not wait for writes to reach Redis: %s",
                       str(error).strip())
        connection.close_if_unusable_or_obsolete()
        is_applied = False
    if is_applied:
        paused_until = 0.0
    elif not is_paused:
        logger.warning("writes did not reach Redis in %s ms", timeout_ms)
        paused_until = time.monotonic() + setting("pause_ms") / 1000
    return is_applied


def poll(connection, xids, timeout_ms):
    deadline = time.monotonic() + timeout_ms / 1000
    pause = SHORTEST_PAUSE
    with connection.cursor() as cursor:
        while True:
            cursor.execute(IS_APPLIED, [xids])
            if cursor.fetchone()[0]:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)
