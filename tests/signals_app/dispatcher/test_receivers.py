"""Which functions may be queued receivers, what the others are told, and which function a key stands for."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.dispatch import Signal

from signals_app.dispatcher import queued, registry
from signals_app.exceptions import ReceiverError
from tests.signals_app.listeners import Make
from tests.testapp import receivers

HERE = __name__
TOP = "with def at the top level of a module that every worker imports"
CURE = f"define it {TOP}"
CALL = f"write a function that calls it, {TOP}"
NO_NAME = f"is not a function, so a worker could not find it by name; {CALL}."
NO_KWARGS = f"must accept keyword arguments; add **kwargs to its parameters, or {CALL}."
GENERATOR = "is a generator: calling it would run nothing. Return instead of yield."
NESTED = (
    f"is nested in another function, so a worker cannot find it; {CURE}. If a decorator returned it, put "
    "@functools.wraps above the function within the decorator."
)
BOUND = (
    "is bound to an instance of Till, which exists in this process only; "
    f"write a function that makes or finds one and calls it, {TOP}."
)
ALREADY = (
    "<QueuedReceiver static> is a queued receiver already. Connect it to several signals with "
    "@queued_receiver([one, another]), or to one more with connect()."
)
BY_KEYWORD = "by position, but a signal passes everything by keyword"
TWICE = (
    "The key 'work' already belongs to reloaded_module.work, which is defined twice in its module. Rename one of the "
    "two, or give it a key=... of its own."
)


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


nameless = lambda sender, **kwargs: None  # noqa: E731


def no_kwargs(sender: object, signal: object) -> None: ...


def only_positional(sender: object, order: object, /, **kwargs: Any) -> None: ...


def generator(sender: object, **kwargs: Any) -> Iterator[int]:
    yield 1


async def async_generator(sender: object, **kwargs: Any) -> AsyncIterator[int]:
    yield 1


def of_script(sender: object, **kwargs: Any) -> None: ...


of_script.__module__ = "__main__"


class Till:
    """A library's object, whose method somebody wants to be called."""

    def method(self, sender: object, **kwargs: Any) -> None: ...

    @classmethod
    def of_class(cls, sender: object, **kwargs: Any) -> None: ...

    @staticmethod
    def static(sender: object, **kwargs: Any) -> None: ...

    @staticmethod
    @queued(key="static")
    def close(sender: object, **kwargs: Any) -> str:
        """Be found under a class."""
        return "closed"


till = Till()
lunch = functools.partial(till.method, 12)


@pytest.mark.parametrize(
    "function",
    [plain, coroutine, everything_by_keyword, wrapped, cached, dispatched, Till.of_class, Till.static],
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
        (careless(plain), f"{HERE}.careless.<locals>.wrapper {NESTED}"),
        (till.method, f"{HERE}.Till.method {BOUND}"),
        (Till.method, f"{HERE}.Till.method takes 'self' {BY_KEYWORD}; make it a staticmethod."),
        (only_positional, f"{HERE}.only_positional takes 'sender' {BY_KEYWORD}; drop the / from its parameters."),
        (no_kwargs, f"{HERE}.no_kwargs {NO_KWARGS}"),
        (generator, f"{HERE}.generator {GENERATOR}"),
        (async_generator, f"{HERE}.async_generator {GENERATOR}"),
        *((function, f"{function!r} {NO_NAME}") for function in (Till, lunch, dict.get)),
        *((function, f"builtins.{function.__name__} {NO_KWARGS}") for function in (print, max)),
        (of_script, f"__main__.of_script lives in the script that was started, which no worker imports; {CURE}."),
        (vars(Till)["of_class"], "Till.of_class is a classmethod, which has no class yet; make it a staticmethod."),
        (Signal(), "queued takes a function, not a signal; write @queued_receiver(signal) instead."),
        (Till.close, ALREADY),
    ],
    ids=lambda value: getattr(value, "__qualname__", "") if callable(value) else "",
)
def test_what_a_worker_could_not_find_or_call_is_refused_when_decorated(function: Any, message: str) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(function, key="refused")
    assert str(caught.value) == message
    assert registry.get("refused") is None


def test_a_key_that_another_function_has_is_refused_until_it_is_forgotten(made: Make) -> None:
    known = made(plain, key="mail")
    with pytest.raises(ReceiverError) as caught:
        queued(coroutine, key="mail")
    assert str(caught.value) == (
        f"The key 'mail' already belongs to {HERE}.plain. Give {HERE}.coroutine a key=... of its own."
    )
    assert registry.get("mail") is known
    registry.forget("mail")
    registry.forget("never there")
    assert registry.get("mail") is None
    assert registry.get("mail") is not made(coroutine, key="mail")


@pytest.mark.parametrize("key", [5, b"work", "x" * 256, "a\0b", "a\ud800", "a\nforged log line"])
def test_a_key_that_the_record_could_not_hold_is_refused(key: Any) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(plain, key=key)
    assert str(caught.value) == f"key={key!r} is not a printable text of 1 to 255 characters."


WORK = """
import functools
from django.dispatch import Signal
from signals_app.dispatcher import queued_receiver

def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

done = globals().get("done") or Signal()

@queued_receiver(done, key="work")
{decorator}
def work(sender, **kwargs): ...
"""
AGAIN = '@queued_receiver(done, key="work")\n{decorator}\ndef work(sender, **kwargs): ...\n'


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module ``reloaded_module`` with a receiver, importable from here on."""
    path = tmp_path / "reloaded_module.py"
    path.write_text(WORK.format(decorator=""))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield path
    registry.forget("work")
    for name in ("reloaded_module", "second_name"):
        sys.modules.pop(name, None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [WORK.format(decorator=""), "\n\n" + WORK.format(decorator=""), WORK.format(decorator="@logged")],
    ids=["as it was", "moved", "decorated"],
)
def test_a_reloaded_module_replaces_its_receivers_whatever_was_edited(module: Path, text: str) -> None:
    loaded: Any = importlib.import_module("reloaded_module")
    old = registry.get("work")
    module.write_text(text)
    importlib.invalidate_caches()
    importlib.reload(loaded)
    new = registry.get("work")
    assert old is not None
    assert new is loaded.work is not old
    old = None
    assert [receiver for receiver, _ in loaded.done.send(sender=None)] == [new]  # the old one is not called beside it


def test_a_module_that_is_imported_under_two_names_is_told(module: Path) -> None:
    importlib.import_module("reloaded_module")
    spec: Any = importlib.util.spec_from_file_location("second_name", module)
    with pytest.raises(ReceiverError) as caught:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert str(caught.value) == (
        "The key 'work' already belongs to reloaded_module.work, which is the same as second_name.work: the file was "
        "imported under two names. Import it as one."
    )


@pytest.mark.parametrize("decorator", ["", "@logged"])
def test_two_functions_of_one_name_are_two(decorator: str, module: Path) -> None:
    module.write_text((WORK + AGAIN).format(decorator=decorator))
    with pytest.raises(ReceiverError) as caught:
        importlib.import_module("reloaded_module")
    assert str(caught.value) == TWICE


def test_a_function_that_takes_the_name_of_one_after_its_module_was_loaded_is_refused() -> None:
    def work(sender: object, **kwargs: Any) -> None: ...

    work.__module__, work.__qualname__ = receivers.work.func.__module__, "work"
    with pytest.raises(ReceiverError, match="which is defined twice in its module"):
        queued(work)


def test_a_receiver_may_be_defined_again_where_lines_are_typed_one_by_one() -> None:
    names: dict[str, Any] = {"__name__": "typed"}
    line = "from signals_app.dispatcher import queued\n@queued(key='work')\ndef work(sender, **kwargs): ...\n"
    try:
        for shift in ("", "\n"):
            exec(compile(shift + line, "<stdin>", "exec"), names)  # as a shell or a doctest does
        assert registry.get("work") is names["work"]
    finally:
        registry.forget("work")
