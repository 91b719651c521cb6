"""Deleting what is finished: what goes, what stays, and what is not kept waiting."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.models import Attempt, Delivery, State
from tests.signals_app.console.admin.rows import attempt, copies, delivery
from tests.signals_app.steps import steps_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def keeping(days: float) -> Any:
    """Return settings that keep what succeeded or failed for so many days, and all else for ever."""
    return override_settings(
        SIGNALS_APP={"KEEP": {"SUCCESSFUL": days, "FAILED": days, "CANCELLED": None, "MERGED": None}}
    )


def ended(days: float, state: State = State.SUCCESSFUL) -> Delivery:
    return delivery(state, finished_at=timezone.now() - timedelta(days=days))


def prune_everything(limit: int = 100) -> int:
    return sum(ledger.prune(part, limit=limit) for part in ledger.expired())


def left() -> list[int]:
    return list(Delivery.objects.order_by("pk").values_list("pk", flat=True))


def test_each_state_is_kept_for_its_own_days_or_for_ever_and_what_is_not_finished_stays() -> None:
    rows = {days: ended(days) for days in (1.9, 2.1, 100)}
    waiting, failed = delivery(), ended(100, State.FAILED)
    merged = {days: ended(days, State.MERGED) for days in (6, 8)}
    by_default = {days: ended(days, State.CANCELLED) for days in (29, 31)}
    with override_settings(SIGNALS_APP={"KEEP": {"SUCCESSFUL": 2, "FAILED": None}}):
        assert {part.state for part in ledger.expired()} == {State.SUCCESSFUL, State.CANCELLED, State.MERGED}
        assert prune_everything() == 4
    assert left() == [rows[1.9].pk, waiting.pk, failed.pk, merged[6].pk, by_default[29].pk]
    with override_settings(SIGNALS_APP={"KEEP": None}):
        assert ledger.expired() == []


def test_the_oldest_go_first_a_batch_at_a_time_and_their_attempts_with_them() -> None:
    attempts = {days: attempt(ended(days)) for days in (11, 13, 12)}
    with keeping(5):
        assert prune_everything(limit=2) == 2
        assert list(Attempt.objects.all()) == [attempts[11]]
        assert prune_everything(limit=2) == 1


def test_pruning_reads_what_it_deletes_and_not_what_it_keeps() -> None:
    ended(10)
    with keeping(5):
        alone = steps_of(prune_everything)
        copies(ended(1), 2000)
        ended(10)
        assert steps_of(prune_everything) < 2 * alone + 500
    assert len(left()) == 2001


@pytest.mark.django_db(transaction=True)
@pytest.mark.database("postgresql")  # SQLite has one writer at a time: nobody holds a row while another prunes
def test_what_somebody_holds_is_passed_over() -> None:
    held, _free = ended(12), ended(11)
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM signals_app_delivery WHERE id = %s FOR UPDATE", [held.pk])
        with keeping(5):
            assert prune_everything() == 1
    assert left() == [held.pk]


def test_a_delivery_that_was_retried_meanwhile_stays() -> None:
    row = ended(100, State.FAILED)
    with keeping(5):
        parts = ledger.expired()
        ledger.retry([row.pk], attempts=1)
        assert [ledger.prune(part, limit=10) for part in parts] == [0, 0]
    assert left() == [row.pk]
