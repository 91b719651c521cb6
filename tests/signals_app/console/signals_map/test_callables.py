"""What a receiver is, whatever it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject

from signals_app.console.signals_map.listeners import Form, callee
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import Counter, Touchy, line_of

HERE = "tests.signals_app.console.signals_map.listeners"
FILE = "tests/signals_app/console/signals_map/listeners.py"


@pytest.fixture
def touchy() -> Iterator[Touchy]:
    Touchy.armed = True
    yield Touchy()
    Touchy.armed = False


@pytest.mark.parametrize(
    ("receiver", "name", "form", "line"),
    [
        (listeners.plain, "plain", Form.FUNCTION, "def plain("),
        (listeners.asynchronous, "asynchronous", Form.FUNCTION, "async def asynchronous("),
        (listeners.shortcut, "<lambda>", Form.FUNCTION, "shortcut ="),
        (listeners.decorated, "decorated", Form.DECORATED, "@logged"),
        (listeners.hidden, "anonymous.<locals>.wrapper", Form.FUNCTION, "def wrapper("),
        (Counter().method, "Counter.method", Form.METHOD, "def method("),
        (Counter.of_class, "Counter.of_class", Form.METHOD, "@classmethod"),
        (partial(listeners.plain, seat=1), "plain", Form.PARTIAL, "def plain("),
        (partial(partial(listeners.decorated, a=1), b=2), "decorated", Form.PARTIAL, "@logged"),
        (partial(Counter().method, a=1), "Counter.method", Form.PARTIAL, "def method("),
        (Counter(), "Counter", Form.OBJECT, "def __call__("),
        (listeners.remembered, "remembered", Form.DECORATED, "@Remembering"),
        (Counter, "Counter", Form.CLASS, "class Counter"),
        (listeners.by_queue, "by_queue", Form.FUNCTION, "@queued("),
        (listeners.wrapped_queued, "by_queue", Form.DECORATED, "@queued("),
        (partial(listeners.by_queue, a=1), "by_queue", Form.PARTIAL, "@queued("),
    ],
)
def test_a_receiver_is_known_by_name_form_and_place(receiver: object, name: str, form: Form, line: str) -> None:
    found = callee(receiver)
    assert (found.name, found.form) == (f"{HERE}.{name}", form)
    if name == "anonymous.<locals>.wrapper":  # the second of that name
        assert found.place is not None
        assert found.place.path == FILE
        assert found.place.line > line_of("def anonymous(")
    else:
        assert str(found.place) == f"{FILE}:{line_of(line)}"


@pytest.mark.parametrize(
    ("receiver", "is_queued"),
    [
        (listeners.by_queue, True),
        (listeners.wrapped_queued, True),
        (partial(listeners.by_queue, a=1), True),
        (listeners.by_queue.func, False),
        (listeners.plain, False),
    ],
)
def test_a_queued_receiver_is_found_beneath_what_wraps_it(receiver: object, is_queued: bool) -> None:
    assert (callee(receiver).queued is listeners.by_queue) is is_queued


@pytest.mark.parametrize(("receiver", "name"), [(print, "builtins.print"), ([].append, "list.append")])
def test_what_is_built_in_has_no_place(receiver: object, name: str) -> None:
    found = callee(receiver)
    assert (found.name, found.form, found.place) == (name, Form.BUILTIN, None)


def test_nothing_is_called_and_nothing_is_asked_of_an_object(touchy: Touchy) -> None:
    found = callee(touchy)
    assert (found.name, found.form) == (f"{HERE}.Touchy", Form.OBJECT)
    assert callee(partial(touchy)).form == Form.PARTIAL


def test_what_is_lazy_stays_so() -> None:
    lazy = SimpleLazyObject(lambda: pytest.fail("evaluated"))
    found = callee(lazy)
    assert (found.name, found.form) == ("django.utils.functional.SimpleLazyObject", Form.OBJECT)


def test_a_wrapper_of_itself_comes_to_an_end() -> None:
    def one(**kwargs: Any) -> None: ...
    def other(**kwargs: Any) -> None: ...

    one.__wrapped__, other.__wrapped__ = other, one  # type: ignore[attr-defined]
    assert callee(one).form == Form.DECORATED


def test_names_that_are_no_text_are_left_out() -> None:
    def strange(**kwargs: Any) -> None: ...

    strange.__module__ = None  # type: ignore[assignment]
    assert callee(strange).name == "test_names_that_are_no_text_are_left_out.<locals>.strange"
