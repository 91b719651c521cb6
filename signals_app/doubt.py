"""What a worker process may hold in the database without knowing it, and how it is given back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from django.db import Error

from signals_app import ledger
from signals_app.endurance import start_afresh
from signals_app.ledger import ClaimedDelivery
from signals_app.logs import get_logger

logger = get_logger("signals_app.worker")


class Doubt:
    """Opened when the database failed over a claim or a return: a claim may stand although its answer was lost.

    Without it such deliveries would wait for the end of their lease, and be charged an attempt that never began.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._begun: deque[tuple[int, int]] = deque(maxlen=100)  # ids and tokens

    def note_begun(self, claimed: ClaimedDelivery) -> None:
        """Keep what was begun and could not be recorded from being given back: it ran, and its lease decides."""
        self._begun.append((claimed.id, claimed.token))

    def settle(self, queue: str, *, owner: str) -> None:
        """Give back whatever this process holds and has not begun. Call it when it should hold nothing."""
        if self.is_open:
            count = ledger.give_back_unbegun(queue, owner=owner, begun=self._begun)
            self.is_open = False
            if count:
                logger.warning("%d deliveries that were claimed and had not begun are given back.", count)

    def give_back(self, claimed: Sequence[ClaimedDelivery]) -> None:
        """Give back what has not begun; where the database does not take it, it is for the next ``settle()``."""
        try:
            ledger.give_back(claimed)
        except Error as error:
            logger.warning("%d deliveries cannot be given back yet: %s", len(claimed), error)
            self.is_open = True
            start_afresh(error)
