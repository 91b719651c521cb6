"""How much a database does for a piece of code, without a clock.

SQLite counts the instructions of its virtual machine, in hundreds. PostgreSQL counts the rows and index entries that
its scans fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction


def steps_of(code: Callable[[], object]) -> int:
    """Run code and return how many steps the database of the deliveries took for it."""
    return _instructions(code) if connection.vendor == "sqlite" else _fetched(code)


def _instructions(code: Callable[[], object]) -> int:
    hundreds = 0

    def count() -> int:
        nonlocal hundreds
        hundreds += 1
        return 0

    connection.ensure_connection()
    raw: Any = connection.connection
    raw.set_progress_handler(count, 100)
    try:
        code()
    finally:
        raw.set_progress_handler(None, 0)
    return hundreds * 100


def _fetched(code: Callable[[], object]) -> int:
    with transaction.atomic():  # PostgreSQL tells at once only what the present transaction did
        before = _total()
        code()
        return _total() - before


def _total() -> int:
    """Return what this transaction has read so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid)), 0) "
            "FROM pg_class WHERE relname LIKE 'signals_app_%' AND relkind IN ('r', 'i')"
        )
        return int(cursor.fetchone()[0])
