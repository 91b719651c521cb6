"""Receivers that take their time, or wait for their test."""

import os
import time
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from signals_app.backoff import fixed
from signals_app.dispatcher import current_delivery, queued
from signals_app.ledger import ClaimedDelivery
from signals_app.signals import delivery_started
from tests.faults import gates, journal
from tests.testapp.receivers import leave_effect


@queued(key="exactly_once.takes_long", atomic=True, max_attempts=50, backoff=fixed(0.1), timeout=60)
def takes_long(sender: object, seconds: float = 0, attempts: int = 99, **kwargs: Any) -> None:
    """Take that long in each of the first attempts, leave the effect, and note its commit."""
    delivery = journal.attempt()
    if delivery.attempt <= attempts:
        time.sleep(seconds)
    leave_effect("takes_long")
    transaction.on_commit(lambda: journal.commit(delivery.id, delivery.attempt))


@queued(key="exactly_once.starts_late", atomic=True, max_attempts=50, backoff=fixed(0.1), timeout=60)
def starts_late(sender: object, **kwargs: Any) -> None:
    """Leave the effect, and note its commit, some tenths of a second after the attempt was told to have begun."""
    delivery = current_delivery()
    leave_effect("starts_late")
    transaction.on_commit(lambda: journal.commit(delivery.id, delivery.attempt))


@queued(max_attempts=3, timeout=60)
def takes_long_outside(sender: object, seconds: float = 0, attempts: int = 99, **kwargs: Any) -> None:
    """Take that long in each of the first attempts, without a transaction."""
    delivery = journal.attempt()
    if delivery.attempt <= attempts:
        time.sleep(seconds)


@queued(key="exactly_once.gated", atomic=True, max_attempts=5, backoff=fixed(0.1), timeout=60)
def gated(sender: object, **kwargs: Any) -> None:
    """Leave the effect; the gates are before its transaction, which on SQLite would hold the only write lock."""
    leave_effect("gated")


@queued(key="exactly_once.gated_inside", atomic=True, max_attempts=5, backoff=fixed(0.1), timeout=60)
def gated_inside(sender: object, **kwargs: Any) -> None:
    """Leave the effect, and wait at a gate before it commits."""
    delivery = journal.attempt()
    leave_effect("gated_inside")
    gates.wait(delivery.id, delivery.attempt)


@receiver(delivery_started)
def wait_before_transaction(sender: object, delivery: ClaimedDelivery, **kwargs: Any) -> None:
    """Stop an attempt of ``gated`` or ``starts_late`` before it has done anything."""
    if sender in (gated, starts_late) and os.environ.get(journal.VARIABLE):
        journal.begin(delivery.id, delivery.attempt)
        if sender is gated:
            gates.wait(delivery.id, delivery.attempt)
        else:
            time.sleep(0.5 + delivery.id % 5 / 10)
