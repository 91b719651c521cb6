"""Puts back what a receiver changed in its process; ``connections`` does so for database sessions."""

from __future__ import annotations

# unlike signal, which is built on it, it makes no enumerations of what it answers for each delivery
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
from typing import Any, NamedTuple, TextIO, TypeVar, cast

from django.core.cache import caches
from django.utils import timezone, translation

from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.worker")

T = TypeVar("T")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
PRIVATE = 0o077  # files that another thread makes while the mask is read are nobody else's


class Part(NamedTuple):
    """Something of a process that one receiver may change for all that follow."""

    name: str
    read: Callable[[], Any]
    put_back: Callable[[Any], object]


def _directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted
        return None


def _environment() -> dict[bytes, bytes]:
    return cast(Any, os.environ)._data  # type: ignore[no-any-return]  # all of it, 40 times as fast as by its names


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


_PARTS = (
    Part("working directory", _directory, lambda kept: os.chdir(kept) if kept else None),
    Part("environment", _environment, _set_environment),
    Part("umask", _umask, os.umask),
    Part("default timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Part("pair of standard streams", lambda: (sys.stdout, sys.stderr), _set_streams),
    Part("state of the garbage collector", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Part("set of signal handlers", lambda: [_signal.getsignal(number) for number in SIGNALS], _set_handlers),
    # a blocked SIGALRM would keep the next receivers from their timeouts
    Part(
        "set of blocked signals",
        lambda: _signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda kept: signal.pthread_sigmask(signal.SIG_SETMASK, kept),
    ),
)
_READ = tuple(part.read for part in _PARTS)


class Isolation:
    """Remembers the process as it is, so that no receiver finds what another one left: a directory, a language."""

    def __init__(self) -> None:
        with suppress(Exception):  # what is wrong with a cache is for whoever uses it
            caches.all()  # made here, they are not made for each receiver anew, with connections of their own
        self._context = copy_context()
        for deactivate in (translation.deactivate, timezone.deactivate):  # a plain task of Django-Q may have left them
            self._context.run(deactivate)
        self._decimal = decimal.getcontext().copy()
        self._kept = [copy(part.read()) for part in _PARTS]

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
        for place, part in enumerate(_PARTS):
            if part.read() != self._kept[place]:
                _warn_once(receiver, part.name)
                try:
                    part.put_back(self._kept[place])
                # a directory that is gone; a drain beside the main thread; a thread that changes it meanwhile
                except Exception:
                    logger.exception("The %s could not be put back after %s.", part.name, receiver)
                    self._kept[place] = copy(part.read())  # the next receivers have to do with what is there


@lru_cache(maxsize=1_000)
def _warn_once(receiver: str, name: str) -> None:
    logger.warning("The receiver %s left another %s behind; it is put back each time.", receiver, name)
