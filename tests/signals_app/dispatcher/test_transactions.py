"""A hand-off lives and dies with the transaction, and the savepoint, that it was made in."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from signals_app.models import Delivery
from tests.signals_app.listeners import first, listening, run_waiting, second, written
from tests.signals_app.threads import at_the_same_time
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()


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
    (seen,) = at_the_same_time(lambda: (Delivery.objects.count(), Thing.objects.count()))
    return seen


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


def test_a_plain_receiver_that_fails_takes_the_deliveries_of_its_send_along() -> None:
    def refuses(**kwargs: Any) -> None:
        raise Declined

    with listening(announced, first, refuses, second), pytest.raises(Declined):
        place("lamp")
    assert written() == []
