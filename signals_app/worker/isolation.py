"""Puts back what a receiver changed in its process; ``connections`` does so for database sessions."""

from __future__ import annotations

# unlike signal, which is built on it, it makes no enumerations of its answers for each delivery
import _signal  # type: ignore[import-not-found]
import decimal
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from functools import lru_cache
from typing import Any, TextIO, TypeVar, cast

from django.core.cache import caches
from django.utils import timezone, translation

from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.worker")

T = TypeVar("T")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
PRIVATE = 0o077  # files that another thread creates while the mask is read are readable by nobody else


def _directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted
        return None


def _environment() -> dict[bytes, bytes]:
    return cast(Any, os.environ)._data  # type: ignore[no-any-return]  # 40 times as fast as a copy by names


def _set_environment(kept: dict[bytes, bytes]) -> None:
    for name in _environment().keys() - kept.keys():
        os.environb.pop(name, None)
    os.environb.update(kept)


def _umask() -> int:
    mask = os.umask(PRIVATE)
    os.umask(mask)
    return mask


def _set_handlers(kept: list[Any]) -> None:
    for number, handler in zip(SIGNALS, kept, strict=True):
        if handler is not None:  # one that C set
            signal.signal(number, handler)


def _set_streams(kept: tuple[TextIO, TextIO]) -> None:
    sys.stdout, sys.stderr = kept


# what one receiver may change for all that follow: its name, how it is read, and how it is put back
_PARTS: tuple[tuple[str, Callable[[], Any], Callable[[Any], object]], ...] = (
    ("working directory", _directory, lambda kept: os.chdir(kept) if kept else None),
    ("environment", _environment, _set_environment),
    ("umask", _umask, os.umask),
    ("default timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    ("pair of standard streams", lambda: (sys.stdout, sys.stderr), _set_streams),
    ("state of the garbage collector", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    ("set of signal handlers", lambda: [_signal.getsignal(number) for number in SIGNALS], _set_handlers),
    # a blocked SIGALRM would keep the next receivers from their timeouts
    (
        "set of blocked signals",
        lambda: _signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda kept: signal.pthread_sigmask(signal.SIG_SETMASK, kept),
    ),
)
_READ = tuple(read for _, read, _ in _PARTS)


class Isolation:
    """Keeps what one receiver changes in the process, such as its directory or language, from the next one."""

    def __init__(self) -> None:
        with suppress(Exception):  # a broken cache concerns whoever uses it
            caches.all()  # made here, they are not made again for each receiver, with connections of their own
        self._context = copy_context()
        for deactivate in (translation.deactivate, timezone.deactivate):  # a plain task of Django-Q may have left them
            self._context.run(deactivate)
        self._decimal = decimal.getcontext().copy()
        self._kept = [copy(read()) for read in _READ]

    def call(self, func: Callable[..., T], *args: object, receiver: str) -> T:
        """Call a function in a context of its own, and put back what the receiver that it runs has changed."""
        try:
            return self._context.copy().run(self._call, func, *args)
        finally:
            if [read() for read in _READ] != self._kept:
                self._put_back(receiver)

    def _call(self, func: Callable[..., T], *args: object) -> T:
        decimal.setcontext(self._decimal.copy())
        return func(*args)

    def _put_back(self, receiver: str) -> None:
        for place, (name, read, put_back) in enumerate(_PARTS):
            if read() != self._kept[place]:
                _warn_once(receiver, name)
                try:
                    put_back(self._kept[place])
                # a directory that is gone; a drain beside the main thread; a thread that changes it meanwhile
                except Exception:
                    logger.exception("The %s could not be put back after %s.", name, receiver)
                    self._kept[place] = copy(read())  # the next receivers have to do with what is there


@lru_cache(maxsize=1_000)
def _warn_once(receiver: str, name: str) -> None:
    logger.warning("The receiver %s left another %s behind; it is put back each time.", receiver, name)
