"""Queued receivers that last, or do something else, for one test, and a database of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from signals_app import ledger
from signals_app.dispatcher import QueuedReceiver, queued, registry
from signals_app.models import Delivery
from tests.signals_app.listeners import Doing, Failing, Make
from tests.testapp.receivers import enqueue


@pytest.fixture
def made() -> Iterator[Make]:
    """Return ``queued``; what it makes is forgotten after the test."""
    keys: list[str] = []

    def make(func: Callable[..., Any], **options: Any) -> QueuedReceiver:
        receiver = queued(func, **options)
        keys.append(receiver.key)
        return receiver

    yield make
    for key in keys:
        registry.forget(key)


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch) -> Doing:
    """Return a function that enqueues for a receiver which does something else in this test."""

    def enqueue_for(receiver: Any, func: Callable[..., object], **arguments: Any) -> Delivery:
        monkeypatch.setattr(receiver, "func", func)
        return enqueue(receiver, **arguments)

    return enqueue_for


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Return a function that has one of the ledger's raise errors, one at each call, instead of its work or after it.

    It returns those that are left.
    """

    def fail(name: str, *errors: Exception, is_written: bool = False) -> list[Exception]:
        work, left = getattr(ledger, name), list(errors)

        def call(*arguments: Any, **options: Any) -> Any:
            done = work(*arguments, **options) if is_written or not left else None
            if left:
                raise left.pop(0)
            return done

        monkeypatch.setattr(ledger, name, call)
        return left

    return fail


class OddRouter:
    """Keeps the deliveries in the database ``odd``."""

    def db_for_write(self, model: type, **hints: Any) -> str:
        return "odd"


@pytest.fixture
def odd_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return the settings of a second database, which the deliveries are routed to."""
    odd = dict(connections.settings["other"])
    monkeypatch.setitem(connections.settings, "odd", odd)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.OddRouter"]):
        yield odd
    if "odd" in connections and hasattr(connections["odd"], "close"):
        connections["odd"].close()
        del connections["odd"]


@pytest.fixture
def odd_file(
    odd_database: dict[str, Any],
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, Any]]:
    """Return its settings, with no option, where it is a SQLite file that does not exist yet; as outside of tests."""
    monkeypatch.delattr(mail, "outbox")
    odd_database |= {"NAME": str(tmp_path / "odd.sqlite3"), "OPTIONS": {}}
    with django_db_blocker.unblock():
        yield odd_database
