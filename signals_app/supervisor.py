"""Keeps a Django-Q cluster alive: starts it, watches that due work is claimed, and starts it anew when it is not.

Django-Q's workers share a lock that dies with its holder, so a cluster can stand still when one of its processes is
killed. Nothing is lost by ending it: the deliveries it held are found and given back.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType

from django.db import Error, connections

from signals_app import broker, ledger, worker
from signals_app.conf import conf
from signals_app.processes import is_alive

logger = logging.getLogger("signals_app.supervisor")

LOOK = 1.0  # seconds between two looks at the queue
LONGEST_PAUSE = 30.0  # seconds between two starts of a cluster that keeps ending
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
STEADY = 60.0  # seconds after which a cluster that ran is taken to be well


class Supervisor:
    """Runs ``cluster``, a function that starts a cluster and returns, in a process group of its own."""

    def __init__(self, cluster: Callable[[], None], *, queue: str) -> None:
        self._cluster = cluster
        self._queue = queue
        self._stopping = threading.Event()
        self._signals = 0

    def run(self) -> int:
        """Keep the cluster running until SIGTERM, SIGINT or SIGHUP; return the exit status for the command."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        pause = 1.0
        while not self._stopping.is_set():
            started = time.monotonic()
            self._watch(self._start())
            if self._stopping.is_set():
                break
            pause = 1.0 if time.monotonic() - started > STEADY else min(LONGEST_PAUSE, pause * 2)
            logger.critical("The cluster of %s starts anew in %.0f s.", self._queue, pause)
            self._stopping.wait(pause)
        return 0

    def _start(self) -> BaseProcess:
        connections.close_all()  # a fork must not share them
        worker.may_claim(True)
        child = multiprocessing.get_context("fork").Process(target=_lead, args=(self._cluster,))
        child.start()
        _lead_group(child.pid or 0)
        return child

    def _watch(self, child: BaseProcess) -> None:
        """Return when the cluster has ended, of itself or because it stood still; nothing of it is left then."""
        stall = Stall(self._queue)
        asked, asked_at = 0, 0.0
        while child.is_alive():
            if asked < self._signals:
                asked, asked_at = self._signals, asked_at or time.monotonic()
                self._pass_on(child, asked)
            elif asked and time.monotonic() - asked_at > conf.stop_within:
                logger.critical(
                    "The cluster of %s did not stop within %.0f s; it is ended, and what it ran is given back.",
                    self._queue,
                    conf.stop_within,
                )
                break
            elif not asked and stall.seconds() > stall.limit():
                logger.critical(
                    "The cluster of %s has claimed nothing for %.0f s while work is due; it is ended.",
                    self._queue,
                    stall.seconds(),
                )
                break
            self._wait(child, LOOK if not asked else 0.1)
        if child.exitcode:
            logger.critical("The cluster of %s ended with status %s.", self._queue, child.exitcode)
        _kill_group(child.pid)
        child.join()

    def _wait(self, child: BaseProcess, seconds: float) -> None:
        """Sleep until the child ends or a signal comes, at most for that long."""
        end = time.monotonic() + seconds
        seen = self._signals
        while time.monotonic() < end and child.is_alive() and self._signals == seen:
            child.join(0.1)

    def _pass_on(self, child: BaseProcess, times: int) -> None:
        """Ask the cluster to stop; at the third request, end it."""
        worker.may_claim(False)
        with suppress(ProcessLookupError):
            if times < 3:
                os.kill(child.pid or 0, signal.SIGTERM)
            else:
                _kill_group(child.pid)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()
        self._signals += 1


class Stall:
    """How long the work that is due first has waited without anything running."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._first: list[int] = []
        self._since = time.monotonic()

    def seconds(self) -> float:
        """Return for how long the queue has stood still; 0 when it moves, is empty or cannot be seen."""
        try:
            first = ledger.due(self._queue, limit=1)
            stands = first and first == self._first and not ledger.is_running(self._queue, is_alive=is_alive)
        except Error as error:
            logger.warning("The supervisor of %s cannot reach the database: %s", self._queue, error)
            ledger.connection().close()
            first, stands = [], False
        if not stands:
            self._first, self._since = first, time.monotonic()
        return time.monotonic() - self._since

    def limit(self) -> float:
        """Return how long it may: plain tasks may keep every worker busy for their own timeout."""
        busy = broker.plain_task_seconds(self._queue)
        return conf.stall + busy


def _lead(cluster: Callable[[], None]) -> None:
    """In the child: become the leader of a process group, so that the whole tree can be ended, and run the cluster."""
    _lead_group(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _end_with_parent()
    cluster()


def _lead_group(pid: int) -> None:
    """Make a process the leader of its group; parent and child both do, for either may be the first to need it."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)


def _end_with_parent() -> None:
    """On Linux, have the kernel send SIGTERM when the supervisor dies: a cluster that nobody watches should end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(pid: int | None) -> None:
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
