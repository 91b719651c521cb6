"""A worker's database connections, before and after a receiver used them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app.exceptions import TransactionLeftOpen

INTERRUPTION = 0.1  # seconds until a query of SQLite that is interrupted has ended


class Sessions:
    """Remembers which transactions were open before a receiver ran, so that it is seen what it left behind."""

    def __init__(self) -> None:
        self._open = {db.alias for db in _used() if _in_transaction(db)}

    def require_closed(self) -> None:
        """Raise TransactionLeftOpen where the receiver returned with a transaction of its own under way."""
        left = sorted(db.alias for db in self._own() if _in_transaction(db))
        if left:
            raise TransactionLeftOpen(
                f"The receiver returned with a transaction open on {', '.join(left)}; what it wrote there is undone. "
                "Use transaction.atomic() as a block, or the option atomic=True."
            )

    def mend(self) -> None:
        """Close every connection that a receiver which ended badly left in a transaction, in a query, or broken."""
        for db in self._own():
            if _in_transaction(db) or not db.is_usable():
                # close() alone would keep the mark of the transaction
                db.in_atomic_block, db.savepoint_ids = False, []
                with suppress(Error):
                    db.close()

    def _own(self) -> Iterator[BaseDatabaseWrapper]:
        return (db for db in _used() if db.alias not in self._open)


def _used() -> list[BaseDatabaseWrapper]:
    return [db for db in connections.all(initialized_only=True) if db.connection is not None]


def _in_transaction(db: BaseDatabaseWrapper) -> bool:
    return db.in_atomic_block or not db.autocommit


def stop_queries() -> None:
    """End on the server what this thread waits for there, before a timeout is raised in the midst of it.

    Whoever is left behind goes on to the end, with all its locks: a transaction block closes a connection in a query.
    """
    for db in _used():
        raw = cast(Any, db.connection)
        if db.vendor == "postgresql" and raw.info.transaction_status.name == "ACTIVE":
            with suppress(Error), db.wrap_database_errors:
                raw.cancel_safe(timeout=5)


def leave_pools() -> None:
    """Have this process, and those that it will fork, connect without a pool.

    What is in a pool when a process forks would be used by both: each would read the answers to the other's queries.
    """
    for db in connections.all(initialized_only=True):
        if db.settings_dict["OPTIONS"].get("pool"):
            db.close()
            cast(Any, db).close_pool()
    for given in connections.settings.values():
        if given["OPTIONS"].pop("pool", None):
            given |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}


def take_lock_from(db: BaseDatabaseWrapper) -> None:
    """Close the connection of another thread, where it may hold SQLite's one write lock; what it began is undone.

    Only for a process that is about to end. Closed rather than rolled back: a receiver that woke up in between would
    write without a transaction. A query that is under way is interrupted first, for closing would wait for it.
    """
    if db.vendor == "sqlite" and db.connection is not None:
        raw = cast(Any, db.connection)
        with suppress(Error), db.wrap_database_errors:
            raw.interrupt()
            time.sleep(INTERRUPTION)
            raw.close()
