"""Telling the database what it has to know, though a connection breaks, a server restarts, or a disk is full."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.db import DataError, Error, IntegrityError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from signals_app import ledger
from signals_app.logs import get_logger
from signals_app.pulse import pulse

logger = get_logger("signals_app.worker")

T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)  # what a database that is away, locked or full raises
REFUSED = (DataError, IntegrityError)  # what a value raises that no new connection will take either
FIRST_PAUSE = 0.05  # seconds before the second try; then twice as long, and so on
LONGEST_PAUSE = 2.0


class Pauses:
    """Each as long again as the one before."""

    def __init__(self) -> None:
        self.next = FIRST_PAUSE

    def take(self) -> None:
        """Sleep."""
        time.sleep(self.next)
        self.next = min(LONGEST_PAUSE, self.next * 2)


def insist(work: Callable[[], T], *, seconds: float) -> T:
    """Return what ``work`` returns; while the database fails, try again on a new connection for ``seconds``.

    An error of any class may be the session's: a receiver, a failover or a pooler may have made it read-only, or given
    it another role or search path. ``work`` has to bear being done again when it was done and its answer was lost.
    Raises the last error; the first where it is a value's, or within a transaction, which is lost.
    """
    end, pauses = time.monotonic() + seconds, Pauses()
    while True:
        try:
            return work()
        except Error as error:
            if isinstance(error, REFUSED) or time.monotonic() + pauses.next > end or not start_afresh(error):
                raise
            if pauses.next == FIRST_PAUSE:
                logger.warning("The database is asked again for up to %.0f s: %s", seconds, error)
        pauses.take()


def start_afresh(error: Error) -> bool:
    """Close this thread's connection over an error, so that the next use opens another. False within a transaction."""
    if is_refusal(error):
        pulse.refuse()
    db = ledger.connection()
    if db.in_atomic_block:
        return False
    with suppress(Error):
        db.close()
    return True


def is_refusal(error: Error) -> bool:
    """Tell whether the server turned a new connection away after it had asked for a password, whatever its language."""
    pgconn = getattr(error.__cause__, "pgconn", None)  # psycopg's, of a connection that could not be made
    return bool(pgconn and pgconn.used_password)


def _on_connection(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if connection.alias == ledger.connection().alias:
        pulse.admit()


connection_created.connect(_on_connection, dispatch_uid="signals_app.endurance")
