"""Many sends: one by one, in one transaction, and in bulk()."""

import time
from typing import Any

from django.db import transaction

from signals_app.dispatcher import bulk
from tests.bench.work import placed


def send_many(count: int) -> dict[str, Any]:
    """Time so many sends in each way and return the seconds that one takes, its part of the commit included."""
    began = time.perf_counter()
    _send(count)
    alone = time.perf_counter()
    with transaction.atomic():
        _send(count)
    together = time.perf_counter()
    with bulk():
        _send(count)
    ends = (began, alone, together, time.perf_counter())
    ways = ("committed one by one", "in one transaction", "in bulk()")
    return {way: (ends[place + 1] - ends[place]) / count for place, way in enumerate(ways)}


def _send(count: int) -> None:
    for number in range(count):
        placed.send(sender=None, number=number, label="bench")
