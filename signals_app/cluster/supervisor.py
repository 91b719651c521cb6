"""Keeps a Django-Q cluster alive: starts it, watches that due work is claimed, and starts it anew when it is not.

Django-Q's workers share a lock that dies with its holder, so a cluster can stand still when one of its processes is
killed. Nothing is lost by ending it: the deliveries it held are found and given back.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType

from django.db import connections

from signals_app.cluster import broker
from signals_app.cluster.stalls import StallDetector, is_refused
from signals_app.cluster.workarounds import KILLED
from signals_app.conf import conf
from signals_app.processes import tree
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.supervisor")

LOOK = 1.0  # seconds between two looks at the queue
LOOK_IN_DOUBT = 0.25  # the same after one of the processes was killed
FIRST_PAUSE = 1.0  # seconds before a cluster that ended is started anew
LONGEST_PAUSE = 30.0  # seconds between two starts of a cluster that keeps ending
LINGER = 5.0  # seconds a cluster that is to stop may take once it runs nothing
REFUSED_LOGIN = os.EX_NOPERM  # 77, the exit status of a process that has an old password
STEADY = 10.0  # seconds after which a cluster that ran is taken to be well


class Supervisor:
    """Runs ``cluster``, a function that starts a cluster and returns, in a process group of its own."""

    def __init__(self, cluster: Callable[[], None], *, queue: str) -> None:
        self._cluster = cluster
        self._queue = queue
        self._signals = 0  # how many have come; an Event has a lock, which a handler must not wait for
        self._looks = False  # whether it asks the database just now, and so may wait for long
        self._asked = 0  # of these signals, those passed on
        self._reason: str | None = None  # why the cluster is ended, if it stands still
        self._deadline = math.inf

    def run(self) -> int:
        """Keep the cluster running until SIGTERM, SIGINT or SIGHUP; return the exit status for the command.

        It returns as well when logins have been refused for a while: a process never learns of a new password.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        pause = FIRST_PAUSE / 2
        while not self._signals:
            started = time.monotonic()
            was_killed = self._watch(self._start()) in (KILLED, -signal.SIGKILL)
            if self._signals:
                break
            if is_refused():
                logger.critical("The database refuses the logins of %s; its manager is to start it anew.", self._queue)
                return REFUSED_LOGIN
            # what others have ended, or was ended here, could start: only what ends of itself may do so for ever
            is_well = self._reason or was_killed or time.monotonic() - started > STEADY
            pause = FIRST_PAUSE if is_well else min(LONGEST_PAUSE, pause * 2)
            wait = 0.0 if self._reason else pause
            logger.critical("The cluster of %s starts anew in %.0f s.", self._queue, wait)
            end = time.monotonic() + wait
            while time.monotonic() < end and not self._signals:
                time.sleep(0.1)
        return 0

    def _start(self) -> BaseProcess:
        connections.close_all()  # a fork must not share them
        liveness.begin()
        child = multiprocessing.get_context("fork").Process(target=_lead, args=(self._cluster, os.getpid()))
        child.start()
        _lead_group(child.pid or 0)
        return child

    def _watch(self, child: BaseProcess) -> int | None:
        """Return its exit status when the cluster has ended, of itself or because it stood still, with all of it."""
        detector = StallDetector(
            self._queue, leader=child.pid or 0, workers=broker.worker_count(), guard_cycle=broker.guard_cycle()
        )
        self._asked, self._reason, self._deadline = 0, None, math.inf
        while child.is_alive() and not self._is_beyond_waiting(detector):
            if self._asked < self._signals:
                self._asked = self._signals
                self._give_up_claims()
                self._pass_on(child, self._asked)
            elif not self._asked and not self._reason and (reason := self._look(detector)):
                logger.critical("The cluster of %s %s; it is ended when nothing runs in it.", self._queue, reason)
                self._reason = reason
                self._give_up_claims()
            look = LOOK_IN_DOUBT if detector.is_in_doubt else LOOK
            self._wait(child, 0.1 if self._asked or self._reason else look)
        status = child.exitcode
        if status:
            logger.critical("The cluster of %s ended with status %s.", self._queue, status)
        _kill_group(child.pid)
        child.join()
        return status

    def _give_up_claims(self) -> None:
        """Have the workers stop after what they run, for which they have a set time."""
        liveness.stop_claiming()
        self._deadline = min(self._deadline, time.monotonic() + conf.stop_within)

    def _is_beyond_waiting(self, detector: StallDetector) -> bool:
        """Tell whether a cluster that is to end has nothing left to finish, or no time."""
        if time.monotonic() > self._deadline:
            logger.critical(
                "The cluster of %s did not stop within %.0f s; it is ended, and what it ran is given back.",
                self._queue,
                conf.stop_within,
            )
            return True
        if self._reason:
            return not detector.working()
        if self._asked and detector.idle_seconds() > LINGER:
            logger.critical("The cluster of %s runs nothing and does not stop; it is ended.", self._queue)
            return True
        return False

    def _wait(self, child: BaseProcess, seconds: float) -> None:
        """Sleep until the child ends or a signal comes, at most for that long."""
        end = time.monotonic() + seconds
        seen = self._signals
        while time.monotonic() < end and child.is_alive() and self._signals == seen:
            child.join(0.1)

    def _pass_on(self, child: BaseProcess, times: int) -> None:
        """Ask the cluster to stop; at the third request, end it."""
        with suppress(ProcessLookupError):
            if times < 3:
                os.kill(child.pid or 0, signal.SIGTERM)
            else:
                _kill_group(child.pid)

    def _look(self, detector: StallDetector) -> str | None:
        """Return what stands still; None as well when a signal comes, for a database that is cut off answers nobody."""
        with suppress(_Interrupted):
            self._looks = True
            try:
                return detector.reason()
            finally:
                self._looks = False
        return None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._looks:
            self._looks = False
            raise _Interrupted


class _Interrupted(Exception):
    """A signal came while the supervisor waited for the database."""


def _lead(cluster: Callable[[], None], supervisor: int) -> None:
    """In the child: become the leader of a process group, so that the whole tree can be ended, and run the cluster."""
    _lead_group(0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, _on_hang_up)
    tree.end_with_parent(signal.SIGHUP, parent=supervisor)
    tree.begin()
    cluster()


def _on_hang_up(number: int, frame: FrameType | None) -> None:
    """Stop a cluster that nobody watches any more, within the set time."""
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
