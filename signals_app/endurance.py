"""Telling the database what it has to know, though a connection breaks, a server restarts, or a disk is full."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError

from signals_app import ledger
from signals_app.logs import get_logger

logger = get_logger("signals_app.worker")

T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)  # what a database that is away, locked or full raises
FIRST_PAUSE = 0.05  # seconds before the second try; then twice as long, and so on
LONGEST_PAUSE = 2.0


def insist(work: Callable[[], T], *, seconds: float) -> T:
    """Return what ``work`` returns; as long as the database is away, try again on a new connection for ``seconds``.

    ``work`` has to bear being done again when it was done and its answer was lost. Raises the last error; within a
    transaction, which is lost, the first.
    """
    end, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            return work()
        except AWAY as error:
            if time.monotonic() + pause > end or not start_afresh():
                raise
            if pause == FIRST_PAUSE:
                logger.warning("The database is asked again for up to %.0f s: %s", seconds, error)
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)


def start_afresh() -> bool:
    """Close this thread's connection, so that the next use opens another. False within a transaction."""
    db = ledger.connection()
    if db.in_atomic_block:
        return False
    with suppress(Error):
        db.close()
    return True
