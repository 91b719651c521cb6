"""Signs of life that the processes of a cluster leave for their supervisor, in memory that no lock guards.

A lock dies with its holder; here each value has one writer, or any writer's will do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Structure, c_bool, c_double, c_int, c_longlong
from multiprocessing.sharedctypes import RawValue
from typing import Any

SLOTS = 4096  # a worker notes its pid in the slot of that number, modulo this
NEAR = 16  # slots, or where another worker has that one, in the next of so many


class Liveness(Structure):
    """Made by ``RawValue``, it is shared by all processes forked later. Moments are of the monotonic clock, or 0."""

    _fields_ = (
        ("may_claim", c_bool),
        ("claimed_at", c_double),
        # since when no claim has succeeded, and a login was refused; 0 for not at all. These outlast a cluster
        ("_failing_since", c_double),
        ("_refused_since", c_double),
        ("_task_queued_at", c_double),
        ("task_started_at", c_double),
        ("_task_ended_at", c_double),
        ("result_recorded_at", c_double),
        ("_guarded_at", c_double),
        ("_in_guards_database", c_bool),
        ("_staff", c_int * SLOTS),
        ("_working", c_int * SLOTS),
        ("_beats_at", c_double * SLOTS),
        ("_beats_for", c_longlong * SLOTS),
    )
    may_claim: bool  # whether workers may claim more
    claimed_at: float  # when a worker's claim last succeeded
    task_started_at: float  # when a worker last took a task
    result_recorded_at: float  # when the monitor last dealt with a result
    _failing_since: float
    _refused_since: float
    _task_queued_at: float
    _task_ended_at: float
    _guarded_at: float
    _in_guards_database: bool
    _staff: Any
    _working: Any
    _beats_at: Any
    _beats_for: Any

    def __init__(self) -> None:
        super().__init__(may_claim=True)
        self._slot = os.getpid() % SLOTS  # this process's own; not shared

    def begin(self) -> None:
        """Forget an earlier cluster; a new one is about to be forked."""
        now = time.monotonic()
        self._task_queued_at = self.task_started_at = self._task_ended_at = now
        self.result_recorded_at = self._guarded_at = now
        self._in_guards_database = False
        self._staff[:] = self._working[:] = [0] * SLOTS
        self.may_claim = True

    def stop_claiming(self) -> None:
        """Have the workers stop after what they run."""
        self.may_claim = False

    def claim_succeeded(self) -> None:
        """Note, in a worker, that the database has answered a claim."""
        self.claimed_at = time.monotonic()
        self._failing_since = 0

    def claim_failed(self) -> None:
        """Note, in a worker, that a claim failed, for another reason than that the database is away."""
        self._failing_since = self._failing_since or time.monotonic()

    @property
    def failing(self) -> float:
        """For how many seconds claims have failed and none has succeeded; 0 where they do not fail."""
        return _seconds_since(self._failing_since)

    def login_refused(self) -> None:
        """Note that the database's server refused a login."""
        self._refused_since = self._refused_since or time.monotonic()

    def login_succeeded(self) -> None:
        """Note that a new connection was made."""
        self._refused_since = 0

    @property
    def refused(self) -> float:
        """For how many seconds no login has succeeded since one was refused; 0 where none was."""
        return _seconds_since(self._refused_since)

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
        self._task_queued_at = time.monotonic()

    @property
    def has_unstarted_task(self) -> bool:
        """Whether any task was queued since a worker last started one."""
        return self._task_queued_at > self.task_started_at

    def task_started(self) -> None:
        """Note, in a worker, that it has taken a task."""
        pid = os.getpid()
        self._slot = next((slot for slot in _slots(pid) if self._working[slot] in (0, pid)), pid % SLOTS)
        self._working[self._slot] = pid
        self.task_started_at = time.monotonic()

    def task_ended(self) -> None:
        """Note, in a worker, that a task has ended and its result goes out to the monitor."""
        self._task_ended_at = time.monotonic()
        self._working[self._slot] = 0

    def working(self) -> list[int]:
        """Return the pids of the workers that are at a task, or were when they died."""
        return [pid for pid in self._working if pid]

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
        self.result_recorded_at = time.monotonic()

    def has_unrecorded_result(self, *, older_than: float = 0.0) -> bool:
        """Tell whether a task ended so many seconds ago, and the monitor has not dealt with any result since."""
        ended = self._task_ended_at
        return ended > self.result_recorded_at and time.monotonic() - ended >= older_than

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Note, in the sentinel, that its guard goes round; while the block runs it may wait for the database."""
        self._in_guards_database = True
        try:
            yield
        finally:
            self._guarded_at = time.monotonic()
            self._in_guards_database = False

    @property
    def guarded_at(self) -> float | None:
        """When the guard last went round; None while it may wait for the database."""
        return None if self._in_guards_database else self._guarded_at


def _seconds_since(moment: float) -> float:
    return time.monotonic() - moment if moment else 0.0


def _slots(pid: int) -> Iterator[int]:
    """Yield the slots that a worker may have, the one of its number first."""
    return ((pid + step) % SLOTS for step in range(NEAR))


liveness = RawValue(Liveness)
