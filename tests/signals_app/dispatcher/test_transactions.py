"""A hand-off lives and dies with the transaction, and the savepoint, that it was made in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal

from signals_app.models import Delivery, State
from tests.signals_app.listeners import first, listening, run_waiting, second, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()
savepoint_create = getattr(transaction, "savepoint_create", None) or transaction.savepoint  # renamed by Django 6.1


class Declined(Exception):
    """The business says no after the signal was sent."""


def place(name: str, *, decline: bool = False) -> None:
    """Save and send in a transaction of its own, or a savepoint of the one there is."""
    with transaction.atomic():
        thing = Thing.objects.create(name=name)
        announced.send(sender=None, thing=thing)
        if decline:
            raise Declined


def names() -> list[str]:
    """Return the names of the things whose deliveries a worker would run, having run them."""
    return [call.arguments["thing"].name for call in run_waiting()]


def elsewhere(look: Callable[[], object]) -> object:
    """Return what another connection sees."""
    seen: list[object] = []

    def target() -> None:
        try:
            seen.append(look())
        finally:
            connection.close()

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return seen[0]


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_the_delivery_is_there_at_once() -> None:
    with listening(announced, first):
        announced.send(sender=None)

        assert elsewhere(Delivery.objects.count) == 1


@pytest.mark.django_db(transaction=True)
def test_data_and_delivery_become_visible_together() -> None:
    with listening(announced, first):
        with transaction.atomic(durable=True):
            place("lamp")
            assert elsewhere(lambda: (Delivery.objects.count(), Thing.objects.count())) == (0, 0)

        assert elsewhere(lambda: (Delivery.objects.count(), Thing.objects.count())) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_durable_transaction_leaves_neither() -> None:
    with listening(announced, first), pytest.raises(Declined), transaction.atomic(durable=True):
        place("lamp", decline=True)

    assert (Delivery.objects.count(), Thing.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_without_atomic_can_be_rolled_back_by_hand() -> None:
    with listening(announced, first):
        transaction.set_autocommit(False)
        try:
            announced.send(sender=None)
            transaction.rollback()
            announced.send(sender=None, kept=True)
            transaction.commit()
        finally:
            transaction.set_autocommit(True)

    assert [call.arguments for call in run_waiting()] == [{"kept": True}]


def test_a_failure_after_the_send_takes_the_delivery_along() -> None:
    with listening(announced, first), pytest.raises(Declined):
        place("lamp", decline=True)

    assert (written(), Thing.objects.count()) == ([], 0)


def test_a_rolled_back_savepoint_takes_its_deliveries_and_leaves_the_others() -> None:
    with listening(announced, first), transaction.atomic():
        place("before")
        with pytest.raises(Declined):
            place("within", decline=True)
        place("after")

    assert names() == ["before", "after"]


def test_a_rolled_back_savepoint_takes_those_of_the_savepoints_within_it() -> None:
    with listening(announced, first), transaction.atomic():
        place("before")
        with pytest.raises(Declined), transaction.atomic():  # noqa: PT012 - what comes before the error counts
            place("released")
            place("raised", decline=True)

    assert names() == ["before"]


def test_the_outer_rollback_takes_what_its_savepoints_had_kept() -> None:
    with listening(announced, first):
        with pytest.raises(Declined), transaction.atomic():  # noqa: PT012 - what comes before the error counts
            place("kept for now")
            raise Declined
        place("another transaction")

    assert names() == ["another transaction"]


def test_a_transaction_marked_for_rollback_without_an_exception_keeps_nothing() -> None:
    with listening(announced, first), transaction.atomic():
        place("lamp")
        transaction.set_rollback(True)

    assert written() == []


def test_savepoints_by_hand_work_alike() -> None:
    with listening(announced, first), transaction.atomic():
        place("before")
        savepoint = savepoint_create()
        place("within")
        transaction.savepoint_rollback(savepoint)

    assert names() == ["before"]


def test_an_error_of_the_database_after_the_send_takes_the_delivery_along() -> None:
    taken = Thing.objects.create(name="taken")
    with listening(announced, first), pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012 - as above
        place("lamp")
        Thing.objects.create(pk=taken.pk, name="a second one")

    assert written() == []


def test_a_plain_receiver_that_fails_takes_the_deliveries_of_its_send_along() -> None:
    def refuses(**kwargs: Any) -> None:
        raise Declined

    with listening(announced, first, refuses, second), pytest.raises(Declined):
        place("lamp")

    assert written() == []


def test_on_commit_callbacks_may_send(django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    with listening(announced, first), django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        transaction.on_commit(lambda: place("afterwards"))
        assert written() == []

    assert names() == ["afterwards"]
    assert written()[0].state == State.SUCCESSFUL
