"""Receivers that return what nobody can send on, and raise what is no error."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from signals_app.backoff import fixed
from signals_app.dispatcher import queued
from tests.faults import journal
from tests.testapp.receivers import leave_effect, leave_effect_async


class Unprintable(Exception):
    """Has no text, and cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __str__(self) -> str:
        raise RuntimeError("no words")


def nested(depth: int) -> list[Any]:
    """Return a list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def recursive() -> list[Any]:
    """Return a list that is its own item."""
    value: list[Any] = []
    value.append(value)
    return value


def endless(number: int) -> int:
    """Call itself until Python has had enough."""
    return endless(number + 1) + 1


VALUES: dict[str, Callable[[], object]] = {
    "a lock": threading.Lock,
    "a lambda": lambda: lambda: None,
    "a generator": lambda: (number for number in range(3)),
    "32 MB": lambda: bytes(32 * 2**20),
    "itself": recursive,
    "a deep list": lambda: nested(100_000),
    "an error": lambda: SystemExit(3),
}
ERRORS: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3),
    "SystemExit without a status": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "CancelledError": asyncio.CancelledError,
    "BaseException": lambda: BaseException("the root of all"),
    "a group": lambda: BaseExceptionGroup("many", [SystemExit(1), KeyboardInterrupt()]),
    "one without words": Unprintable,
    "one that is a megabyte long": lambda: ValueError("no" * 2**19),
    "NUL": lambda: ValueError("\0 \ud800"),
}


def begin() -> None:
    """Note the attempt."""
    journal.attempt()


@queued(key="exactly_once.returns", atomic=True)
def returns(sender: object, value: str, **kwargs: Any) -> object:
    begin()
    leave_effect(value)
    return VALUES[value]()


@queued(key="exactly_once.returns_async", atomic=True)
async def returns_async(sender: object, value: str, **kwargs: Any) -> object:
    begin()
    await leave_effect_async(value)
    return VALUES[value]()


@queued(key="exactly_once.raises", atomic=True, max_attempts=2, backoff=fixed(0))
def raises(sender: object, error: str, **kwargs: Any) -> None:
    begin()
    leave_effect(error)
    raise ERRORS[error]()


@queued(key="exactly_once.raises_async", atomic=True, max_attempts=2, backoff=fixed(0))
async def raises_async(sender: object, error: str, **kwargs: Any) -> None:
    begin()
    await leave_effect_async(error)
    raise ERRORS[error]()


@queued(max_attempts=2, backoff=fixed(0))
def never_comes_back(sender: object, **kwargs: Any) -> int:
    begin()
    return endless(0)
