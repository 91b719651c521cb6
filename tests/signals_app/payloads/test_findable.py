"""Which functions may be queued receivers, and what the others are told."""

from __future__ import annotations

import functools
import runpy
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from django.dispatch import Signal

from signals_app.dispatcher import queued, queued_receiver, registry
from signals_app.exceptions import ReceiverError
from signals_app.payloads.names import require_importable

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

    def __call__(self, sender: object, **kwargs: Any) -> None: ...


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


@pytest.mark.parametrize(
    "function", [plain, coroutine, everything_by_keyword, wrapped, Service.of_class, Service.static]
)
def test_a_function_with_a_name_that_takes_any_keyword_is_findable(function: Callable[..., object]) -> None:
    require_importable(function)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (nameless, f"{HERE}.<lambda> is a lambda, which a worker cannot find by name; {CURE}."),
        (
            make_nested(),
            f"{HERE}.make_nested.<locals>.nested {NESTED}",
        ),
        (
            wrapped_without_wraps,
            f"{HERE}.careless.<locals>.wrapper {NESTED}",
        ),
        (
            Service().method,
            (
                f"{HERE}.Service.method is bound to an instance of Service, which exists in this process only; "
                f"write a function that makes or finds one and calls it, {TOP}."
            ),
        ),
        (
            Service.method,
            f"{HERE}.Service.method takes 'self' by position, {BY_KEYWORD}; make it a staticmethod.",
        ),
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
        (print, f"builtins.print must accept keyword arguments; add **kwargs to its parameters, or {CALL}."),
        (max, f"builtins.max must accept keyword arguments; add **kwargs to its parameters, or {CALL}."),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_function_that_a_worker_could_not_find_or_call_is_refused_when_decorated(
    function: Callable[..., object], message: str
) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(function, key="refused")

    assert str(caught.value) == message
    assert registry.get("refused") is None


@pytest.mark.parametrize(
    "target", [Service(), functools.partial(plain, order=1), dict.get], ids=["callable", "partial", "of C"]
)
def test_a_callable_that_is_no_function_is_refused(target: Callable[..., object]) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(target)

    assert str(caught.value) == f"{target!r} is not a function, so a worker could not find it by name; {CALL}."


def test_a_function_of_the_script_that_was_started_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def work(sender, **kwargs): ...\n")
    work = runpy.run_path(str(script), run_name="__main__")["work"]

    with pytest.raises(ReceiverError) as caught:
        queued(work)

    assert str(caught.value) == (
        f"__main__.work lives in the script that was started, which no worker imports; {CURE}."
    )


def test_a_classmethod_object_is_refused_with_a_sentence() -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(vars(Service)["of_class"])

    assert str(caught.value) == "Service.of_class is a classmethod, which has no class yet; make it a staticmethod."


def test_a_signal_is_no_function() -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(cast("Any", Signal()))

    assert str(caught.value) == "queued takes a function, not a signal; write @queued_receiver(signal) instead."


def test_a_queued_receiver_is_not_made_twice() -> None:
    once = queued(plain, key="once")
    try:
        with pytest.raises(ReceiverError) as caught:
            queued_receiver(Signal())(once)
        assert str(caught.value) == (
            "<QueuedReceiver once> is a queued receiver already. Connect it to several signals with "
            "@queued_receiver([one, another]), or to one more with connect()."
        )
    finally:
        registry.forget("once")


@pytest.mark.parametrize("key", [5, b"work", ("a",)])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(ReceiverError, match="is not a printable text of 1 to 255 characters") as caught:
        queued(plain, key=key)

    assert str(caught.value) == f"key={key!r} is not a printable text of 1 to 255 characters."


@pytest.mark.parametrize("key", ["x" * 256, "a\0b", "a\ud83d", "a\nforged log line"])
def test_a_key_that_the_record_could_not_hold_is_refused(key: str) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(plain, key=key)

    assert str(caught.value) == f"key={key!r} is not a printable text of 1 to 255 characters."


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


@pytest.mark.parametrize(("refused", "forwarding"), [(till.ring, forward_ring), (lunch, forward_lunch)])
def test_a_librarys_object_is_called_by_a_function_as_the_cure_says(
    refused: Callable[..., object], forwarding: Callable[..., object], made: Callable[..., Any]
) -> None:
    with pytest.raises(ReceiverError, match=f"calls it, {TOP}"):
        queued(refused)
    till.rung.clear()
    made(forwarding).func(sender=None, amount=12)

    assert till.rung == [12]


@pytest.mark.parametrize("function", [cached, dispatched])
def test_what_functools_makes_of_a_function_can_be_queued(
    function: Callable[..., object], made: Callable[..., Any]
) -> None:
    assert made(function).key == f"{HERE}.{function.__name__}"


def test_a_decorator_that_wraps_as_the_cure_says_makes_no_difference(made: Callable[..., Any]) -> None:
    assert made(wrapped).key == f"{HERE}.wrapped"
    assert registry.get("static") is Till.close
