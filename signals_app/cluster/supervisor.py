"""Keeps a Django-Q cluster alive: starts it, watches that it works, and starts a new one when it does not.

Django-Q's processes share locks, and a lock dies with the process that holds it: an idle worker takes the lock of the
task queue along, a monitor that of the results, a worker that just ended a task the one that the guard waits for. So a
cluster may look alive and do nothing. Ending it loses nothing: the deliveries that it held are found and given back.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType

from django.db import Error, connections

from signals_app import ledger
from signals_app.cluster import broker
from signals_app.cluster.workarounds import KILLED
from signals_app.conf import conf
from signals_app.processes import tree
from signals_app.processes.identity import group_of
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger
from signals_app.worker.connections import is_refusal, reconnect

logger = get_logger("signals_app.supervisor")

LOOK = 1.0  # seconds between two looks at the queue
LOOK_IN_DOUBT = 0.25  # the same after one of the processes was killed
FIRST_PAUSE = 1.0  # seconds before a cluster that ended is replaced
LONGEST_PAUSE = 30.0  # seconds between two starts while clusters keep ending
LINGER = 5.0  # seconds that a stopping cluster may take once it runs nothing
REFUSED_LOGIN = os.EX_NOPERM  # 77, the exit status of a process that has an old password
STEADY = 10.0  # seconds after which a running cluster counts as well
GUARD_ROUND = 60.0  # seconds a round of the guard may take: it runs schedules, and may wait for a database's lock
# STALL and GUARD_ROUND once a process was killed, until there is life again: a lock may have died with it
STALL_AFTER_DEATH, GUARD_ROUND_AFTER_DEATH = 1.5, 10.0


class Supervisor:
    """Runs ``cluster``, a function that starts a cluster and returns, in a process group of its own."""

    def __init__(self, cluster: Callable[[], None], *, queue: str) -> None:
        self._cluster = cluster
        self._queue = queue
        self._signals = 0  # how many have come; an Event has a lock, which a handler must not wait for
        self._wakes, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)  # read when one has come or a child has ended
        self._asked = 0  # how many of them were passed on
        self._is_asking = False  # whether it asks the database just now, and so may wait for long
        self._reason: str | None = None  # why the cluster is ended, if it stalled
        self._deadline = math.inf

    def run(self) -> int:
        """Keep a cluster running until SIGTERM, SIGINT or SIGHUP; return the exit status for the command.

        Returns as well when logins have been refused for a while: a process never learns of a new password.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # by default it wakes nobody
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        pause = FIRST_PAUSE / 2
        while not self._signals:
            started = time.monotonic()
            was_killed = self._watch(self._start()) in (KILLED, -signal.SIGKILL)
            if self._signals:
                break
            if is_refused():
                logger.critical(
                    "The database refuses the logins of %s; its service manager has to restart it.", self._queue
                )
                return REFUSED_LOGIN
            # a cluster that was ended, here or by others, could start; one that ends by itself may do so for ever
            is_well = self._reason or was_killed or time.monotonic() - started > STEADY
            pause = FIRST_PAUSE if is_well else min(LONGEST_PAUSE, pause * 2)
            wait = 0.0 if self._reason else pause
            logger.critical("The cluster of %s restarts in %.0f s.", self._queue, wait)
            self._sleep(wait)
        return 0

    def _start(self) -> BaseProcess:
        connections.close_all()  # a fork must not share them
        liveness.begin()
        liveness.arm()
        child = multiprocessing.get_context("fork").Process(target=_lead, args=(self._cluster, os.getpid()))
        child.start()
        _lead_group(child.pid or 0)
        return child

    def _watch(self, child: BaseProcess) -> int | None:
        """Return the exit status of a cluster once all of it has ended, by itself or because it stalled."""
        detector = StallDetector(
            self._queue, leader=child.pid or 0, workers=broker.worker_count(), guard_cycle=broker.guard_cycle()
        )
        self._asked, self._reason, self._deadline = 0, None, math.inf
        while child.is_alive() and not self._is_beyond_waiting(detector):
            if self._asked < self._signals:
                self._asked = self._signals
                self._give_up_claims()
                if self._asked < 3:
                    child.terminate()
                else:
                    _kill_group(child.pid)
            elif not self._asked and not self._reason and (reason := self._look(detector)):
                logger.critical("The cluster of %s %s; it is ended once nothing runs in it.", self._queue, reason)
                self._reason = reason
                self._give_up_claims()
            look = LOOK_IN_DOUBT if detector.is_in_doubt else LOOK
            self._sleep(0.1 if self._asked or self._reason else look, child)
        status = child.exitcode
        if status:
            logger.critical("The cluster of %s ended with status %s.", self._queue, status)
        _kill_group(child.pid)
        child.join()
        return status

    def _give_up_claims(self) -> None:
        """Have the workers stop after what they run, within a set time."""
        liveness.stop_claiming()
        self._deadline = min(self._deadline, time.monotonic() + conf.stop_within)

    def _is_beyond_waiting(self, detector: StallDetector) -> bool:
        """Tell whether a cluster that is to end has nothing left to finish, or no time."""
        if time.monotonic() > self._deadline:
            logger.critical(
                "The cluster of %s did not stop within %.0f s; it is ended, and what it ran is given back.",
                *(self._queue, conf.stop_within),
            )
            return True
        if self._reason:
            return not detector.working()
        if self._asked and detector.idle_seconds() > LINGER:
            logger.critical("The cluster of %s runs nothing and does not stop; it is ended.", self._queue)
            return True
        return False

    def _sleep(self, seconds: float, child: BaseProcess | None = None) -> None:
        """Sleep for that long, or until a signal has come or the child has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._signals == self._asked and (not child or child.is_alive()):
            select.select([self._wakes], [], [], left)
            with suppress(BlockingIOError):
                os.read(self._wakes, 4096)

    def _look(self, detector: StallDetector) -> str | None:
        """Return what has stalled; None as well when a signal comes, for a database that is cut off answers nobody."""
        with suppress(_Interrupted):
            self._is_asking = True
            try:
                return detector.reason()
            finally:
                self._is_asking = False
        return None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._is_asking:
            self._is_asking = False
            raise _Interrupted


class _Interrupted(Exception):
    """A signal came while the supervisor waited for the database."""


def _lead(cluster: Callable[[], None], supervisor: int) -> None:
    """Run the cluster, in the child, as the leader of a process group: so the whole tree can be ended."""
    _lead_group(0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, _on_hang_up)
    tree.end_with_parent(signal.SIGHUP, parent=supervisor)
    tree.begin()
    cluster()


def _on_hang_up(number: int, frame: FrameType | None) -> None:
    """Stop a cluster that nobody watches any more."""
    signal.signal(signal.SIGALRM, lambda *_: _kill_group(os.getpid()))
    signal.setitimer(signal.ITIMER_REAL, conf.stop_within)
    liveness.stop_claiming()
    os.kill(os.getpid(), signal.SIGTERM)


def _lead_group(pid: int) -> None:
    """Make a process the leader of its group; parent and child both do, for either may be the first to need it."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)


def _kill_group(pid: int | None) -> None:
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def is_refused() -> bool:
    """Tell whether the database has refused logins for so long that this cluster's settings seem to be old."""
    enough = 4 * conf.stall  # and no claim succeeded either: a full server refuses newcomers alone
    return liveness.refused > enough and time.monotonic() - liveness.claimed_at > enough


class Unchanged:
    """Tells for how long something has been the same."""

    def __init__(self) -> None:
        self._value: object = None
        self._since = 0.0

    def seconds(self, value: object) -> float:
        """Return the seconds since the first call in a row with this value; 0 for None."""
        now = time.monotonic()
        if value is None or value != self._value:
            self._value, self._since = value, now
        return now - self._since


class StallDetector:
    """Watches the cluster led by the process ``leader``, whose guard makes a round every ``guard_cycle`` seconds."""

    def __init__(self, queue: str, *, leader: int, workers: int, guard_cycle: float = 0.5) -> None:
        self._queue, self._leader, self._workers, self._guard_cycle = queue, leader, workers, guard_cycle
        self._forget()
        self._idle = Unchanged()
        self._missed_at = 0.0  # when a death was last noticed, on the monotonic clock

    def reason(self) -> str | None:
        """Return what has stalled, for people to read; None when all goes on or cannot be seen."""
        try:
            if is_refused():
                ledger.connection().close()  # a session outlives its password; a new one tells
            reason = self._reason(ledger.due(self._queue, limit=1))
            if reason:
                with ledger.short_lock_timeout():  # waiting for SQLite's one write lock is no stall
                    pass
        except Error as error:
            logger.warning("The supervisor of %s cannot reach the database: %s", self._queue, error)
            reconnect(error)
            self._forget()
            if is_refusal(error) and is_refused():
                return f"has been refused by the database for {liveness.refused:.0f} s"
            return None
        return reason

    def _forget(self) -> None:
        self._untaken, self._unrecorded, self._unguarded, self._failing = (Unchanged() for _ in range(4))

    def _reason(self, first: list[int]) -> str | None:
        for pid in liveness.staff():
            if group_of(pid) != self._leader:
                liveness.leave(pid)
                self._missed_at = time.monotonic()
        brief = STALL_AFTER_DEATH + 2 * self._guard_cycle  # the guard has to replace the dead meanwhile
        stall = min(conf.stall, brief) if self.is_in_doubt else conf.stall
        if (seconds := self._untaken.seconds(self._not_taken(first))) > stall:
            return f"has claimed nothing for {seconds:.0f} s while work is due"
        unrecorded = liveness.result_recorded_at if liveness.has_unrecorded_result() else None
        if (seconds := self._unrecorded.seconds(unrecorded)) > conf.stall:
            return f"has recorded no result of a task for {seconds:.0f} s"
        if (seconds := self._failing.seconds(True if liveness.failing and first else None)) > conf.stall:
            return f"has had every claim fail for {seconds:.0f} s"
        guarded_at = liveness.guarded_at
        is_missed = guarded_at is not None and self._missed_at > guarded_at
        if (seconds := self._unguarded.seconds(guarded_at)) > (GUARD_ROUND_AFTER_DEATH if is_missed else GUARD_ROUND):
            return f"has not looked after its workers for {seconds:.0f} s"
        return None

    @property
    def is_in_doubt(self) -> bool:
        """Whether a process was killed and no worker has taken anything since: look more often."""
        return self._missed_at > liveness.task_started_at

    def idle_seconds(self) -> float:
        """Return for how many seconds, as seen here, no worker has had a task and no result was recorded."""
        return self._idle.seconds(None if self.working() else liveness.result_recorded_at)

    def working(self) -> list[int]:
        """Return the pids of the cluster's workers that are at a task."""
        watcher = liveness.watcher
        return [pid for pid in liveness.working() if pid != watcher and group_of(pid) == self._leader]

    def _not_taken(self, first: list[int]) -> object:
        """Return what waits for a worker, and when one last took a task; None where nothing waits or all are busy."""
        if len(self.working()) >= self._workers:
            return None
        if liveness.has_unstarted_task:
            return liveness.task_started_at
        return (liveness.task_started_at, first[0]) if first else None
