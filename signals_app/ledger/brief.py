"""Writing from a thread beside the worker's own, which may hold a lock for as long as its receiver runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app.ledger.dialect import connection

BRIEF = 0.2  # seconds


@contextmanager
def briefly(seconds: float = BRIEF) -> Iterator[None]:
    """A transaction that waits a moment only for a lock: a receiver may hold it for long."""
    db = connection()
    with _impatient(db, seconds) if db.vendor == "sqlite" else nullcontext(), transaction.atomic(using=db.alias):
        if db.vendor == "postgresql":
            with db.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {seconds * 1000:.0f}")
        yield


@contextmanager
def _impatient(db: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Have a connection to SQLite wait no longer than that for the write lock while the block runs."""
    with db.cursor() as cursor:
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
    try:
        yield
    finally:
        with db.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
