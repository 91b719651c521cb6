"""Queued receivers by key."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signals_app.dispatcher import queued, registry
from signals_app.dispatcher.registration import Registry
from signals_app.exceptions import ReceiverError


def first(sender: object, **kwargs: Any) -> None: ...


def second(sender: object, **kwargs: Any) -> None: ...


def test_a_receiver_is_found_by_its_key() -> None:
    names: Registry[str] = Registry()
    names.add("a", "one", first)

    assert names.get("a") == "one"
    assert names.get("b") is None


def test_all_receivers_come_in_the_order_of_their_keys() -> None:
    names: Registry[str] = Registry()
    names.add("b", "two", second)
    names.add("a", "one", first)

    assert names.all() == ["one", "two"]


def test_a_key_that_another_function_has_is_refused() -> None:
    names: Registry[str] = Registry()
    names.add("mail", "one", first)

    with pytest.raises(ReceiverError) as caught:
        names.add("mail", "two", second)

    assert str(caught.value) == (
        f"The key 'mail' already belongs to {__name__}.first. Give {__name__}.second a key=... of its own."
    )
    assert names.get("mail") == "one"


def test_a_forgotten_receiver_is_gone_and_its_key_is_free() -> None:
    names: Registry[str] = Registry()
    names.add("mail", "one", first)
    names.forget("mail")
    names.forget("never there")
    names.add("mail", "two", second)

    assert names.all() == ["two"]


def test_the_key_is_module_and_qualified_name_unless_given() -> None:
    made = [queued(first), queued(first, key="mail")]
    try:
        assert [one.key for one in made] == [f"{__name__}.first", "mail"]
        assert [registry.get(one.key) for one in made] == made
    finally:
        for one in made:
            registry.forget(one.key)


def test_a_duplicate_key_is_refused_when_the_second_function_is_decorated() -> None:
    made = queued(first, key="mail")
    try:
        with pytest.raises(ReceiverError, match=r"^The key 'mail' already belongs to .*first"):
            queued(second, key="mail")
        assert registry.get("mail") is made
    finally:
        registry.forget("mail")


def test_a_second_function_of_the_same_name_in_a_module_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "twice.py"
    script.write_text("from signals_app.dispatcher import queued\n" + "@queued\ndef work(sender, **kwargs): ...\n" * 2)
    try:
        with pytest.raises(ReceiverError) as caught:
            runpy.run_path(str(script), run_name="twice")
    finally:
        registry.forget("twice.work")

    assert str(caught.value) == (
        "The key 'twice.work' already belongs to twice.work, which is defined twice in its module. Rename one of the "
        "two, or give it a key=... of its own."
    )


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
    signal = loaded.done
    module.write_text(text)
    importlib.invalidate_caches()
    importlib.reload(loaded)
    new = registry.get("work")

    assert new is loaded.work
    assert new is not old
    assert old is not None
    old = None
    assert [receiver for receiver, _ in signal.send(sender=None)] == [new]  # the old one is not called beside it


def test_a_module_that_is_imported_under_two_names_is_told(module: Path) -> None:
    importlib.import_module("reloaded_module")
    spec = importlib.util.spec_from_file_location("second_name", module)
    assert spec is not None
    assert spec.loader is not None
    second = importlib.util.module_from_spec(spec)

    with pytest.raises(ReceiverError) as caught:
        spec.loader.exec_module(second)

    assert str(caught.value) == (
        "The key 'work' already belongs to reloaded_module.work, which is the same as second_name.work: the file was "
        "imported under two names. Import it as one."
    )


def test_two_functions_of_one_name_and_one_decorator_are_two(module: Path) -> None:
    text = WORK.format(decorator="@logged")
    module.write_text(text + text[text.index("@queued") :])

    with pytest.raises(ReceiverError, match="which is defined twice in its module"):
        importlib.import_module("reloaded_module")


def test_a_receiver_may_be_defined_again_where_lines_are_typed_one_by_one() -> None:
    names: dict[str, Any] = {"__name__": "typed"}
    line = "from signals_app.dispatcher import queued\n@queued(key='work')\ndef work(sender, **kwargs): ...\n"
    try:
        for shift in ("", "\n"):
            exec(compile(shift + line, "<stdin>", "exec"), names)  # as a shell or a doctest does
        assert registry.get("work") is names["work"]
    finally:
        registry.forget("work")
