"""Deleting what is finished: what goes, what stays, and what is not kept waiting."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.models import Attempt, Delivery, State
from tests.signals_app.console.admin.rows import attempt, delivery
from tests.signals_app.steps import steps_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ENDS = (State.SUCCESSFUL, State.FAILED, State.CANCELLED)


def keeping(days: float, *states: State) -> Any:
    """Return settings that keep everything but what is older than ``days`` in some states."""
    return override_settings(SIGNALS_APP={"KEEP": {str(one): days if one in states else None for one in ENDS}})


def ended(days: float, state: State = State.SUCCESSFUL) -> Delivery:
    return delivery(state, finished_at=timezone.now() - timedelta(days=days))


def prune_everything(limit: int = 100) -> int:
    return sum(ledger.prune(part, limit=limit) for part in ledger.expired())


def left() -> list[int]:
    return list(Delivery.objects.order_by("pk").values_list("pk", flat=True))


def test_what_is_older_than_its_days_goes_and_what_is_not_finished_stays() -> None:
    rows = {days: ended(days) for days in (1.9, 2.1, 100)}
    waiting, failed = delivery(), ended(100, State.FAILED)
    with keeping(2, State.SUCCESSFUL):
        assert prune_everything() == 2
    assert left() == [rows[1.9].pk, waiting.pk, failed.pk]


def test_each_state_has_its_own_limits_and_none_is_for_ever() -> None:
    rows = {state: ended(40, state) for state in ENDS}
    with override_settings(SIGNALS_APP={"KEEP": {"SUCCESSFUL": None, "FAILED": 30}}):
        assert {part.state for part in ledger.expired()} == {State.FAILED, State.CANCELLED}
        assert prune_everything() == 2  # cancelled ones are kept for 30 days by default
    assert left() == [rows[State.SUCCESSFUL].pk]
    with override_settings(SIGNALS_APP={"KEEP": None}):
        assert ledger.expired() == []


def test_attempts_go_with_their_delivery() -> None:
    attempt(ended(10))
    kept = attempt(ended(1))
    with keeping(5, State.SUCCESSFUL):
        prune_everything()
    assert list(Attempt.objects.all()) == [kept]


def test_the_oldest_go_first_a_batch_at_a_time() -> None:
    rows = [ended(days) for days in (11, 13, 12)]
    with keeping(5, State.SUCCESSFUL):
        assert prune_everything(limit=2) == 2
        assert left() == [rows[0].pk]
        assert prune_everything(limit=2) == 1


def test_pruning_reads_what_it_deletes_and_not_what_it_keeps() -> None:
    ended(10)
    with keeping(5, State.SUCCESSFUL):
        alone = steps_of(prune_everything)
        now = timezone.now()
        pattern = ended(1)
        rows = (
            Delivery(
                **{field.attname: getattr(pattern, field.attname) for field in Delivery._meta.concrete_fields}
                | {"id": None, "finished_at": now}
            )
            for _ in range(2000)
        )
        Delivery.objects.bulk_create(rows)
        ended(10)
        assert steps_of(prune_everything) < 2 * alone + 500
    assert len(left()) == 2001


@pytest.mark.django_db(transaction=True)
def test_what_somebody_holds_is_passed_over() -> None:
    held, free = ended(12), ended(11)
    if connection.vendor == "sqlite":  # one writer at a time: nobody holds a row while another prunes
        with keeping(5, State.SUCCESSFUL):
            assert prune_everything() == 2
        return
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Delivery.objects.select_for_update().get(pk=held.pk)
            locked.set()
            done.wait(30)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(30)
    try:
        with keeping(5, State.SUCCESSFUL):
            assert prune_everything() == 1
    finally:
        done.set()
        thread.join()
    assert left() == [held.pk]
    assert free.pk not in left()


def test_a_delivery_that_was_retried_meanwhile_stays() -> None:
    row = ended(100, State.FAILED)
    with keeping(5, State.FAILED):
        (part,) = ledger.expired()
        ledger.retry([row.pk], attempts=1)
        assert ledger.prune(part, limit=10) == 0
    assert left() == [row.pk]
