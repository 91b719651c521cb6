"""The receivers of the fault tests, which every cluster of the tests knows.

Keys with ``exactly_once`` in them promise one effect, a row, for each success.
"""

import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.dispatch import Signal, receiver
from django.utils import timezone

from signals_app.backoff import fixed
from signals_app.dispatcher import BatchResult, QueuedReceiver, current_delivery, queued, schedule
from signals_app.dispatcher.receivers import batch_done
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Delivery
from signals_app.signals import delivery_started
from signals_app.tasks import task_options
from tests.faults import journal
from tests.testapp.models import Thing
from tests.testapp.receivers import leave_effect
from tests.testapp.signals import batch_settled
from tests.testapp.tasks import task


def atomic(
    *, max_attempts: int = 50, wait: float = 0.1, timeout: float = 60, **options: Any
) -> Callable[[Callable[..., Any]], QueuedReceiver]:
    """Make a function an atomic receiver that outlives many faults."""
    return queued(atomic=True, max_attempts=max_attempts, backoff=fixed(wait), timeout=timeout, **options)


@atomic(key="exactly_once.effect")
def effect(sender: object, before: float = 0, after: float = 0, attempts: int = 99, **kwargs: Any) -> None:
    """Sleep in each of the first ``attempts``, leave the effect, sleep again, and note the commit."""
    delivery = journal.attempt()
    sleeps = delivery.attempt <= attempts
    time.sleep(before * sleeps)
    leave_effect("effect")
    time.sleep(after * sleeps)
    transaction.on_commit(lambda: journal.commit(delivery.id, delivery.attempt))


@task
@task_options(atomic=True, max_attempts=50, backoff=fixed(0.1), timeout=60)
def exactly_once(before: float, after: float) -> int:
    """Do the same as a task of Django's, and return the attempt."""
    delivery = journal.attempt()
    time.sleep(before)
    leave_effect("task")
    time.sleep(after)
    return delivery.attempt


ticking = Signal()  # each second, in the clusters of a test that asks for it; due: datetime


@atomic(key="exactly_once.ticked")
def ticked(sender: object, due: datetime, **kwargs: Any) -> None:
    delivery = journal.attempt()
    leave_effect("ticked", detail=due.isoformat())
    transaction.on_commit(lambda: journal.commit(delivery.id, delivery.attempt))


@receiver(ticking)
def note_tick(sender: object, **kwargs: Any) -> None:
    """Note the attempt of the tick's own delivery, in which plain receivers run."""
    journal.attempt()


if os.environ.get("TEST_TICKS"):
    ticking.connect(ticked)
    schedule(ticking, "* * * * * *", missed="all")


@atomic(key="exactly_once.merged", coalesce="thing")
def merged(sender: object, thing: Thing, seconds: float = 0, **kwargs: Any) -> None:
    """Leave the effect: when it began, and how its object was then, read anew."""
    journal.attempt()
    began = time.time_ns()
    thing.refresh_from_db()
    time.sleep(seconds)
    leave_effect(f"saw {thing.pk}", detail=f"{began} {thing.name}")


# so long a wait that the drain in which it failed is over by then, on a slow machine too
@atomic(key="exactly_once.fails_at_first", wait=1)
def fails_at_first(sender: object, failures: int = 1, **kwargs: Any) -> None:
    """Leave the effect with the time of day, as the process has it; fail in the first attempts."""
    delivery = journal.attempt()
    leave_effect("fails at first", detail=timezone.now().isoformat())
    if delivery.attempt <= failures:
        raise ValueError("told to fail")


@atomic(key="exactly_once.limited", rate="2/s", rate_key="of")
def limited(sender: object, of: str, **kwargs: Any) -> None:
    """Leave the effect, at most twice a second for each ``of``."""
    journal.attempt()
    leave_effect("limited")


@queued(key="at_least_once.effect", max_attempts=3, backoff=fixed(0.1), timeout=60)
def bare_effect(
    sender: object, seconds: float = 0, attempts: int = 1, gate: bool = False, fail: bool = False, **kwargs: Any
) -> None:
    """Leave the effect, outside of any transaction; in the first attempts do as told."""
    delivery = journal.attempt()
    leave_effect("bare")
    if delivery.attempt > attempts:
        return
    time.sleep(seconds)
    if gate:
        journal.wait_at_gate(delivery.id, delivery.attempt)
    if fail:
        raise ValueError("told to fail")


@queued(key="at_least_once.quick", max_attempts=50, backoff=fixed(0.1), timeout=60)
def quick(sender: object, **kwargs: Any) -> None:
    """Do nothing that takes time; outcomes of such are recorded together."""
    journal.attempt()


@atomic(key="exactly_once.starts_late")
def starts_late(sender: object, **kwargs: Any) -> None:
    """Leave the effect, and note its commit, some tenths of a second after the attempt was told to have begun."""
    delivery = current_delivery()
    leave_effect("starts late")
    transaction.on_commit(lambda: journal.commit(delivery.id, delivery.attempt))


@atomic(key="exactly_once.gated")
def gated(sender: object, **kwargs: Any) -> None:
    """Leave the effect; the gate is before its transaction, which on SQLite would hold the only write lock."""
    journal.attempt()
    leave_effect("gated")


@receiver(delivery_started)
def wait_before_transaction(sender: object, delivery: ClaimedDelivery, **kwargs: Any) -> None:
    """Stop an attempt of ``gated``, ``gated_in_turn`` or ``starts_late`` after its claim."""
    if os.environ.get(journal.VARIABLE) and sender in (gated, gated_in_turn):
        journal.wait_at_gate(delivery.id, delivery.attempt)
    elif os.environ.get(journal.VARIABLE) and sender is starts_late:
        journal.begin(delivery.id, delivery.attempt)
        time.sleep(0.5 + delivery.id % 5 / 10)


@atomic(key="exactly_once.gated_in_turn", lane="lane")
def gated_in_turn(sender: object, lane: str, **kwargs: Any) -> None:
    """Leave the effect; as ``gated``, but in a lane."""
    delivery = journal.attempt()
    leave_effect("gated in turn")
    transaction.on_commit(lambda: journal.commit(delivery.id, delivery.attempt))


@queued(key="at_least_once.in_turn", lane="lane", max_attempts=50, backoff=fixed(0.1), timeout=60)
def in_turn(sender: object, lane: str, seconds: float = 0, **kwargs: Any) -> None:
    """Leave the effect, alone in its lane; fail in some first attempts."""
    with journal.alone(lane):
        delivery = journal.attempt()
        time.sleep(seconds)
        if delivery.attempt == 1 and delivery.id % 5 == 0:
            raise ValueError("told to fail")
        leave_effect("in turn")


@queued(key="at_least_once.two_at_a_time", concurrency=2, max_attempts=50, backoff=fixed(0.1), timeout=60)
def two_at_a_time(sender: object, seconds: float = 0, **kwargs: Any) -> None:
    with journal.alone("two at a time", places=2):
        journal.attempt()
        time.sleep(seconds)
        leave_effect("two at a time")


@atomic(key="exactly_once.in_turn_and_limited", lane="lane", rate="10/s", rate_key="lane")
def in_turn_and_limited(sender: object, lane: str, **kwargs: Any) -> None:
    with journal.alone(lane):
        journal.attempt()
        leave_effect("in turn and limited")


@atomic(key="exactly_once.blocks_at_first", lane="lane", on_failure="block")
def blocks_at_first(sender: object, lane: str, fail: bool = False, **kwargs: Any) -> None:
    journal.attempt()
    leave_effect("blocks at first")
    if fail:
        raise ValueError("told to fail")


@atomic(key="exactly_once.gated_inside", timeout=120)
def gated_inside(sender: object, lock: bool = False, **kwargs: Any) -> None:
    """Leave the effect, and wait at a gate before its commit; with ``lock``, its own row is locked by then."""
    delivery = journal.attempt()
    leave_effect("gated inside")
    if lock:
        Delivery.objects.select_for_update().get(pk=delivery.id)
    if not lock or delivery.attempt == 1:
        journal.wait_at_gate(delivery.id, delivery.attempt)


@atomic(key="exactly_once.waits_at_its_commit")
def waits_at_its_commit(sender: object, **kwargs: Any) -> None:
    """Leave the effect in a transaction whose commit waits for a standby, where the server asks for one."""
    journal.attempt()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
    leave_effect("waits at its commit")


OLD, NEW = "exactly_once.moving", "exactly_once.moved"


def move(sender: object, **kwargs: Any) -> None:
    journal.attempt()
    leave_effect("moved")


def define_moving() -> QueuedReceiver | None:
    """Make it a receiver, unless the variable FAULT_RECEIVER removes it from a cluster, or gives it another key."""
    fate = os.environ.get("FAULT_RECEIVER")
    return None if fate == "removed" else queued(move, key=NEW if fate == "renamed" else OLD, atomic=True)


moving = define_moving()


@atomic(key="exactly_once.needs", max_attempts=12, wait=0.2)
def needs(sender: object, thing: Thing, **kwargs: Any) -> None:
    leave_effect(thing.name)


@atomic(key="exactly_once.may_do_without", max_attempts=3, missing="skip")
def may_do_without(sender: object, thing: Thing, **kwargs: Any) -> None:
    leave_effect(thing.name)


@receiver(batch_settled)
def leave_effect_of_batch(batch: BatchResult, **kwargs: Any) -> None:
    leave_effect("batch", detail=f"{batch.successful} of {batch.total}")


@receiver(delivery_started, sender=batch_done)
@receiver(delivery_started, sender=needs)
@receiver(delivery_started, sender=may_do_without)
def note(delivery: ClaimedDelivery, **kwargs: Any) -> None:
    """Enter an attempt in the journal, for it may end before the receiver is called."""
    journal.begin(delivery.id, delivery.attempt)
