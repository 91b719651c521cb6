"""Signs of life that the processes of a cluster leave for their supervisor, in memory that no lock guards.

A lock dies with its holder; here each value has one writer, or any writer's will do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray, RawValue

SLOTS = 4096  # a worker notes its pid in the slot of that number, modulo this
NEAR = 16  # slots, or where another worker has that one, in the next of so many


class Liveness:
    """Shared by all processes that are forked after it was made. Moments are readings of the monotonic clock."""

    def __init__(self) -> None:
        self._may_claim = RawValue("b", 1)
        self._claimed_at = RawValue("d", 0)
        # since when no claim has succeeded, and a login was refused; 0 for not at all. These outlast a cluster
        self._failing_since = RawValue("d", 0)
        self._refused_since = RawValue("d", 0)
        self._given_at = RawValue("d", 0)
        self._taken_at = RawValue("d", 0)
        self._ended_at = RawValue("d", 0)
        self._recorded_at = RawValue("d", 0)
        self._guarded_at = RawValue("d", 0)
        self._in_guards_database = RawValue("b", 0)
        self._staff = RawArray("i", SLOTS)
        self._working = RawArray("i", SLOTS)
        self._beats_at = RawArray("d", SLOTS)
        self._beats_for = RawArray("q", SLOTS)
        self._slot = os.getpid() % SLOTS  # this process's own

    def begin(self) -> None:
        """Forget an earlier cluster; a new one is about to be forked."""
        now = time.monotonic()
        for moment in (self._given_at, self._taken_at, self._ended_at, self._recorded_at, self._guarded_at):
            moment.value = now
        self._in_guards_database.value = 0
        self._staff[:] = self._working[:] = [0] * SLOTS
        self._may_claim.value = 1

    @property
    def may_claim(self) -> bool:
        """Whether workers may claim more."""
        return bool(self._may_claim.value)

    def stop_claiming(self) -> None:
        """Have the workers stop after what they run."""
        self._may_claim.value = 0

    def claim_succeeded(self) -> None:
        """Note, in a worker, that the database has answered a claim."""
        self._claimed_at.value = time.monotonic()
        self._failing_since.value = 0

    def claim_failed(self) -> None:
        """Note, in a worker, that a claim failed, for another reason than that the database is away."""
        self._failing_since.value = self._failing_since.value or time.monotonic()

    @property
    def claimed_at(self) -> float:
        """When a worker's claim last succeeded."""
        return float(self._claimed_at.value)

    @property
    def failing(self) -> float:
        """For how many seconds claims have failed and none has succeeded; 0 where they do not fail."""
        return _seconds_since(self._failing_since.value)

    def login_refused(self) -> None:
        """Note that the database's server refused a login."""
        self._refused_since.value = self._refused_since.value or time.monotonic()

    def login_succeeded(self) -> None:
        """Note that a new connection was made."""
        self._refused_since.value = 0

    @property
    def refused(self) -> float:
        """For how many seconds no login has succeeded since one was refused; 0 where none was."""
        return _seconds_since(self._refused_since.value)

    def join(self) -> None:
        """Note, in a new process of the sentinel's, that it lives: it is missed if it goes without ``leave()``."""
        pid = os.getpid()
        self._staff[next((slot for slot in _slots(pid) if not self._staff[slot]), pid % SLOTS)] = pid

    def leave(self, pid: int) -> None:
        """Note that a process has ended as it should, or that its death has been noticed."""
        for slot in _slots(pid):
            if self._staff[slot] == pid:
                self._staff[slot] = 0

    def staff(self) -> list[int]:
        """Return the pids of the processes that live, or died since."""
        return [pid for pid in self._staff if pid]

    def task_queued(self) -> None:
        """Note, in the pusher, that a task goes out to the workers."""
        self._given_at.value = time.monotonic()

    def task_started(self) -> None:
        """Note, in a worker, that it has taken a task."""
        pid = os.getpid()
        self._slot = next((slot for slot in _slots(pid) if self._working[slot] in (0, pid)), pid % SLOTS)
        self._working[self._slot] = pid
        self._taken_at.value = time.monotonic()

    def task_ended(self) -> None:
        """Note, in a worker, that a task has ended and its result goes out to the monitor."""
        self._ended_at.value = time.monotonic()
        self._working[self._slot] = 0

    def beat(self, delivery: int) -> None:
        """Note, in a worker's heartbeat, that the worker is at a delivery, and neither stopped nor stuck."""
        self._beats_for[self._slot] = delivery
        self._beats_at[self._slot] = time.monotonic()

    def beats_for(self, pid: int, *, within: float) -> int | None:
        """Return the delivery that a worker is at, if its heartbeat has beaten in the last so many seconds."""
        slot = next((slot for slot in _slots(pid) if self._working[slot] == pid), None)
        if slot is None or time.monotonic() - self._beats_at[slot] >= within:
            return None
        return int(self._beats_for[slot])

    def result_recorded(self) -> None:
        """Note, in the monitor, that a result has been dealt with."""
        self._recorded_at.value = time.monotonic()

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Note, in the sentinel, that its guard goes round; while the block runs it may wait for the database."""
        self._in_guards_database.value = 1
        try:
            yield
        finally:
            self._guarded_at.value = time.monotonic()
            self._in_guards_database.value = 0

    @property
    def taken_at(self) -> float:
        """When a worker last took a task."""
        return float(self._taken_at.value)

    @property
    def waits_for_worker(self) -> bool:
        """Whether anything was given out since a worker last took a task."""
        return bool(self._given_at.value > self._taken_at.value)

    @property
    def recorded_at(self) -> float:
        """When the monitor last dealt with a result."""
        return float(self._recorded_at.value)

    @property
    def waits_for_monitor(self) -> bool:
        """Whether any task has ended since the monitor last dealt with a result."""
        return bool(self._ended_at.value > self._recorded_at.value)

    def monitor_owes(self, seconds: float) -> bool:
        """Whether a task ended that long ago, and the monitor has not dealt with any result since."""
        return self.waits_for_monitor and time.monotonic() - self._ended_at.value > seconds

    @property
    def guarded_at(self) -> float | None:
        """When the guard last went round; None while it may wait for the database."""
        return None if self._in_guards_database.value else float(self._guarded_at.value)

    def working(self) -> list[int]:
        """Return the pids of the workers that are at a task, or were when they died."""
        return [pid for pid in self._working if pid]


def _seconds_since(moment: float) -> float:
    return time.monotonic() - moment if moment else 0.0


def _slots(pid: int) -> Iterator[int]:
    """Yield the slots that a worker may have, the one of its number first."""
    return ((pid + step) % SLOTS for step in range(NEAR))


liveness = Liveness()
