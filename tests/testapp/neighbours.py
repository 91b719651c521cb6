"""Receivers that leave behind what the next one must not find: processes, threads, settings of their process."""

import asyncio
import decimal
import gc
import io
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from multiprocessing import Pool, Process
from typing import Any

from django.db import connections, transaction
from django.utils import timezone, translation

from signals_app.dispatcher import current_delivery, queued
from tests.testapp.models import Effect
from tests.testapp.receivers import leave_effect, leave_effect_async

tenant: ContextVar[str] = ContextVar("tenant", default="none")


def leave(how: str) -> None:
    """End a child's part of a receiver; the last ways are to return."""
    if how == "exits":
        sys.exit(3)
    if how == "fails":
        raise ValueError("an error of the child's own")
    if how == "interrupts":
        raise KeyboardInterrupt
    if how == "forks again" and (child := os.fork()):
        os.waitpid(child, 0)


def status_of(child: int) -> int:
    """Wait for a child's end; return its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@queued(max_attempts=2)
def forks(sender: object, how: str, **kwargs: Any) -> None:
    with transaction.atomic():
        if not (child := os.fork()):
            leave(how)
            return
        leave_effect("parent", detail=str(status_of(child)))


@queued(max_attempts=2, atomic=True)
def forks_atomically(sender: object, how: str, **kwargs: Any) -> None:
    if not (child := os.fork()):
        leave(how)
        return
    leave_effect("parent", detail=str(status_of(child)))


@queued(max_attempts=2, atomic=True)
def forks_after_its_commit(sender: object, how: str, **kwargs: Any) -> None:
    delivery = current_delivery().id  # outside of the receiver there is none

    def forks() -> None:
        if not (child := os.fork()):
            leave(how)
            return
        Effect.objects.create(label="parent", delivery_id=delivery, detail=str(status_of(child)))

    transaction.on_commit(forks)


@queued(max_attempts=2)
async def forks_in_a_coroutine(sender: object, how: str, **kwargs: Any) -> None:
    if not (child := os.fork()):
        leave(how)
        return
    await asyncio.sleep(0.1)
    assert status_of(child) >= 0
    await leave_effect_async("parent")


@queued(max_attempts=1)
def has_a_child_write(sender: object, **kwargs: Any) -> None:
    leave_effect("before")
    if not (child := os.fork()):
        leave_effect("child")
        connections.close_all()
        return
    leave_effect("parent", detail=str(status_of(child)))


@queued(max_attempts=1)
def leaves_a_child(sender: object, seconds: float = 1, **kwargs: Any) -> None:
    """Return first; the child returns later, when this worker is at something else."""
    if not (child := os.fork()):
        time.sleep(seconds)
        return
    leave_effect("child", detail=str(child))


@queued(max_attempts=1)
def changes_its_process(sender: object, **kwargs: Any) -> None:
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    tenant.set("another's")
    decimal.getcontext().prec = 3
    os.chdir(tempfile.gettempdir())
    os.environ["TENANT"] = "another's"
    os.environ.pop("PATH")
    os.umask(0)
    socket.setdefaulttimeout(1)
    sys.stdout = io.StringIO()
    gc.disable()
    if threading.current_thread() is threading.main_thread():  # a coroutine's is another one
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])


def state_of_process() -> dict[str, object]:
    """Return what receivers may have changed."""
    mask = os.umask(0)
    os.umask(mask)
    return {
        "language": translation.get_language(),
        "time zone": timezone.get_current_timezone_name(),
        "tenant": tenant.get(),
        "precision": decimal.getcontext().prec,
        "directory": os.getcwd(),
        "variables": (os.environ.get("TENANT"), os.environ.get("PATH")),
        "umask": mask,
        "sockets": socket.getdefaulttimeout(),
        "output": sys.stdout,
        "collector": gc.isenabled(),
        "children": signal.getsignal(signal.SIGCHLD),
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    }


@queued(max_attempts=1)
async def changes_its_process_in_a_coroutine(sender: object, **kwargs: Any) -> None:
    changes_its_process.func(sender)


@queued(max_attempts=1)
def changes_its_process_and_fails(sender: object, **kwargs: Any) -> None:
    changes_its_process.func(sender)
    raise ValueError("too bad")


seen: list[dict[str, object]] = []


@queued(max_attempts=1)
def looks_at_its_process(sender: object, **kwargs: Any) -> None:
    seen.append(state_of_process())


class Endless(Exception):
    def __str__(self) -> str:
        while True:
            with suppress(BaseException):
                time.sleep(0.1)


@queued(max_attempts=1, timeout=0.3)
def says_an_endless_error(sender: object, **kwargs: Any) -> None:
    raise Endless


@queued(max_attempts=1)
def leaves_a_thread(sender: object, **kwargs: Any) -> None:
    leave_effect("thread")
    threading.Thread(target=time.sleep, args=(600,), daemon=False).start()


@queued(max_attempts=1)
def leaves_an_executor(sender: object, **kwargs: Any) -> None:
    leave_effect("thread")
    ThreadPoolExecutor(1).submit(time.sleep, 600)


@queued(max_attempts=1)
def leaves_a_process(sender: object, **kwargs: Any) -> None:
    process = Process(target=time.sleep, args=(600,))
    process.start()
    leave_effect("process", detail=str(process.pid))


@queued(max_attempts=1)
def uses_a_pool(sender: object, **kwargs: Any) -> None:
    with Pool(2) as pool:
        leave_effect("pool", detail=str(pool.map(abs, [-1, -2])))


@queued(max_attempts=1)
def uses_an_executor(sender: object, **kwargs: Any) -> None:
    with ProcessPoolExecutor(2) as pool:
        leave_effect("pool", detail=str(list(pool.map(abs, [-1, -2]))))
