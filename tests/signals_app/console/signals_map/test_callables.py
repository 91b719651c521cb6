"""What a receiver is, whatever it was made of, and where: told without saying where on this machine that is."""

from __future__ import annotations

import functools
import json
import sys
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils.functional import SimpleLazyObject

from signals_app import conf
from signals_app.console.signals_map.callables import (
    Form,
    callee,
    place_of_function,
    place_of_signal,
)
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import FILE, HERE, Counter, line_of


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
    assert found.queued is (listeners.by_queue if name == "by_queue" else None)
    if name == "anonymous.<locals>.wrapper":  # the second of that name
        assert found.place is not None
        assert found.place.path == FILE
        assert found.place.line > line_of("def anonymous(")
    else:
        assert str(found.place) == f"{FILE}:{line_of(line)}"


@pytest.mark.parametrize(("receiver", "name"), [(print, "builtins.print"), ([].append, "list.append")])
def test_what_is_built_in_has_no_place(receiver: object, name: str) -> None:
    found = callee(receiver)
    assert (found.name, found.form, found.place) == (name, Form.BUILTIN, None)


def test_what_is_lazy_stays_so() -> None:
    lazy = SimpleLazyObject(lambda: pytest.fail("evaluated"))
    found = callee(lazy)
    assert (found.name, found.form) == ("django.utils.functional.SimpleLazyObject", Form.OBJECT)


def test_a_wrapper_of_itself_comes_to_an_end() -> None:
    def one(**kwargs: Any) -> None: ...
    def other(**kwargs: Any) -> None: ...

    one.__wrapped__, other.__wrapped__ = other, one  # type: ignore[attr-defined]
    assert callee(one).form == Form.DECORATED


def function_in(filename: str, line: int = 7) -> FunctionType:
    """Return a function that says it was defined there."""

    def function() -> None: ...

    return FunctionType(function.__code__.replace(co_filename=filename, co_firstlineno=line), {})


@pytest.mark.parametrize(
    ("filename", "told", "is_library"),
    [
        ("/srv/shop/orders/receivers.py", "orders/receivers.py:7", False),
        ("/srv/shop/.venv/lib/python3.13/site-packages/django/x.py", "django/x.py:7", True),
        ("/usr/lib/python3/dist-packages/some/x.py", "some/x.py:7", True),
        (functools.__file__, "functools.py:7", True),
        (json.__file__, "json/__init__.py:7", True),
        (conf.__file__, "signals_app/conf.py:7", True),
        ("/srv/path-entry/other/x.py", "other/x.py:7", False),
        ("/home/ada/secret/x.py", "x.py:7", False),
        ("orders/x.py", "x.py:7", False),
    ],
)
def test_a_path_begins_at_the_project_or_at_a_library(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch, filename: str, told: str, is_library: bool
) -> None:
    settings.BASE_DIR = Path("/srv/shop")
    monkeypatch.syspath_prepend("/srv/path-entry")
    place = place_of_function(function_in(filename))
    assert place is not None
    assert (str(place), place.is_library) == (told, is_library)


@pytest.mark.parametrize("filename", ["", "<string>", "<frozen importlib._bootstrap>"])
def test_what_is_in_no_file_has_no_place(filename: str) -> None:
    assert place_of_function(function_in(filename)) is None


def test_a_project_without_a_base_dir_is_told_from_the_import_path(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    del settings.BASE_DIR
    monkeypatch.syspath_prepend("/srv/shop")
    assert str(place_of_function(function_in("/srv/shop/orders/receivers.py"))) == "orders/receivers.py:7"


def test_a_signal_is_where_it_is_made() -> None:
    assert str(place_of_signal("sigdemo.shop.signals.order_placed")) == "sigdemo/shop/signals.py:5"
    assert str(place_of_signal("django.core.signals.request_started")).startswith("django/core/signals.py:")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import x\n\nmoved: Signal = Signal()\n", 3),
        ("if True:\n    moved = Signal()\n", 2),
        ("from x import moved\n\nassert moved == 1\nmoved_on = 2\nmoved == 1\n", 0),
    ],
)
def test_a_signal_that_is_only_imported_has_a_file_and_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, line: int
) -> None:
    (tmp_path / "made.py").write_text(source)
    module = ModuleType("made")
    module.__file__ = str(tmp_path / "made.py")
    monkeypatch.setitem(sys.modules, "made", module)
    monkeypatch.syspath_prepend(str(tmp_path))
    place = place_of_signal("made.moved")
    assert place is not None
    assert (place.path, place.line, str(place)) == ("made.py", line, f"made.py:{line}" if line else "made.py")


def test_a_signal_of_no_module_has_no_place() -> None:
    assert place_of_signal("nowhere.to_be.found") is None
