"""Names of classes and signals, and labels of senders."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe

from signals_app.payloads.errors import Malformed
from signals_app.payloads.names import class_path, find_class, find_signal, label, named_signals, signal_name
from signals_app.signals import delivery_started
from tests.payload_app.models import ByCode, Plain
from tests.payload_app.values import Outer, Service

module_level = Signal()


@pytest.mark.parametrize("cls", [int, Outer.Inner, Plain, WSGIHandler, type])
def test_class_is_found_again_by_its_path(cls: type) -> None:
    assert class_path(cls) == f"{cls.__module__}:{cls.__qualname__}"
    assert find_class(class_path(cls)) is cls


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tests.payload_app.values:Nobody", "There is no class 'Nobody' in the module 'tests.payload_app.values'."),
        ("tests.payload_app.values:Outer.Nobody", "There is no class 'Outer.Nobody'"),
        ("tests.payload_app.values:T", "There is no class 'T'"),
        ("tests.payload_app.values", "There is no class ''"),
        ("tests.payload_app.nobody:X", "The module 'tests.payload_app.nobody' cannot be imported"),
        ("signals_app..payloads:X", "The module 'signals_app..payloads' is not loaded here"),
        ("signals_app/../x:X", "is not loaded here and belongs to no installed app"),
        ("", "The module '' is not loaded here"),
        (":", "The module '' is not loaded here"),
    ],
)
def test_path_of_no_class_says_what_is_missing(path: str, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        find_class(path)
    assert message in str(caught.value)


def test_forged_path_imports_no_foreign_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_module.py").write_text("class Harm: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Malformed, match="foreign_module' is not loaded here and belongs to no installed app"):
        find_class("foreign_module:Harm")
    assert "foreign_module" not in sys.modules


def test_module_of_an_installed_app_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "django.contrib.auth.tokens", raising=False)
    assert (
        find_class("django.contrib.auth.tokens:PasswordResetTokenGenerator").__name__ == "PasswordResetTokenGenerator"
    )


def test_finding_a_class_runs_no_code_of_modules_and_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    module = Eager("eager_module")
    module.lazy = SimpleLazyObject(lambda: pytest.fail("evaluated"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "eager_module", module)
    for path in ("eager_module:Nobody", "eager_module:lazy", "eager_module:lazy.x"):
        with pytest.raises(Malformed):
            find_class(path)
    assert find_signal("eager_module.lazy") is None
    signal_name(Signal())


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        (module_level, f"{__name__}.module_level"),
        (delivery_started, "signals_app.signals.delivery_started"),
        (post_save, "django.db.models.signals.post_save"),  # though others import it
        (request_finished, "django.core.signals.request_finished"),
    ],
    ids=["here", "ours", "Django's", "a handler's"],
)
def test_signal_is_named_by_the_module_that_holds_it_and_found_by_that_name(signal: Signal, name: str) -> None:
    assert signal_name(signal) == name
    assert find_signal(name) is signal


def test_signal_without_a_module_level_name_has_none_until_it_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Signal()
    assert signal_name(signal) == ""
    module = ModuleType("late_module")
    module.late = signal  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "late_module", module)
    assert signal_name(signal) == "late_module.late"


def test_module_called_signals_gives_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Signal()
    for name in ("a", "some_package.signals"):
        module = ModuleType(name)
        module.it = signal  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    assert signal_name(signal) == "some_package.signals.it"


def test_scan_for_a_nameless_signal_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Signal()
    seen: list[str] = []

    class Spy(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            seen.append(name)
            return super().__getattribute__(name)

    monkeypatch.setitem(sys.modules, "zz_spy", Spy("zz_spy"))
    signal_name(signal)
    seen.clear()
    assert signal_name(signal) == ""
    assert seen == []


def test_signals_are_listed_once_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_module")
    module.again = module_level  # type: ignore[attr-defined]
    module.lazy = SimpleLazyObject(lambda: pytest.fail("evaluated"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_module", module)
    found = named_signals()
    assert [name for signal, name in found if signal is module_level] == [signal_name(module_level)]
    assert [name for _signal, name in found] == sorted(name for _signal, name in found)
    assert (post_save, "django.db.models.signals.post_save") in found


@pytest.mark.parametrize("name", ["", "post_save", "django.db.models.signals.nobody", "foreign.x", "sys.path", "."])
def test_name_of_no_signal_finds_none(name: str) -> None:
    assert find_signal(name) is None


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        (None, ""),
        ("checkout", "checkout"),
        (mark_safe("checkout"), "checkout"),
        (Plain, "tests.payload_app.models.Plain"),
        (Outer.Inner, "tests.payload_app.values.Outer.Inner"),
        (ByCode(code="x1"), "payload_app.ByCode(x1)"),
        (Plain(), "payload_app.Plain(None)"),
        (Session(session_key="hunter2"), "sessions.Session(********)"),
        (Service(), "tests.payload_app.values.Service"),
        (SimpleLazyObject(lambda: ByCode(code="x2")), "payload_app.ByCode(x2)"),
        (SimpleLazyObject(lambda: "checkout"), "checkout"),
        ("Müller\n#7  FAILED\u202e\x1b[2J", "Müller\\n#7  FAILED\\u202e\\x1b[2J"),
        ("a" * 300, "a" * 255),
        ("a" * 240 + " amqp://ada:hunter2@queue", "a" * 240 + " amqp://ada:***"),
        ("ada password=hunter2", "ada password=********"),
        (ByCode(code="é\0\ud83d"), "payload_app.ByCode(é\\x00\\ud83d)"),
        (ByCode(code=10**5000), "tests.payload_app.models.ByCode"),
        (5, "builtins.int"),
    ],
)
def test_label_is_short_text_for_people(sender: object, text: str) -> None:
    assert label(sender) == text
    assert type(label(sender)) is str
