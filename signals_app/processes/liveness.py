"""Signs of life that the processes of a cluster leave for their supervisor, in shared memory without locks.

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

from signals_app.processes.identity import group_of

SLOTS = 4096  # a worker notes its pid in the slot of that number, modulo this
WATCH_LIFE = 2.0  # seconds after which a watcher that gave no sign is taken to be stopped
NEAR = 16  # where another worker has that one, the next of so many is used


class Liveness(Structure):
    """Made by ``RawValue``, it is shared by all processes forked later. Moments are of the monotonic clock, or 0.

    The pusher notes ``task_queued()``, a worker ``task_started()``, ``task_ended()`` and how its claims fare, the
    monitor ``result_recorded()``, and every process how its logins fare.
    """

    _fields_ = (
        ("may_claim", c_bool),  # whether workers may claim more; False has them stop after what they run
        ("claimed_at", c_double),  # when a worker's claim last succeeded
        # when claims began to fail, and logins to be refused; 0 where they do not. These outlast a cluster
        ("_failing_since", c_double),
        ("_refused_since", c_double),
        ("_task_queued_at", c_double),
        ("task_started_at", c_double),  # when a worker last took a task
        ("_task_ended_at", c_double),
        ("result_recorded_at", c_double),  # when the monitor last dealt with a result
        ("_guarded_at", c_double),
        ("_in_guards_database", c_bool),
        ("_watcher", c_int),  # the pid of the worker that waits for work by itself; 0 for none
        ("_watched_at", c_double),  # when it last gave a sign
        ("_watch_ends_at", c_double),
        ("_staff", c_int * SLOTS),
        ("_working", c_int * SLOTS),
        ("_beats_at", c_double * SLOTS),
        ("_beats_for", c_longlong * SLOTS),
        # what each worker runs, and whose word it is: it tells what a dead one ran, even of an earlier cluster
        ("_runs", c_longlong * SLOTS),
        ("_runners", c_int * SLOTS),
    )
    may_claim: bool
    claimed_at: float
    _failing_since: float
    _refused_since: float
    task_started_at: float
    result_recorded_at: float

    def __init__(self) -> None:
        super().__init__(may_claim=True)
        self._slot = os.getpid() % SLOTS  # this process's own; not shared
        self.alarm: tuple[int, ...] = ()  # a pipe: what can be read, for good, when the cluster is to stop, and its end

    def begin(self) -> None:
        """Forget an earlier cluster; a new one is about to be forked."""
        now = time.monotonic()
        self._task_queued_at = self.task_started_at = self._task_ended_at = now
        self.result_recorded_at = self._guarded_at = now
        self._in_guards_database = False
        self._watcher = 0
        self._staff[:] = self._working[:] = [0] * SLOTS
        self.may_claim = True

    def arm(self) -> None:
        """Open the alarm, of a cluster that is about to be forked: without one nobody goes on watch."""
        for descriptor in self.alarm:
            os.close(descriptor)
        self.alarm = os.pipe()

    def stop_claiming(self) -> None:
        """Have workers claim no more, and wake those that wait for work."""
        self.may_claim = False
        if self.alarm:
            os.write(self.alarm[1], b"!")

    def claim_succeeded(self) -> None:
        self.claimed_at = time.monotonic()
        self._failing_since = 0

    def claim_failed(self) -> None:
        """Note that a claim failed for another reason than that the database is away."""
        self._failing_since = self._failing_since or time.monotonic()

    @property
    def failing(self) -> float:
        """Seconds since a claim failed, if none has succeeded after it; else 0."""
        return _seconds_since(self._failing_since)

    def login_refused(self) -> None:
        self._refused_since = self._refused_since or time.monotonic()

    def login_succeeded(self) -> None:
        self._refused_since = 0

    @property
    def refused(self) -> float:
        """Seconds since a login was refused, if none has succeeded after it; else 0."""
        return _seconds_since(self._refused_since)

    def join(self) -> None:
        """Note that this new process of the sentinel's lives: it is missed if it goes without ``leave()``."""
        pid = os.getpid()
        self._staff[_slot(self._staff, pid, 0)] = pid

    def leave(self, pid: int) -> None:
        """Note that a process has ended as it should, or that its death has been noticed."""
        slot = _slot(self._staff, pid, pid)
        if self._staff[slot] == pid:
            self._staff[slot] = 0

    def staff(self) -> list[int]:
        """Return the pids of the processes that live, or died since."""
        return [*filter(None, self._staff[:])]

    def task_queued(self) -> None:
        self._task_queued_at = time.monotonic()

    @property
    def has_unstarted_task(self) -> bool:
        """Whether any task was queued since a worker last started one."""
        return bool(self._task_queued_at > self.task_started_at)

    def task_started(self) -> None:
        pid = os.getpid()
        self._slot = _slot(self._working, pid, 0, pid)
        self._working[self._slot] = pid
        self.task_started_at = time.monotonic()

    def task_ended(self) -> None:
        self._task_ended_at = time.monotonic()
        self._working[self._slot] = 0

    def working(self) -> list[int]:
        """Return the pids of the workers that have a task, or had one when they died."""
        return [*filter(None, self._working[:])]

    def count_busy(self) -> int:
        """Return how many living workers have a task."""
        return sum(group_of(pid) is not None for pid in self.working())

    def beat(self, delivery: int) -> None:
        """Note, in a worker's heartbeat, which delivery the worker runs, and that it is neither stopped nor stuck."""
        self._beats_for[self._slot] = delivery
        self._beats_at[self._slot] = time.monotonic()

    def beats_for(self, pid: int, *, within: float) -> int | None:
        """Return the delivery that a worker runs, if its heartbeat was seen in the last ``within`` seconds."""
        slot = _slot(self._working, pid, pid)
        if self._working[slot] != pid or time.monotonic() - self._beats_at[slot] >= within:
            return None
        return int(self._beats_for[slot])

    def run(self, delivery: int) -> None:
        """Note, in a worker, which delivery it begins to run; 0 where that ended well and is not recorded yet."""
        self._runs[self._slot] = delivery
        self._runners[self._slot] = os.getpid()

    def run_of(self, pid: int) -> int:
        """Return the delivery that a worker, living or dead, began last; 0 for none, or where that is not known."""
        slot = _slot(self._runners, pid, pid)
        return int(self._runs[slot]) if self._runners[slot] == pid else 0

    @property
    def watcher(self) -> int:
        """The pid of the worker on watch; 0 where there is none, or it has died or stands still."""
        pid: int = self._watcher
        if pid and (time.monotonic() - self._watched_at > WATCH_LIFE or group_of(pid) is None):
            self._watcher = pid = 0
        return pid

    @property
    def watched_at(self) -> float:
        """When there was last a worker on watch."""
        moment: float = self._watched_at
        return time.monotonic() if self.watcher else moment

    @property
    def watch_left(self) -> float:
        """Seconds until the watch ends; 0 or less where there is none."""
        ends_at: float = self._watch_ends_at
        return ends_at - time.monotonic() if self.watcher else 0.0

    @property
    def wants_watcher(self) -> bool:
        """Whether a worker of this cluster should go on watch; never outside of one."""
        return bool(self.alarm) and self.may_claim and not self.watcher and not self.has_unstarted_task

    def begin_watch(self, end: float) -> bool:
        """Put this worker on watch until ``end``, unless another is. False outside of a cluster, too."""
        if self.alarm and not self.watcher:
            self._watched_at, self._watch_ends_at = time.monotonic(), end
            self._watcher = os.getpid()
        return self.is_on_watch()

    def is_on_watch(self) -> bool:
        """Tell whether it is still this worker, and not another that began at the same moment."""
        is_this: bool = self._watcher == os.getpid()
        if is_this:
            self._watched_at = time.monotonic()
        return is_this

    def end_watch(self) -> None:
        if self.is_on_watch():
            self._watcher = 0

    def result_recorded(self) -> None:
        self.result_recorded_at = time.monotonic()

    def has_unrecorded_result(self, *, older_than: float = 0.0) -> bool:
        """Tell whether a task ended that many seconds ago, and the monitor has recorded no result since."""
        ended: float = self._task_ended_at
        return ended > self.result_recorded_at and time.monotonic() - ended >= older_than

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Note, in the sentinel, a round of its guard; while the block runs it may wait for the database."""
        self._in_guards_database = True
        try:
            yield
        finally:
            self._guarded_at = time.monotonic()
            self._in_guards_database = False

    @property
    def guarded_at(self) -> float | None:
        """When the guard last made a round; None while it may wait for the database."""
        return None if self._in_guards_database else self._guarded_at


def _seconds_since(moment: float) -> float:
    return time.monotonic() - moment if moment else 0.0


def _slot(pids: Any, pid: int, *wanted: int) -> int:
    """Return the first slot for a pid that holds one of these, else the one of its number."""
    near = ((pid + step) % SLOTS for step in range(NEAR))
    return next((slot for slot in near if pids[slot] in wanted), pid % SLOTS)


liveness = RawValue(Liveness)
