"""Queued receivers by key."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from signals_app.dispatcher import QueuedReceiver, queued, registry
from signals_app.exceptions import ReceiverError
from tests.testapp import receivers

Make = Callable[..., QueuedReceiver]


def first(sender: object, **kwargs: Any) -> None: ...


def second(sender: object, **kwargs: Any) -> None: ...


def test_a_receiver_is_found_by_its_key_which_is_its_dotted_name_unless_given(made: Make) -> None:
    by_key, by_name = made(first, key="mail"), made(first)

    assert (by_key.key, by_name.key) == ("mail", f"{__name__}.first")
    assert (registry.get("mail"), registry.get(by_name.key), registry.get("nobody")) == (by_key, by_name, None)
    keys = [receiver.key for receiver in registry.all()]
    assert keys == sorted(keys)
    assert {"mail", by_name.key} <= {*keys}


def test_a_key_that_another_function_has_is_refused_until_it_is_forgotten(made: Make) -> None:
    known = made(first, key="mail")
    with pytest.raises(ReceiverError) as caught:
        queued(second, key="mail")

    assert str(caught.value) == (
        f"The key 'mail' already belongs to {__name__}.first. Give {__name__}.second a key=... of its own."
    )
    assert registry.get("mail") is known
    registry.forget("mail")
    registry.forget("never there")
    assert registry.get("mail") is None
    assert registry.get("mail") is not made(second, key="mail")


@pytest.mark.parametrize("key", [5, b"work", "x" * 256, "a\0b", "a\ud800", "a\nforged log line"])
def test_a_key_that_the_record_could_not_hold_is_refused(key: Any) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(first, key=key)

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
    text = WORK.format(decorator=decorator)
    module.write_text(text + text[text.index("@queued") :])

    with pytest.raises(ReceiverError) as caught:
        importlib.import_module("reloaded_module")

    assert str(caught.value) == (
        "The key 'work' already belongs to reloaded_module.work, which is defined twice in its module. Rename one of "
        "the two, or give it a key=... of its own."
    )


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
