"""Names of classes and signals, labels of senders, and senders that travel as one or the other."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.handlers.wsgi import WSGIHandler
from django.db import DatabaseError
from django.db.migrations.state import ProjectState
from django.dispatch import Signal
from django.http import HttpRequest
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from signals_app.payloads import decode_arguments
from signals_app.payloads.errors import Json, Malformed
from signals_app.payloads.names import find_class, find_signal, label, named_signals, signal_name
from tests.payload_app.models import ByCode, Plain
from tests.payload_app.values import Outer, Point, Service
from tests.signals_app.travels import encode, read, refusal


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tests.payload_app.values:Nobody", "There is no class 'Nobody' in the module 'tests.payload_app.values'."),
        ("tests.payload_app.values:Outer.Nobody", "There is no class 'Outer.Nobody'"),
        ("tests.payload_app.values:field", "There is no class 'field'"),
        ("tests.payload_app.values", "There is no class ''"),
        ("tests.payload_app.nobody:X", "The module 'tests.payload_app.nobody' cannot be imported"),
        ("signals_app..payloads:X", "The module 'signals_app..payloads' is not loaded here"),
        ("signals_app/../x:X", "is not loaded here and belongs to no installed app"),
        (":", "The module '' is not loaded here"),
    ],
)
def test_a_path_of_no_class_says_what_is_missing(path: str, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        find_class(path)
    assert message in str(caught.value)


def test_only_modules_of_installed_apps_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_module.py").write_text("class Harm: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Malformed, match="foreign_module' is not loaded here and belongs to no installed app"):
        find_class("foreign_module:Harm")
    assert "foreign_module" not in sys.modules
    monkeypatch.delitem(sys.modules, "django.contrib.auth.tokens", raising=False)
    assert isinstance(find_class("django.contrib.auth.tokens:PasswordResetTokenGenerator"), type)


def holding(name: str, monkeypatch: pytest.MonkeyPatch, kind: type[ModuleType] = ModuleType, **values: object) -> None:
    """Load a module that holds these values."""
    module = kind(name)
    vars(module).update(values)
    monkeypatch.setitem(sys.modules, name, module)


def test_nothing_lazy_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    lazy = SimpleLazyObject(lambda: pytest.fail("evaluated"))
    holding("eager_module", monkeypatch, Eager, lazy=lazy)
    for path in ("eager_module:Nobody", "eager_module:lazy", "eager_module:lazy.x"):
        with pytest.raises(Malformed):
            find_class(path)
    assert find_signal("eager_module.lazy") is None
    signal_name(Signal())
    named_signals()


def test_a_signal_has_no_name_until_a_module_holds_it_best_one_called_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    late, both = Signal(), Signal()
    assert signal_name(late) == ""
    holding("a", monkeypatch, late=late, both=both)
    holding("some_package.signals", monkeypatch, both=both)
    assert (signal_name(late), signal_name(both)) == ("a.late", "some_package.signals.both")


def test_the_scan_for_a_nameless_signal_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Signal()
    seen: list[str] = []

    class Spy(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            seen.append(name)
            return super().__getattribute__(name)

    holding("zz_spy", monkeypatch, Spy)
    signal_name(signal)
    seen.clear()
    assert signal_name(signal) == ""
    assert seen == []


@pytest.mark.parametrize("name", ["", "post_save", "django.db.models.signals.nobody", "foreign.x", "sys.path", "."])
def test_a_name_of_no_signal_finds_none(name: str) -> None:
    assert find_signal(name) is None


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        (None, ""),
        ("checkout", "checkout"),
        (Plain, "tests.payload_app.models.Plain"),
        (ByCode(code="x1"), "payload_app.ByCode(x1)"),
        (Session(session_key="hunter2"), "sessions.Session(********)"),
        (Service(), "tests.payload_app.values.Service"),
        (SimpleLazyObject(lambda: ByCode(code="x2")), "payload_app.ByCode(x2)"),
        ("Müller\n#7  FAILED\u202e\x1b[2J", "Müller\\n#7  FAILED\\u202e\\x1b[2J"),
        ("a" * 240 + " amqp://ada:hunter2@queue", "a" * 240 + " amqp://ada:***"),
        ("ada password=hunter2", "ada password=********"),
        (ByCode(code="é\0\ud83d"), "payload_app.ByCode(é\\x00\\ud83d)"),
        (ByCode(code=10**5000), "tests.payload_app.models.ByCode"),
        (5, "builtins.int"),
    ],
)
def test_a_label_is_short_text_for_people(sender: object, text: str) -> None:
    assert label(sender) == text
    assert type(label(sender)) is str


class Hostile:
    """Answers nothing that it is asked."""

    __hash__ = None  # type: ignore[assignment]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise ValueError("no class")

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Local:
    """Stands in for a class that is local to a function."""


Local.__qualname__ = "make.<locals>.Local"
config = apps.get_app_config("payload_app")
migrated: Any = ProjectState.from_apps(apps).apps.get_model("payload_app", "Plain")


def looped() -> Point:
    point = Point(1)
    point.y = point
    return point


def deleted() -> Plain:
    plain = Plain.objects.create(name="gone")
    plain.delete()
    return plain


def numbers() -> Iterator[int]:
    yield 1


def itself(value: object) -> tuple[Callable[[], object], object]:
    return lambda: value, value


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "received"),
    [
        *map(itself, [None, "checkout", Outer, Plain, WSGIHandler, 5, Point(1), ("a", 1)]),
        *[(kind, kind) for kind in (Service, Plain, object, HttpRequest)],
        (deleted, Plain),
        (looped, Point),
        (lambda: config, type(config)),
        (lambda: Local, f"{__name__}.make.<locals>.Local"),
        (Local, f"{__name__}.make.<locals>.Local"),
        (lambda: encode, "tests.signals_app.travels.encode"),
        (lambda: Service().work, "tests.payload_app.values.Service.work"),
        (lambda: lambda: None, f"{__name__}.<lambda>.<locals>.<lambda>"),
        (numbers, "builtins.generator"),
        (lambda: [1, io], "builtins.list"),
        (lambda: migrated, "__fake__.Plain"),
        (lambda: migrated(), "payload_app.Plain(None)"),
        (lambda: "a\0b\ud800\n", "a\\x00b\\ud800\\n"),
        (lambda: "x" * 70_000, "x" * 255),
        (lambda: Point("x" * 70_000), "tests.payload_app.values.Point"),
    ],
)
def test_a_sender_that_cannot_travel_does_so_as_its_class_else_as_its_label(
    make: Callable[[], object], received: object
) -> None:
    decoded = decode_arguments(encode({"order": 1}, make()))
    assert (decoded.sender, decoded.arguments) == (received, {"order": 1})


@pytest.mark.parametrize(
    "make",
    [Hostile, lambda: SimpleLazyObject(lambda: 1 / 0), lambda: Plain(pk=cast("Any", Hostile()))],
    ids=["all", "lazy", "key"],
)
def test_a_sender_whose_own_code_fails_loses_no_argument(make: Callable[[], Any]) -> None:
    sender = make()
    assert decode_arguments(encode({"order": 1}, sender)).sender is type(sender)
    assert label(sender)


@pytest.mark.django_db
def test_an_error_of_the_database_is_not_hidden() -> None:
    def broken() -> object:
        raise DatabaseError("deadlock detected")

    with pytest.raises(DatabaseError, match="deadlock detected"):
        encode({}, SimpleLazyObject(broken))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ({"$class": "bakery.views:Checkout.Step"}, "bakery.views.Checkout.Step"),
        ({"$model": "bakery.Bun"}, "bakery.Bun"),
    ],
)
def test_a_class_that_the_worker_does_not_have_comes_as_its_name(written: Json, name: str) -> None:
    decoded = read({"sender": written, "arguments": {"order": 1}})
    assert (decoded.sender, decoded.arguments) == (name, {"order": 1})


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 300})
def test_the_largest_argument_is_named_beside_a_large_sender() -> None:
    assert "the largest is order." in refusal("x" * 300, sender=Point("x" * 200))
