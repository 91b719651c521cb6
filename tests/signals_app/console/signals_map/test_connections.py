"""What ``Signal.receivers`` holds, in Django's layouts of 5.2 and 6, and the options of what is queued."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import ref

import django
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.dispatch import Signal
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from signals_app.console.signals_map.callables import Form
from signals_app.console.signals_map.graph import Kind, Row, connections
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.dispatcher.options import ReceiverOptions
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import HERE, Counter, Touchy

KEEPS_SENDERS = django.VERSION >= (6, 0)  # 5.2 keeps the id of a sender only


def connected(receiver: Any, **how: Any) -> Row:
    """Connect a receiver to a signal of its own and return the row."""
    signal = Signal()
    signal.connect(receiver, **how)
    return only(signal)


def only(signal: Signal) -> Row:
    """Return the one connection of a signal."""
    (((_name, (found,))),) = connections({"": signal})
    return found


@pytest.mark.parametrize(
    ("receiver", "kind"),
    [
        (listeners.plain, Kind.PLAIN),
        (listeners.asynchronous, Kind.ASYNC),
        (partial(listeners.asynchronous), Kind.ASYNC),
        (listeners.by_queue, Kind.QUEUED),
        (listeners.wrapped_queued, Kind.QUEUED),
    ],
)
def test_a_kind_says_when_a_receiver_works(receiver: Any, kind: Kind) -> None:
    assert connected(receiver, weak=False).kind == kind


@pytest.mark.parametrize(("uid", "shown"), [("once", "once"), (7, "7"), (("a", 1), "tuple")])
def test_a_dispatch_uid_is_shown(uid: object, shown: str) -> None:
    assert connected(listeners.plain, dispatch_uid=uid).dispatch_uid == shown


SENDER = "a text that this module holds, and that cannot be referred to weakly"


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        (None, ""),
        (User, "django.contrib.auth.models.User"),
        (apps.get_app_config("auth"), "django.contrib.auth.apps.AuthConfig"),
        (Signal, "django.dispatch.dispatcher.Signal"),
        (SENDER, SENDER),
    ],
)
def test_the_sender_is_named(sender: object, shown: str) -> None:
    assert connected(listeners.plain, sender=sender).sender == shown


def test_a_sender_that_no_module_holds_is_named_where_django_keeps_it_and_dead_when_it_is_gone() -> None:
    signal, sender = Signal(), Counter()
    signal.connect(listeners.plain, sender=sender)
    assert only(signal).sender == (f"{HERE}.Counter" if KEEPS_SENDERS else "?")
    del sender
    gc.collect()
    assert (only(signal).is_dead, only(signal).sender) == (KEEPS_SENDERS, "?")


def test_a_lazy_sender_is_not_evaluated() -> None:
    signal, lazy = Signal(), SimpleLazyObject(lambda: pytest.fail("evaluated"))
    signal.receivers.append(((1, id(lazy)), listeners.plain, *[ref(lazy)][:KEEPS_SENDERS], False))
    assert only(signal).sender == ("django.utils.functional.SimpleLazyObject" if KEEPS_SENDERS else "?")


@pytest.mark.parametrize("uid", ["", "counted"])
@pytest.mark.parametrize(
    ("make", "name"),
    [(lambda: lambda sender, **kwargs: None, ""), (lambda: Counter().method, f"{HERE}.Counter.method")],
)
def test_a_receiver_that_nobody_held_is_dead_and_a_method_known_by_its_function(
    make: Callable[[], Any], name: str, uid: str
) -> None:
    signal = Signal()
    signal.connect(make(), dispatch_uid=uid or None)
    gc.collect()
    row = only(signal)
    assert (row.is_dead, row.is_weak, row.form, row.kind) == (True, True, Form.GONE, Kind.PLAIN)
    assert (row.receiver, row.dispatch_uid) == (name, uid)


def test_looking_keeps_nothing_alive_and_cleans_nothing_up() -> None:
    signal, counter = Signal(), Counter()
    signal.connect(counter)
    found = only(signal)
    reference = ref(counter)
    del counter
    gc.collect()
    assert reference() is None
    assert not found.is_dead
    assert only(signal).is_dead
    assert len(signal.receivers) == 1


def test_nothing_is_asked_of_a_receiver_or_a_sender() -> None:
    signal, touchy = Signal(), Touchy()
    for receiver in (touchy, partial(touchy)):
        signal.connect(receiver, sender=touchy, weak=False)
    Touchy.armed = True
    try:
        ((_name, found),) = connections({"": signal})
        assert [(row.receiver, row.form) for row in found] == [
            (f"{HERE}.Touchy", Form.OBJECT),
            (f"{HERE}.Touchy", Form.PARTIAL),
        ]
    finally:
        Touchy.armed = False


def silent(sender: object, **kwargs: Any) -> None:
    """Does nothing."""


def two_seconds(attempts: int) -> float:
    return 2


@pytest.fixture
def forgotten() -> Iterator[None]:
    yield
    registry.forget("tests.options")


def test_options_that_were_given_come_first() -> None:
    found = connected(listeners.by_queue)
    assert found.texts(given=True) == ["priority=3", "delay=1.5", "drop=request"]
    assert tuple(found.options)[:3] == found.given
    defaults = {"max_attempts=5", "timeout=60", "atomic=False", "missing=fail", "queue=sigdemo", "snapshot=()"}
    assert defaults < set(found.texts(given=False))
    assert "backoff=exponential(base=2, cap=600, jitter=0.25)" in found.texts(given=False)
    with override_settings(SIGNALS_APP={"TIMEOUT": 7.5}):
        assert "timeout=7.5" in connected(listeners.by_queue).texts(given=False)
    assert not connected(listeners.plain).options


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"when": listeners.plain}, f"when={HERE}.plain"),
        ({"backoff": two_seconds}, f"backoff={__name__}.two_seconds"),
        ({"drop": ("request", "form")}, "drop=form, request"),
    ],
)
def test_functions_are_named_and_names_are_a_list(given: dict[str, Any], text: str) -> None:
    made = QueuedReceiver(silent, key="tests.options", options=ReceiverOptions(**given))
    assert connected(made).texts(given=True) == [text]
