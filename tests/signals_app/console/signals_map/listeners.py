"""Receivers of every form, as projects write them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from signals_app.dispatcher import queued

HERE = __name__
FILE = "tests/signals_app/console/signals_map/listeners.py"
UNHEARD = "tests.testapp.signals.unheard"


def plain(sender: object, **kwargs: Any) -> None:
    """Does nothing."""


async def asynchronous(sender: object, **kwargs: Any) -> None:
    """Does nothing, in a loop."""


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function as decorators do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def anonymous(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function as decorators should not."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@logged
@logged
def decorated(sender: object, **kwargs: Any) -> None:
    """Does nothing, twice wrapped."""


hidden = anonymous(plain)
shortcut = lambda sender, **kwargs: None  # noqa: E731  # it is what a test is about


@queued(priority=3, drop=("request",), delay=1.5)
def by_queue(sender: object, **kwargs: Any) -> None:
    """Does nothing, in a worker."""


wrapped_queued = logged(by_queue)


class Counter:
    """An object that is called, and has methods that are."""

    def __call__(self, sender: object, **kwargs: Any) -> None:
        """Does nothing."""

    def method(self, sender: object, **kwargs: Any) -> None:
        """Does nothing."""

    @classmethod
    def of_class(cls, sender: object, **kwargs: Any) -> None:
        """Does nothing."""


class Remembering:
    """A decorator that is a class."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing."""


@Remembering
def remembered(sender: object, **kwargs: Any) -> None:
    """Does nothing."""


class Touchy:
    """An object that fails whoever calls it, or asks for more than what it is."""

    armed = False

    def __call__(self, **kwargs: Any) -> None:
        """Fail."""
        raise AssertionError("called")

    def __getattribute__(self, name: str) -> Any:
        if Touchy.armed:
            raise AssertionError(f"asked for {name}")
        return object.__getattribute__(self, name)

    def __repr__(self) -> str:
        raise AssertionError("asked for its repr")


def line_of(text: str) -> int:
    """Return the number of the line of this module that begins so."""
    with open(__file__) as source:
        return next(number for number, line in enumerate(source, start=1) if line.strip().startswith(text))
