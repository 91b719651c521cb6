"""What exists only to outlive defects of Django-Q: each part names its defect, and goes when Django-Q is mended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import popen_fork
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any, cast

from django.utils import timezone
from django_q import cluster as q_cluster
from django_q import worker as q_worker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signals import post_execute, post_execute_in_worker, post_spawn, pre_execute

from signals_app import events
from signals_app.processes import tree
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.broker")

Package = tuple[object, str]  # what Django-Q's pusher takes: an id to acknowledge, and a signed task

KILLED = 128 + signal.SIGKILL  # the exit status of main when its sentinel was killed
LAST_RESULT = 30.0  # seconds that a worker which ends waits for a monitor that is slow to take its results
LAST_MOMENT = 2.0  # seconds that a worker which ends waits for threads that receivers left; less than LINGER


# Defect: its processes share locks, and a lock dies with its holder; then the cluster looks alive and does nothing.
# Its processes leave signs of life; `cluster.stalls` reads them, and `cluster.supervisor` starts a new cluster.


def _on_task(signal: object, **kwargs: object) -> None:
    {
        pre_execute: liveness.task_started,
        post_execute_in_worker: liveness.task_ended,
        post_execute: liveness.result_recorded,
    }[signal]()


def _on_worker(**kwargs: object) -> None:
    Finalize(None, liveness.leave, args=(os.getpid(),), exitpriority=0)  # recycled, it has not died


for _signal in (pre_execute, post_execute_in_worker, post_execute):
    _signal.connect(_on_task, dispatch_uid="signals_app.liveness")
post_spawn.connect(_on_worker, dispatch_uid="signals_app.liveness")


# Defect: its broker closes the connection at each use, and sleeps where its queue is empty.


class PromptORM(ORM):  # type: ignore[misc]  # django_q is not typed
    """Django-Q's ORM broker, which leaves its connection to Django and sleeps nowhere."""

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        return OrmQ.objects.using(Conf.ORM)

    def dequeue(self) -> list[Package] | None:
        waiting = self.get_connection().filter(key=self.list_key, lock__lt=timezone.now())
        return super().dequeue() if waiting.exists() else None


# Defect: a SIGTERM to the whole group of processes, as systemd and Docker send it, ends workers in the midst of their
# work; and a sentinel ends a hung worker by SIGTERM, which a receiver may block or swallow.


def ignore_sigterm() -> None:
    """In a sentinel: it and its staff let a SIGTERM pass; they stop when main has them stop, after what they run."""
    if tree.generation() == tree.SENTINEL:
        signal.signal(signal.SIGTERM, _let_pass)
        popen_fork.Popen.terminate = popen_fork.Popen.kill  # type: ignore[method-assign]
        os.register_at_fork(after_in_child=_heed_sigterm)


_terminate = popen_fork.Popen.terminate


def _heed_sigterm() -> None:
    """In a worker and in what receivers fork: end processes as usual; in the latter, end at a SIGTERM again."""
    popen_fork.Popen.terminate = _terminate  # type: ignore[method-assign]
    if tree.generation() > tree.STAFF and signal.getsignal(signal.SIGTERM) is _let_pass:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _let_pass(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN, a handler is not passed on to programs that a receiver starts."""


# Defect: its handler of signals takes a lock, for which a second signal's would wait in vain; workers go on claiming
# meanwhile; and main ends with status 0 when its sentinel was killed.


def run_cluster() -> None:
    """Run a cluster until it has ended; exit with KILLED where its sentinel was killed."""
    cluster = q_cluster.Cluster()
    stop = cast(Callable[[int, FrameType | None], None], signal.getsignal(signal.SIGTERM))

    def on_signal(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        liveness.stop_claiming()
        stop(number, frame)

    for each in (signal.SIGTERM, signal.SIGINT):  # before it starts anything that could claim
        signal.signal(each, on_signal)
    cluster.start()
    cluster.sentinel.join()
    if cluster.sentinel.exitcode == -signal.SIGKILL:
        sys.exit(KILLED)


# Defect: a worker that is to end waits for ever for threads and processes that a receiver left at work.


def end_workers_in_time() -> None:
    """Have the workers of clusters that this process starts end in a set time, whatever receivers left in them."""
    q_cluster.worker = _work


def _work(*args: Any) -> None:
    try:
        q_worker.worker(*args)
    finally:
        _end_soon(results=args[1])
        events.write_last()
        events.export()


def _end_soon(results: Any) -> None:
    try:
        threading.Thread(target=_end_after_all, args=(results,), name="end", daemon=True).start()
    except (RuntimeError, MemoryError):  # a worker without memory, which might wait for ever
        os._exit(0)


def _end_after_all(results: Any) -> None:
    """End the process, which waits for all of them, and for executors before anybody learns that it is at its end."""
    results.close()
    for thread in threading.enumerate():
        if thread.name == "QueueFeederThread":  # half a result, and its lock, would be left behind
            thread.join(LAST_RESULT)
    time.sleep(LAST_MOMENT)
    logger.warning("What receivers left in a worker does not end; the worker ends without it.")
    os._exit(0)
