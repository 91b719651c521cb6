"""Writing from a thread beside the worker's own, which may hold a lock for as long as its receiver runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from signals_app.ledger.dialect import connection

BRIEF = 0.2  # seconds


@contextmanager
def briefly(seconds: float = BRIEF) -> Iterator[None]:
    """A transaction that waits a moment only for a lock: a receiver may hold it for long."""
    db = connection()
    if db.vendor == "sqlite":
        with db.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
    with transaction.atomic(using=db.alias):
        if db.vendor == "postgresql":
            with db.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {seconds * 1000:.0f}")
        yield
