"""Receivers that are given an object, which may be gone. What ends before they begin is noted as it starts."""

from typing import Any

from signals_app.backoff import fixed
from signals_app.dispatcher import queued
from signals_app.ledger import ClaimedDelivery
from signals_app.signals import delivery_started
from tests.faults import journal
from tests.testapp.models import Thing
from tests.testapp.receivers import leave_effect


@queued(key="exactly_once.needs", atomic=True, max_attempts=12, backoff=fixed(0.2))
def needs(sender: object, thing: Thing, **kwargs: Any) -> None:
    leave_effect(thing.name)


@queued(key="exactly_once.may_do_without", atomic=True, max_attempts=3, backoff=fixed(0), missing="skip")
def may_do_without(sender: object, thing: Thing, **kwargs: Any) -> None:
    leave_effect(thing.name)


def note(delivery: ClaimedDelivery, **kwargs: Any) -> None:
    """Enter an attempt in the journal."""
    journal.begin(delivery.id, delivery.attempt)


delivery_started.connect(note, sender=needs)
delivery_started.connect(note, sender=may_do_without)
