"""Receivers for the faults that strike at a transaction's begin or end, or at a record."""

import os
from typing import Any

from django.db import connection
from django.dispatch import receiver
from django.utils import timezone

from signals_app.backoff import fixed
from signals_app.dispatcher import current_delivery, queued
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Delivery
from signals_app.signals import delivery_started
from tests.faults import gates, journal
from tests.testapp.receivers import leave_effect


@queued(key="exactly_once.waits_at_its_commit", atomic=True, max_attempts=3, backoff=fixed(0.1))
def waits_at_its_commit(sender: object, **kwargs: Any) -> None:
    """Leave the effect in a transaction whose commit waits for a standby, where the server asks for one."""
    journal.attempt()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
    leave_effect("waits at its commit")


@queued(key="exactly_once.waits_before_its_transaction", atomic=True, max_attempts=3, backoff=fixed(0.1))
def waits_before_its_transaction(sender: object, **kwargs: Any) -> None:
    """Leave the effect; the gate is between the claim and the transaction."""
    journal.attempt()
    leave_effect("waits before its transaction")


@receiver(delivery_started)
def wait_before_transaction(sender: object, delivery: ClaimedDelivery, **kwargs: Any) -> None:
    """Stop an attempt of that receiver after its claim."""
    if sender is waits_before_its_transaction and os.environ.get(journal.VARIABLE):
        gates.wait(delivery.id, delivery.attempt)


@queued(key="at_least_once.effect", max_attempts=3, backoff=fixed(0.1))
def bare_effect(sender: object, gate: bool = False, fail: bool = False, **kwargs: Any) -> None:
    """Leave the effect outside of any transaction; wait at a gate, and fail, in the first attempt and if told to."""
    journal.attempt()
    leave_effect("bare")
    delivery = current_delivery()
    if gate and delivery.attempt == 1:
        gates.wait(delivery.id, delivery.attempt)
    if fail and delivery.attempt == 1:
        raise ValueError("told to fail")


@queued(key="exactly_once.tells_the_time", atomic=True, max_attempts=3, backoff=fixed(0.1))
def tells_the_time(sender: object, **kwargs: Any) -> None:
    """Leave the effect with the time of day, as the process has it; fail once before."""
    journal.attempt()
    leave_effect("tells the time", detail=timezone.now().isoformat())
    if current_delivery().attempt == 1:
        raise ValueError("told to fail")


@queued(key="exactly_once.locks_its_delivery", atomic=True, max_attempts=3, backoff=fixed(0.1), timeout=120)
def locks_its_delivery(sender: object, **kwargs: Any) -> None:
    """Leave the effect, and wait at a gate in the state of one that commits: with the delivery's own row locked."""
    journal.attempt()
    leave_effect("locks its delivery")
    delivery = current_delivery()
    Delivery.objects.select_for_update().get(pk=delivery.id)
    if delivery.attempt == 1:
        gates.wait(delivery.id, delivery.attempt)
