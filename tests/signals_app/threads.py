"""Code that runs beside a test, or at the same time as more of it, each on connections of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

from tests.cluster import wait_until

T = TypeVar("T")


def at_the_same_time(*codes: Callable[[], T]) -> list[T]:
    """Run code in a thread each, and return what each returned. Raises what the first of them raised."""

    def run(code: Callable[[], T]) -> T:
        try:
            return code()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(codes)) as threads:
        return list(threads.map(run, codes))


def beside(code: Callable[[], object]) -> threading.Thread:
    """Begin code in a thread."""
    thread = threading.Thread(target=at_the_same_time, args=[code])
    thread.start()
    return thread


def wait_for_a_waiting_one() -> None:
    """Wait until somebody waits for a lock of this connection; SQLite does not tell."""
    if connection.vendor == "postgresql":
        wait_until(_somebody_waits, "who waits for us", seconds=10)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")
        return cursor.fetchone() is not None
