"""How the processes of a cluster hang together: none outlives its parent.

Django-Q forks its processes one from another: main, its sentinel, and the sentinel's workers, monitor and pusher. What
main asks for here is passed on at each fork, so that it holds for all of them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn, cast

from django.db import connections

from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.worker")

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

SENTINEL, STAFF = 1, 2  # generations; what is forked further down is a receiver's own affair

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
generation = 0  # how many forks this process is from main; 0 as well where no cluster is
_pid = 0  # this process's own, and for a moment its parent's
# the parent's connections, kept: one that is garbage-collected may end the parent's session on the server as well
_parents: list[object] = []


def begin() -> None:
    """Become the main process of a cluster; its sentinel, workers, monitor and pusher will not outlive each other."""
    global _pid
    _pid = os.getpid()
    os.register_at_fork(after_in_child=_born)


def end_with_parent(number: signal.Signals, *, parent: int) -> None:
    """On Linux, have the kernel send a signal when the parent ends; at once, where it ended before this call."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def _born() -> None:
    """Run in each new process, before anything else."""
    global generation, _pid
    generation, parent, _pid = generation + 1, _pid, os.getpid()
    if generation <= STAFF:
        end_with_parent(signal.SIGKILL, parent=parent)
    if generation == STAFF:
        liveness.join()
    elif generation > STAFF:
        _leave_connections()


def _leave_connections() -> None:
    """Leave a worker's sessions to it: a transaction block that its child leaves would roll back the parent's.

    The child keeps no socket open either: the server would go on with the session of a worker that is killed meanwhile.
    """
    for db in connections.all(initialized_only=True):
        _parents.append(db)
        del connections[db.alias]
        if hasattr(db.connection, "fileno"):  # the socket to a server; a file has none
            # not just closed: the child could open something under the same number, and the connection write to it
            null = os.open(os.devnull, os.O_RDWR)
            with suppress(Exception):  # one that is closed has no number
                os.dup2(null, cast(Any, db.connection).fileno(), inheritable=False)
            os.close(null)


class ForkGuard:
    """Ends a process that was forked in the block once it leaves the block: what follows is its parent's to do.

    Written by hand, since each delivery enters several: one made of a generator takes three times as long.
    """

    __slots__ = ("_pid",)

    def __enter__(self) -> None:
        self._pid = os.getpid()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if os.getpid() != self._pid:
            _end(error)


def _end(error: BaseException | None) -> NoReturn:
    """Exit with the status that Python would give, but without the exit functions that the parent registered."""
    status = 1
    try:
        if error is None:
            status = 0
        elif isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            status = (error.code or 0) & 0xFF
        else:
            logger.error("A process that a receiver forked ended with an error.", exc_info=error)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
