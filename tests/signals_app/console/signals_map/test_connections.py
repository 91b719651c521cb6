"""What ``Signal.receivers`` holds, in Django's layouts of 5.2 and 6."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import partial
from typing import Any
from weakref import ref

import django
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject

from signals_app.console.signals_map.listeners import Connection, Form, Kind, connections
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import Counter, Touchy

KEEPS_SENDERS = django.VERSION >= (6, 0)  # 5.2 keeps the id of a sender only


@pytest.fixture
def touchy() -> Iterator[Touchy]:
    yield Touchy()
    Touchy.armed = False


def only(signal: Signal) -> Connection:
    """Return the one connection of a signal."""
    ((found,),) = connections([signal])
    return found


def test_connections_come_by_signal_in_the_order_of_calls() -> None:
    one, other, silent = Signal(), Signal(), Signal()
    one.connect(listeners.plain)
    one.connect(listeners.asynchronous)
    other.connect(listeners.by_queue)
    found = connections([one, silent, other])
    names = [[entry.receiver.rpartition(".")[2] for entry in some] for some in found]
    assert names == [["plain", "asynchronous"], [], ["by_queue"]]


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
    signal = Signal()
    signal.connect(receiver, weak=False)
    assert only(signal).kind == kind


def test_options_of_a_queued_receiver_are_those_it_was_given_and_the_defaults() -> None:
    signal = Signal()
    signal.connect(listeners.by_queue)
    options = only(signal).options
    assert [str(option) for option in options if option.is_given] == ["priority=3", "delay=1.5", "drop=request"]
    assert {"max_attempts=5", "timeout=60", "atomic=False", "missing=fail", "queue=sigdemo"} <= set(map(str, options))
    signal.connect(listeners.plain)
    assert [entry.options for entry in connections([signal])[0]] == [options, ()]


@pytest.mark.parametrize("weak", [True, False])
@pytest.mark.parametrize("receiver", [listeners.plain, Counter.of_class, listeners.by_queue])
def test_it_says_whether_the_connection_is_weak(receiver: Any, weak: bool) -> None:
    signal = Signal()
    signal.connect(receiver, weak=weak)
    assert (only(signal).is_weak, only(signal).is_dead, only(signal).dispatch_uid) == (weak, False, "")


@pytest.mark.parametrize(("uid", "shown"), [("once", "once"), (7, "7"), (("a", 1), "tuple")])
def test_a_dispatch_uid_is_shown(uid: object, shown: str) -> None:
    signal = Signal()
    signal.connect(listeners.plain, dispatch_uid=uid)
    assert only(signal).dispatch_uid == shown


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        (None, ""),
        (User, "django.contrib.auth.models.User"),
        (apps.get_app_config("auth"), "django.contrib.auth.apps.AuthConfig"),
        (Signal, "django.dispatch.dispatcher.Signal"),
    ],
)
def test_the_sender_is_named(sender: object, shown: str) -> None:
    signal = Signal()
    signal.connect(listeners.plain, sender=sender)
    assert only(signal).sender == shown


SENDER = "a text that this module holds"


def test_a_sender_that_cannot_be_referred_to_weakly_is_found_in_the_module_that_holds_it() -> None:
    signal = Signal()
    signal.connect(listeners.plain, sender=SENDER)
    assert only(signal).sender == SENDER


def test_a_sender_that_no_module_holds_is_named_where_django_keeps_it() -> None:
    signal, sender = Signal(), Counter()
    signal.connect(listeners.plain, sender=sender)
    assert only(signal).sender == ("tests.signals_app.console.signals_map.listeners.Counter" if KEEPS_SENDERS else "?")


def test_a_sender_that_is_gone_makes_the_connection_dead_where_django_keeps_it() -> None:
    signal, sender = Signal(), Counter()
    signal.connect(listeners.plain, sender=sender)
    del sender
    gc.collect()
    assert (only(signal).is_dead, only(signal).sender) == (KEEPS_SENDERS, "?")


def test_a_lazy_sender_is_not_evaluated() -> None:
    signal, lazy = Signal(), SimpleLazyObject(lambda: pytest.fail("evaluated"))
    signal.receivers.append(((1, id(lazy)), listeners.plain, *[ref(lazy)][:KEEPS_SENDERS], False))
    assert only(signal).sender == ("django.utils.functional.SimpleLazyObject" if KEEPS_SENDERS else "?")


def test_a_receiver_that_nobody_held_is_dead() -> None:
    signal = Signal()
    signal.connect(lambda sender, **kwargs: None)
    gc.collect()
    found = only(signal)
    assert (found.is_dead, found.is_weak, found.form, found.receiver) == (True, True, Form.GONE, "")
    assert (found.place, found.dispatch_uid, found.kind) == (None, "", Kind.PLAIN)


def test_a_dead_method_is_known_by_its_function() -> None:
    signal = Signal()
    signal.connect(Counter().method, dispatch_uid="counted")
    gc.collect()
    found = only(signal)
    assert (found.is_dead, found.form, found.dispatch_uid) == (True, Form.GONE, "counted")
    assert found.receiver == "tests.signals_app.console.signals_map.listeners.Counter.method"


def test_a_dead_method_without_a_uid_has_none() -> None:
    signal = Signal()
    signal.connect(Counter().method)
    gc.collect()
    assert (only(signal).is_dead, only(signal).dispatch_uid) == (True, "")


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


def test_nothing_is_asked_of_a_receiver_or_a_sender(touchy: Touchy) -> None:
    signal = Signal()
    signal.connect(touchy, sender=touchy, weak=False)
    Touchy.armed = True
    assert only(signal).receiver == "tests.signals_app.console.signals_map.listeners.Touchy"
