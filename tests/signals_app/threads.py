"""Code that runs beside a test, or at the same time as more of it, each on connections of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

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
