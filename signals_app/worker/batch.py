"""What one worker holds at a moment: the delivery it runs, and those claimed along with it that wait their turn."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from signals_app import ledger
from signals_app.dispatcher import QueuedReceiver
from signals_app.dispatcher.context import CurrentDelivery
from signals_app.ledger import ClaimedDelivery


@dataclass(slots=True, kw_only=True)
class Run:
    """A receiver at work. ``since`` is a reading of the monotonic clock, ``timeout`` is in seconds."""

    claimed: ClaimedDelivery
    receiver: QueuedReceiver
    current: CurrentDelivery
    timeout: float
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.since


class ClaimedBatch:
    """Shared by the worker's main thread, which takes from it, and its heartbeat, which may give the rest back.

    The heartbeat watches over a run that begins within a ``with`` block of it; after the block the main thread alone
    decides.
    """

    def __init__(self, claimed: Sequence[ClaimedDelivery]) -> None:
        self.session = ledger.connection()  # the main thread's, in which its receivers write
        self.lock = threading.RLock()  # whoever has it decides what becomes of the run and of the rest
        self._waiting = deque(claimed)
        self.run: Run | None = None  # the receiver at work right now
        self.taken: ClaimedDelivery | None = None  # the delivery that was taken last
        self.claimed_at = time.monotonic()
        self.is_judged = False  # whether the main thread asks what its error means, and so the receiver's own backoff
        self.is_certain = True  # False once some of it may have been given back without our knowing

    def take(self) -> ClaimedDelivery | None:
        """Return the next delivery to run, or None when none is left."""
        with self.lock:
            self.taken = self._waiting.popleft() if self._waiting else None
            return self.taken

    def take_rest(self) -> list[ClaimedDelivery]:
        """Return every delivery that has not begun; they are the caller's to give back."""
        with self.lock:
            rest = list(self._waiting)
            self._waiting.clear()
        return rest

    def give_back_rest(self) -> None:
        """Give back every delivery that has not begun; where that raises they stay in the batch."""
        with self.lock:
            if self._waiting:
                self.is_certain = False
                with ledger.short_lock_timeout():  # a transaction of its own: once it ends, they are given back
                    ledger.give_back(tuple(self._waiting))
                self._waiting.clear()
                self.is_certain = True

    def begin(self, run: Run) -> None:
        """Note that a receiver is at work: its time begins now, whatever its transaction had to wait for."""
        self.is_judged = False
        run.since = time.monotonic()
        self.run = run

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        with self.lock:  # waits for the heartbeat, if that ends the run just now
            self.run = None
