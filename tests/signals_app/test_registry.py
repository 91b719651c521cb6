"""Queued receivers by key."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from signals_app.dispatcher import queued, registry
from signals_app.exceptions import ReceiverError
from signals_app.registry import Registry


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
        "The key 'twice.work' already belongs to twice.work. Give twice.work a key=... of its own."
    )


def test_a_reloaded_module_replaces_its_receivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reloaded_module.py").write_text(
        "from signals_app.dispatcher import queued\n@queued\ndef work(sender, **kwargs): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("reloaded_module")
    try:
        old = registry.get("reloaded_module.work")
        importlib.reload(module)
        new = registry.get("reloaded_module.work")
        assert new is module.work
        assert new is not old
        assert old is not None
    finally:
        registry.forget("reloaded_module.work")
        del sys.modules["reloaded_module"]
