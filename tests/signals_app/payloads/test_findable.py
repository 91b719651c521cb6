"""Which functions may be queued receivers, and what the others are told."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from signals_app.dispatcher import QueuedReceiver, queued, registry
from signals_app.exceptions import ReceiverError

HERE = __name__
TOP = "with def at the top level of a module that every worker imports"
CURE = f"define it {TOP}"
CALL = f"write a function that calls it, {TOP}"
NESTED = (
    f"is nested in another function, so a worker cannot find it; {CURE}. If a decorator returned it, put "
    "@functools.wraps above the function within the decorator."
)
BY_KEYWORD = "but a signal passes everything by keyword"


def plain(sender: object, **kwargs: Any) -> None: ...


async def coroutine(sender: object, **kwargs: Any) -> None: ...


def everything_by_keyword(**kwargs: Any) -> None: ...


def logged(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    return wrapper


def careless(function: Callable[..., None]) -> Callable[..., None]:
    def wrapper(**kwargs: Any) -> None:
        function(**kwargs)

    return wrapper


@logged
def wrapped(sender: object, **kwargs: Any) -> None: ...


@functools.cache
def cached(sender: object, **kwargs: Any) -> None: ...


@functools.singledispatch
def dispatched(sender: object = None, **kwargs: Any) -> None: ...


@careless
def wrapped_without_wraps(sender: object, **kwargs: Any) -> None: ...


class Service:
    def method(self, sender: object, **kwargs: Any) -> None: ...

    @classmethod
    def of_class(cls, sender: object, **kwargs: Any) -> None: ...

    @staticmethod
    def static(sender: object, **kwargs: Any) -> None: ...


nameless = lambda sender, **kwargs: None  # noqa: E731


def no_kwargs(sender: object, signal: object) -> None: ...


def only_positional(sender: object, order: object, /, **kwargs: Any) -> None: ...


def generator(sender: object, **kwargs: Any) -> Iterator[int]:
    yield 1


async def async_generator(sender: object, **kwargs: Any) -> AsyncIterator[int]:
    yield 1


def make_nested() -> Callable[..., None]:
    def nested(sender: object, **kwargs: Any) -> None: ...

    return nested


class Till:
    """A library's object, whose method somebody wants to be called."""

    def __init__(self) -> None:
        self.rung: list[object] = []

    def ring(self, amount: int) -> None:
        """Note an amount."""
        self.rung.append(amount)

    @staticmethod
    @queued(key="static")
    def close(sender: object, **kwargs: Any) -> str:
        """Be found under a class."""
        return "closed"


till = Till()
lunch = functools.partial(till.ring, 12)


def forward_ring(sender: object, amount: int, **kwargs: Any) -> None:
    till.ring(amount)


def forward_lunch(sender: object, **kwargs: Any) -> None:
    lunch()


def of_script(sender: object, **kwargs: Any) -> None: ...


of_script.__module__ = "__main__"

Make = Callable[..., QueuedReceiver]


@pytest.mark.parametrize(
    "function",
    [plain, coroutine, everything_by_keyword, wrapped, cached, dispatched, Service.of_class, Service.static],
    ids=lambda function: function.__name__,
)
def test_a_function_with_a_name_that_takes_any_keyword_can_be_queued(
    function: Callable[..., object], made: Make
) -> None:
    assert made(function).key == f"{HERE}.{function.__qualname__}"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (nameless, f"{HERE}.<lambda> is a lambda, which a worker cannot find by name; {CURE}."),
        (make_nested(), f"{HERE}.make_nested.<locals>.nested {NESTED}"),
        (wrapped_without_wraps, f"{HERE}.careless.<locals>.wrapper {NESTED}"),
        (
            till.ring,
            (
                f"{HERE}.Till.ring is bound to an instance of Till, which exists in this process only; "
                f"write a function that makes or finds one and calls it, {TOP}."
            ),
        ),
        (Service.method, f"{HERE}.Service.method takes 'self' by position, {BY_KEYWORD}; make it a staticmethod."),
        (
            only_positional,
            f"{HERE}.only_positional takes 'sender' by position, {BY_KEYWORD}; drop the / from its parameters.",
        ),
        (no_kwargs, f"{HERE}.no_kwargs must accept keyword arguments; add **kwargs to its parameters, or {CALL}."),
        (generator, f"{HERE}.generator is a generator: calling it would run nothing. Return instead of yield."),
        (
            async_generator,
            f"{HERE}.async_generator is a generator: calling it would run nothing. Return instead of yield.",
        ),
        (Service, f"{Service!r} is not a function, so a worker could not find it by name; {CALL}."),
        (lunch, f"{lunch!r} is not a function, so a worker could not find it by name; {CALL}."),
        (dict.get, f"{dict.get!r} is not a function, so a worker could not find it by name; {CALL}."),
        (print, f"builtins.print must accept keyword arguments; add **kwargs to its parameters, or {CALL}."),
        (max, f"builtins.max must accept keyword arguments; add **kwargs to its parameters, or {CALL}."),
        (of_script, f"__main__.of_script lives in the script that was started, which no worker imports; {CURE}."),
        (
            vars(Service)["of_class"],
            "Service.of_class is a classmethod, which has no class yet; make it a staticmethod.",
        ),
        (Signal(), "queued takes a function, not a signal; write @queued_receiver(signal) instead."),
        (
            Till.close,
            (
                "<QueuedReceiver static> is a queued receiver already. Connect it to several signals with "
                "@queued_receiver([one, another]), or to one more with connect()."
            ),
        ),
    ],
    ids=lambda value: getattr(value, "__qualname__", "") if callable(value) else "",
)
def test_what_a_worker_could_not_find_or_call_is_refused_when_decorated(function: Any, message: str) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(function, key="refused")

    assert str(caught.value) == message
    assert registry.get("refused") is None


@pytest.mark.parametrize("forwarding", [forward_ring, forward_lunch])
def test_a_librarys_object_is_called_by_a_function_as_the_cure_says(
    forwarding: Callable[..., object], made: Make
) -> None:
    till.rung.clear()
    made(forwarding).func(sender=None, amount=12)

    assert till.rung == [12]
