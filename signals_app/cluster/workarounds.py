"""What exists only to outlive defects of Django-Q. Each part goes when its defect is mended.

1. Its processes share locks, and a lock dies with its holder; then the cluster looks alive and does nothing. Here its
   processes leave signs of life (``processes/liveness.py``); ``cluster/supervisor.py`` reads them, and starts a new
   cluster.
2. Its ORM broker closes the connection at each use, and sleeps where its queue is empty.
3. A SIGTERM to the whole group of processes, as systemd and Docker send it, ends workers in the midst of their work;
   and a sentinel ends a hung worker by SIGTERM, which a receiver may block or swallow.
4. Main's signal handler takes a lock, for which the handler of a second signal would wait in vain; workers go on
   claiming meanwhile; and main ends with status 0 when its sentinel was killed.
5. A worker that is to end waits for ever for threads and processes that a receiver left at work.
6. ``recycle`` counts tasks, and a worker can be told of no other reason to end after one but its memory.
7. It logs two lines for each task, a hint's too, and gives nobody's lines but its own a place to go.
"""

from __future__ import annotations

import logging
import math
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

from django.db import connections
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
from signals_app.worker.watch import duty

logger = get_logger("signals_app.broker")

Package = tuple[object, str]  # what Django-Q's pusher takes: an id to acknowledge, and a signed task

KILLED = 128 + signal.SIGKILL  # the exit status of main when its sentinel was killed
LAST_RESULT = 30.0  # seconds that a worker which ends waits for a monitor that is slow to take its results
LAST_MOMENT = 2.0  # seconds that a worker which ends waits for threads that receivers left; less than LINGER


# 1: locks that die with their holder


def _on_worker(**kwargs: object) -> None:
    Finalize(None, liveness.leave, args=(os.getpid(),), exitpriority=0)  # recycled, it has not died


post_spawn.connect(_on_worker, dispatch_uid="signals_app.liveness")
for _signal, _note in (
    (pre_execute, liveness.task_started),
    (post_execute_in_worker, liveness.task_ended),
    (post_execute, liveness.result_recorded),
):
    _signal.connect(lambda note=_note, **kwargs: note(), weak=False, dispatch_uid="signals_app.liveness")


# 2: a broker that sleeps


class PromptORM(ORM):  # type: ignore[misc]  # django_q is not typed
    """Django-Q's ORM broker, but it leaves its connection to Django and never sleeps."""

    _any: Any = None  # the query whether there is any task, given out or not

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        return OrmQ.objects.using(Conf.ORM)

    def dequeue(self) -> list[Package] | None:
        tasks = self.get_connection().filter(key=self.list_key)
        # made once: to make it takes ten times as long as to ask, and an idle pusher asks again and again
        self._any = self._any or tasks.values("pk")[:1].query.get_compiler(Conf.ORM).as_sql()
        with connections[Conf.ORM].cursor() as cursor:
            cursor.execute(*self._any)
            if not cursor.fetchone():
                return None
        return [
            (task.pk, task.payload)
            for task in tasks.filter(lock__lt=timezone.now())[: Conf.BULK]
            if tasks.filter(pk=task.pk, lock=task.lock).update(lock=self.timeout(task))  # else another cluster has it
        ]


# 3: SIGTERM


def ignore_sigterm() -> None:
    """Have a sentinel and its staff let a SIGTERM pass; they stop when main has them stop, after what they run."""
    if tree.generation == tree.SENTINEL:
        signal.signal(signal.SIGTERM, _let_pass)
        popen_fork.Popen.terminate = popen_fork.Popen.kill  # type: ignore[method-assign]
        os.register_at_fork(after_in_child=_heed_sigterm)


_terminate = popen_fork.Popen.terminate


def _heed_sigterm() -> None:
    """Undo that in a child: it ends processes as usual, and what a receiver forks ends at a SIGTERM again."""
    popen_fork.Popen.terminate = _terminate  # type: ignore[method-assign]
    if tree.generation > tree.STAFF and signal.getsignal(signal.SIGTERM) is _let_pass:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _let_pass(number: int, frame: FrameType | None) -> None:
    """Do nothing. Programs that a receiver starts inherit SIG_IGN, but no handler."""


# 4: main


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


# 5: workers that do not end


def end_workers_in_time() -> None:
    """Have the workers of this process's clusters end in a set time, whatever receivers left in them."""
    q_cluster.worker = _work


def _work(*args: Any) -> None:
    duty.tasks = args[0]._reader  # of a multiprocessing.Queue, which tells nobody else without a lock what is in it
    try:
        q_worker.worker(*args)
    finally:
        try:
            threading.Thread(target=_end_after_all, args=(args[1],), name="end", daemon=True).start()
        except (RuntimeError, MemoryError):  # a worker without memory, which might wait for ever
            os._exit(0)
        events.write_last()
        events.export()


def _end_after_all(results: Any) -> None:
    """End the process, which would wait for all threads, and for executors before anybody learns of its end."""
    results.close()
    for thread in threading.enumerate():
        if thread.name == "QueueFeederThread":  # half a result, and its lock, would be left behind
            thread.join(LAST_RESULT)
    time.sleep(LAST_MOMENT)
    logger.warning("Threads or processes that receivers left do not end; their worker ends without them.")
    os._exit(0)


# 6: recycling


def _limit_turns(**kwargs: object) -> None:
    duty.limit = Conf.RECYCLE or math.inf


def _count_turn(**kwargs: object) -> None:
    duty.turns += 1


def _recycle(**kwargs: object) -> None:
    """Replace a worker that took as many tasks as it may, or worked as often without one."""
    if duty.turns >= duty.limit:
        Conf.MAX_RSS = 1  # of this process; any has more


post_spawn.connect(_limit_turns, dispatch_uid="signals_app.recycle")
pre_execute.connect(_count_turn, dispatch_uid="signals_app.recycle")
post_execute_in_worker.connect(_recycle, dispatch_uid="signals_app.recycle")


# 7: its log


def make_log_readable() -> None:
    """In the command: leave out the news of hints, and let the app's lines go with Django-Q's where nobody says where.

    What came of a delivery is in a line of its own.
    """
    theirs, ours = logging.getLogger("django-q"), logging.getLogger("signals_app")
    theirs.addFilter(_is_no_news_of_hints)
    if not ours.hasHandlers():
        ours.setLevel(theirs.level)
        for handler in theirs.handlers:
            ours.addHandler(handler)


def _is_no_news_of_hints(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or "'signals_app.worker." not in record.getMessage()
