"""Where things are defined, told without saying where on this machine the project lies."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from django.conf import LazySettings

from signals_app import conf
from signals_app.console.signals_map.listeners import place_of_class, place_of_function, place_of_signal
from tests.signals_app.console.signals_map.listeners import Counter, line_of


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


def test_a_class_is_found_in_its_module() -> None:
    here = "tests/signals_app/console/signals_map/listeners.py"
    assert str(place_of_class(Counter)) == f"{here}:{line_of('class Counter')}"
    assert place_of_class(int) is None


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
