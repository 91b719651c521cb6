"""A hand-off lives and dies with the transaction, and the savepoint, that it was made in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal

from signals_app.models import Delivery
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


def elsewhere() -> tuple[int, int]:
    """Return how many deliveries and things another connection sees."""

    def look() -> tuple[int, int]:
        try:
            return Delivery.objects.count(), Thing.objects.count()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        return pool.submit(look).result()


@pytest.mark.django_db(transaction=True)
def test_data_and_delivery_become_visible_together() -> None:
    with listening(announced, first):
        announced.send(sender=None)
        assert elsewhere() == (1, 0), "outside of a transaction the delivery is there at once"
        with transaction.atomic(durable=True):
            place("lamp")
            assert elsewhere() == (1, 0)
        assert elsewhere() == (2, 1)
        with pytest.raises(Declined), transaction.atomic(durable=True):
            place("chair", decline=True)
        assert elsewhere() == (2, 1)


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


def roll_a_savepoint_back() -> None:
    with transaction.atomic():
        place("before")
        with pytest.raises(Declined), transaction.atomic():  # noqa: PT012 - what comes before the error counts
            place("released")
            place("raised", decline=True)
        place("after")


def roll_the_outer_one_back() -> None:
    with pytest.raises(Declined), transaction.atomic():  # noqa: PT012 - what comes before the error counts
        place("kept for now")
        raise Declined
    place("another transaction")


def roll_back_by_hand() -> None:
    with transaction.atomic():
        place("before")
        savepoint = savepoint_create()
        place("within")
        transaction.savepoint_rollback(savepoint)
    with transaction.atomic():
        place("marked")
        transaction.set_rollback(True)


def break_a_constraint() -> None:
    taken = Thing.objects.create(name="taken")
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012 - as above
        place("lamp")
        Thing.objects.create(pk=taken.pk, name="a second one")


def fail_in_a_plain_receiver() -> None:
    def refuses(**kwargs: Any) -> None:
        raise Declined

    with listening(announced, refuses, second), pytest.raises(Declined):
        place("lamp")


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (roll_a_savepoint_back, ["before", "after"]),
        (roll_the_outer_one_back, ["another transaction"]),
        (roll_back_by_hand, ["before"]),
        (break_a_constraint, []),
        (fail_in_a_plain_receiver, []),
    ],
)
def test_a_rolled_back_savepoint_takes_its_deliveries_and_leaves_the_others(
    act: Callable[[], None], left: list[str]
) -> None:
    with listening(announced, first):
        act()
    assert [call.arguments["thing"].name for call in run_waiting()] == left


def test_on_commit_callbacks_may_send(django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    with listening(announced, first), django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        transaction.on_commit(lambda: place("afterwards"))
        assert written() == []
    assert [call.arguments["thing"].name for call in run_waiting()] == ["afterwards"]
