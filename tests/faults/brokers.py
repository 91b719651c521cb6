"""Brokers that say how many hints they give, and whose hints go astray."""

from __future__ import annotations

import random

from signals_app.cluster.broker import DeliveryBroker
from signals_app.cluster.workarounds import Package


class CountedHints(DeliveryBroker):
    """Says how many hints and tasks it gives."""

    def dequeue(self) -> list[Package] | None:
        if given := super().dequeue():
            print(f"gave {len(given)} hints", flush=True)
        return given


class StrayingHints(DeliveryBroker):
    """Doubles every package, holds some back for a later answer, and shuffles what it gives; says how many it gave."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key)
        self._held: list[Package] = []
        self._chance = random.Random(17)

    def dequeue(self) -> list[Package] | None:
        """Answer with twice the hints, some of them those of an earlier answer."""
        packages = self._held + (super().dequeue() or []) * 2
        self._chance.shuffle(packages)
        kept = self._chance.randint(0, len(packages))
        self._held, given = packages[kept:], packages[:kept]
        if given:
            print(f"gave {len(given)} hints", flush=True)
        return given or None
