"""Reconnects after failovers, and closes sessions that receivers have changed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from django.db import DataError, Error, IntegrityError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from signals_app import ledger
from signals_app.exceptions import TransactionLeftOpen
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.worker")

T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)  # what a database raises that is away, locked or full
REFUSED = (DataError, IntegrityError)  # what a value raises that a new connection would refuse as well
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries, each twice as long as the one before
KEPT = 600  # seconds, at least, for which a process of a cluster keeps a connection


def retry_while_unavailable(work: Callable[[], T], *, seconds: float) -> T:
    """Return what ``work`` returns; while the database fails, try again on a new connection for ``seconds``.

    An error of any class may be the session's: a receiver, a failover or a pooler may have made it read-only, or given
    it another role or search path. ``work`` may be repeated although it was done, where its answer was lost. Raises the
    last error; or the first, where it is a value's or came within a transaction, which is lost.
    """
    end, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            return work()
        except Error as error:
            if isinstance(error, REFUSED) or time.monotonic() + pause > end or not reconnect(error):
                raise
            if pause == FIRST_PAUSE:
                logger.warning("The database is asked again for up to %.0f s: %s", seconds, error)
        pause = sleep_for(pause)


def sleep_for(pause: float) -> float:
    """Sleep for ``pause`` seconds; return the next pause, which is twice as long up to a limit."""
    time.sleep(pause)
    return min(LONGEST_PAUSE, pause * 2)


def reconnect(error: Error) -> bool:
    """Close this thread's connection over an error, so that the next use opens another. False within a transaction."""
    if is_refusal(error):
        liveness.login_refused()
    db = ledger.connection()
    if db.in_atomic_block:
        return False
    with suppress(Error):
        db.close()
    return True


def is_refusal(error: Error) -> bool:
    """Tell whether the server refused a connection after asking for a password, whatever the language of its error."""
    pgconn = getattr(error.__cause__, "pgconn", None)  # psycopg's, of a connection that could not be made
    return bool(pgconn and pgconn.used_password)


def _on_connection(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if connection.alias == ledger.connection().alias:
        liveness.login_succeeded()


connection_created.connect(_on_connection, dispatch_uid="signals_app.connections")


# The first words of statements that leave nothing behind in their session but what their transaction decides. Asking
# the server what changed would cost each receiver 0.15 ms and more; looking at the text costs a microsecond.
_PLAIN = re.compile(
    r"(?:\s|\(|/\*(?:[^*]|\*(?!/))*\*/|--[^\n]*\n)*"
    r"(?:select|insert|update|delete|with|merge|values|begin|savepoint|release|rollback|commit|explain|show|fetch|lock)\b",
    re.IGNORECASE | re.DOTALL,
)
_PASSING = re.compile(r"\s*set\s+(?:local|transaction|constraints)\b", re.IGNORECASE)
_LASTING = ("set_config", "advisory_lock", "into temp")  # and what plain ones may do to it after all


class Sessions:
    """Remembers the connections as they were before a receiver ran, to find out what it left behind."""

    def __init__(self) -> None:
        self._all = connections.all()
        used = [db for db in self._all if db.connection is not None]
        self._open = {db.alias for db in used if _in_transaction(db)}
        # what the driver knows of a session; it shows changes that were made behind Django's back
        self._before = {db.alias: ledger.database(db).session_state(db.connection) for db in used}
        self._changed: set[str] = set()
        self._to_restore: dict[str, str] = {}
        self._watched: list[list[Any]] = []

    def watch(self, *, anew: bool) -> None:
        """Look at the receiver's statements from now on; ``anew`` where there may be other databases by now."""
        for db in connections.all() if anew else self._all:
            self._watched.append(db.execute_wrappers)
            db.execute_wrappers.append(self._look)

    def unwatch(self) -> None:
        for wrappers in self._watched:
            # not by execute_wrapper(), which removes the last one: that may belong to whoever opened the connection
            if self._look in wrappers:
                wrappers.remove(self._look)
        self._watched.clear()

    def _look(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if getattr(context["connection"], "_setting_search_path", False):
            return execute(sql, params, many, context)  # by django-tenants, anew for each cursor
        text = sql if isinstance(sql, str) else sql.as_string(None) if hasattr(sql, "as_string") else ""
        if not _PLAIN.match(text) or any(word in text.lower() for word in _LASTING):
            db = context["connection"]
            if not self._to_restore and db is ledger.connection():
                self._to_restore = ledger.database(db).local_settings(db)
            if not _PASSING.match(text):
                self._changed.add(db.alias)
        return execute(sql, params, many, context)

    def restore(self) -> None:
        """Let the ledger write in the receiver's transaction, whose role and search path may have changed."""
        if self._to_restore:
            db = ledger.connection()
            ledger.database(db).restore_local_settings(db, self._to_restore)

    def require_closed(self) -> None:
        """Close each connection whose session the receiver changed: the next receiver, and the ledger, get a new one.

        Raises TransactionLeftOpen where the receiver returned in the middle of a transaction of its own.
        """
        own = self._own()
        if left := sorted(db.alias for db in own if _in_transaction(db)):
            raise TransactionLeftOpen(
                f"The receiver returned with a transaction open on {', '.join(left)}; what it wrote there is undone. "
                "Use transaction.atomic() as a block, or the option atomic=True."
            )
        for db in own:
            if self._is_changed(db):
                _close(db)

    def mend(self) -> None:
        """Close what a receiver that failed left in a transaction, in a query, broken, or changed."""
        for db in self._own():
            if _in_transaction(db) or self._is_changed(db) or not db.is_usable():
                _close(db)

    def _is_changed(self, db: BaseDatabaseWrapper) -> bool:
        now = ledger.database(db).session_state(db.connection)
        return db.alias in self._changed or now is None or self._before.get(db.alias, now) != now

    def _own(self) -> list[BaseDatabaseWrapper]:
        return [db for db in connections.all() if db.connection is not None and db.alias not in self._open]


def _in_transaction(db: BaseDatabaseWrapper) -> bool:
    """Tell whether a transaction is open, begun by Django or, behind its back, by a statement."""
    if db.in_atomic_block or not db.autocommit:
        return True
    try:
        return ledger.database(db).in_transaction(db.connection)
    except Exception:  # one that was closed behind Django's back says nothing; session_state() tells
        return False


def _close(db: BaseDatabaseWrapper) -> None:
    db.in_atomic_block, db.savepoint_ids = False, []  # close() alone would keep the mark of the transaction
    with suppress(Error):
        db.close()


def stop_queries() -> None:
    """Cancel on the server the queries that this thread waits for, before a timeout is raised in the middle of one.

    Otherwise they go on to their end, with all their locks: a transaction block closes a connection in a query.
    """
    for db in connections.all(initialized_only=True):
        if db.connection is not None:
            ledger.database(db).cancel(db)


def keep_connections() -> None:
    """Have this process, and those that it will fork, keep a connection each, whatever the web's settings say.

    And without a pool: what is in one when a process forks would be used by both, and each would read the answers to
    the other's queries.
    """
    for db in connections.all(initialized_only=True):
        if db.settings_dict["OPTIONS"].get("pool"):
            db.close()
            cast(Any, db).close_pool()
    for given in connections.settings.values():
        given["OPTIONS"].pop("pool", None)
        if (age := given["CONN_MAX_AGE"]) is not None and age < KEPT:
            given |= {"CONN_MAX_AGE": KEPT, "CONN_HEALTH_CHECKS": True}
