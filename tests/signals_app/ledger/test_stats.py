"""The figures of those who watch."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from signals_app import ledger
from signals_app.ledger.stats import (
    _BY_MINUTE,
    _FAILED,
    _HELD_UP,
    _LOST,
    _MINUTES,
    _RETRYING,
    _RUNNING,
    _UNROUTABLE,
    _WAITING,
)
from signals_app.models import Outcome, PauseKind, State
from tests.query_plan import query_plan
from tests.signals_app.console.admin.rows import attempt, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_an_empty_ledger_has_no_queues_and_no_figures() -> None:
    found = ledger.figures()
    assert (found.queues, found.pauses, found.oldest_wait) == ((), (), 0.0)
    assert (found.succeeded, found.failed, found.cancelled, found.lost) == (0, 0, 0, 0)


def test_what_waits_and_runs_is_counted_by_queue() -> None:
    now = timezone.now()
    later = now + timedelta(hours=1)
    delivery(queue="mail", due_at=now - timedelta(seconds=90))
    delivery(queue="mail", due_at=now - timedelta(seconds=30), unroutable=True)
    delivery(queue="mail", attempts=1, due_at=later)
    delivery(State.RUNNING, queue="mail", started_at=now - timedelta(minutes=5))
    delivery(State.RUNNING, queue="mail", started_at=now)
    delivery(State.RUNNING, queue="print", started_at=now)
    delivery(State.SUCCESSFUL, queue="done")

    mail, printing = ledger.figures().queues

    assert (mail.name, mail.waiting, mail.due, mail.retrying, mail.unroutable) == ("mail", 3, 2, 1, 1)
    assert 90 <= mail.oldest_wait < 120
    assert (mail.running, mail.long_running, mail.paused, mail.is_paused) == (2, 1, 0, False)
    assert (printing.name, printing.waiting, printing.running) == ("print", 0, 1)
    found = ledger.figures()
    assert (found.total("waiting"), found.total("running"), found.oldest_wait >= 90) == (3, 3, True)


def test_what_is_paused_is_not_due() -> None:
    delivery(queue="mail")
    delivery(queue="print", receiver="label")
    delivery(queue="print")
    ledger.pause(PauseKind.QUEUE, "mail")
    ledger.pause(PauseKind.QUEUE, "void")
    ledger.pause(PauseKind.RECEIVER, "label")

    found = ledger.figures()

    figures = [(one.name, one.waiting, one.due, one.paused, one.is_paused) for one in found.queues]
    assert figures == [("mail", 1, 0, 1, True), ("print", 2, 1, 1, False), ("void", 0, 0, 0, True)]
    assert [pause.name for pause in found.pauses] == ["mail", "void", "label"]
    assert found.queues[0].oldest_wait == 0.0


def test_what_ended_is_that_of_the_last_hour() -> None:
    for minutes in (10, 50, 70):
        ended = timezone.now() - timedelta(minutes=minutes)
        for state in (State.SUCCESSFUL, State.FAILED, State.CANCELLED):
            delivery(state, finished_at=ended)
        for outcome in (Outcome.LOST, Outcome.ERROR):
            attempt(delivery(), outcome=outcome, finished_at=ended)
    delivery(State.FAILED, finished_at=timezone.now())
    found = ledger.figures()
    assert (found.succeeded, found.failed, found.cancelled, found.lost) == (2, 3, 2, 2)
    assert ledger.recently_failed() == 3


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (_WAITING.format(held_up=_HELD_UP), "signals_app_claim"),
        (_RETRYING, "signals_app_retrying"),
        (_UNROUTABLE, "signals_app_unroutable"),
        (_RUNNING, "signals_app_running"),
        (_FAILED, "signals_app_finished"),
        (_LOST, "signals_app_outcome|signals_app_ended_badly"),
    ],
)
def test_no_figure_reads_what_is_finished(query: str, index: str) -> None:
    for _ in range(50):
        delivery()
        attempt(delivery(State.SUCCESSFUL))
    assert re.search(index, query_plan(query, ago=60))


def test_each_minute_is_counted_as_a_range_of_the_index() -> None:
    for _ in range(50):
        delivery(State.SUCCESSFUL)
    plan = query_plan(_BY_MINUTE.replace("{minutes}", _MINUTES[connection.vendor]), ago=3600)
    ranges = {"sqlite": "(state=? AND finished_at>? AND finished_at<?)", "postgresql": "finished_at < "}
    assert "signals_app_finished" in plan
    assert ranges[connection.vendor] in plan


def test_the_queries_are_always_as_many(django_assert_num_queries: object) -> None:
    for number in range(20):
        delivery(queue=f"queue {number}")
    with django_assert_num_queries(7):  # type: ignore[operator]
        ledger.figures()
