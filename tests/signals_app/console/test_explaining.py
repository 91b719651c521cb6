"""The one sentence that says why a delivery waits, who runs it, or how it ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.console.explaining import explain, last_failed
from signals_app.ledger import stats
from signals_app.models import Delivery, Outcome, PauseKind, State
from tests.query_plan import query_plan
from tests.signals_app.console.admin.rows import NOON, at, attempt, copies, delivery
from tests.signals_app.console.terminal.commands import alive, read, told
from tests.signals_app.steps import steps_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def why(one: Delivery, now: Any = None) -> str:
    attempts = list(one.failed_attempts.order_by("-number", "-pk"))
    said = explain(one, pauses=ledger.pauses(), last=last_failed(attempts), now=now or timezone.now())
    return said.replace("\N{NO-BREAK SPACE}", " ")


def test_a_pause_comes_before_all_else_with_what_is_known_of_it() -> None:
    one = delivery(due_at=timezone.now() + timedelta(hours=1), unroutable=True)
    ledger.pause(PauseKind.QUEUE, "sigdemo", by="ada", reason="the printer is out of paper")
    ledger.pause(PauseKind.RECEIVER, one.receiver)
    assert why(one) == (
        "Paused: queue sigdemo by ada (the printer is out of paper), receiver shop.receivers.send_mail. "
        "What waits for it is kept."
    )


def test_what_is_still_parked_after_a_pause_comes_back() -> None:
    assert why(delivery(parked=True)).startswith("Its receiver was paused and is no longer")


def test_an_unroutable_one_says_the_cure() -> None:
    assert why(delivery(unroutable=True)).startswith("The last worker that claimed it did not know its receiver.")


def test_what_is_due_later_says_when_and_why() -> None:
    assert why(delivery(due_at=at(12)), NOON).startswith("It is due in 12.00 s (2026-11-23 ")
    assert why(delivery(due_at=at(12), deferrals=1), NOON).startswith("Its receiver put it off: due in 12.00 s (")
    failed = delivery(due_at=at(12), attempts=2)
    assert why(failed, NOON).startswith("Attempt 3 of 5 is due in 12.00 s (")
    attempt(failed, number=1, error_class="builtins.KeyError")
    attempt(failed, number=2, outcome=Outcome.STALE, error_class="")
    assert why(failed, NOON).startswith("Attempt 2 ended with builtins.KeyError; attempt 3 of 5 is due in 12.00 s (")


def test_what_is_due_needs_a_living_cluster_of_its_queue() -> None:
    alive("sigdemo")
    command = "Q_CLUSTER_NAME=mail python manage.py qcluster"
    said = f"It is due, and its queue mail has no living cluster. Start one: {command}"
    assert why(delivery(queue="mail")) == said
    assert why(delivery(queue="mail", attempts=1)) == said


def test_what_comes_first_is_what_a_claim_would_take_first() -> None:
    alive("sigdemo")
    now = timezone.now()
    later = now + timedelta(hours=1)
    one = delivery(due_at=now - timedelta(minutes=1))
    assert why(one) == "It is due and the first of its queue: the next free worker takes it."
    delivery(queue="mail")
    delivery(priority=-1)
    delivery(priority=1, due_at=later)
    delivery(parked=True)
    twin = delivery(due_at=one.due_at)
    assert (ledger.count_ahead(one), ledger.count_ahead(twin)) == (0, 1)
    delivery(priority=1, due_at=now)
    assert why(one) == "It is due; 1 delivery of its queue comes first."
    delivery(priority=5, due_at=now)
    delivery(due_at=now - timedelta(minutes=2))
    assert ledger.due("sigdemo", limit=10).index(one.pk) == ledger.count_ahead(one) == 3


def test_the_pace_is_that_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    alive("sigdemo")
    now = timezone.now()
    for number in range(20):
        delivery(State.SUCCESSFUL, finished_at=now - timedelta(seconds=number / 2))
    delivery(State.SUCCESSFUL, finished_at=now - timedelta(minutes=2))
    copies(delivery(), 29)
    said = why(delivery(due_at=now))
    assert said.startswith("It is due; 30 deliveries of its queue come first: about 1")
    assert " s at the pace of the last minute, " in said
    assert ledger.pace("mail") is None
    monkeypatch.setattr(stats, "MANY", 10)
    monkeypatch.setattr(ledger, "MANY", 10)
    said = why(delivery(due_at=now))
    assert said.startswith("It is due; 10 or more deliveries of its queue come first: at least ")


def test_who_runs_it_and_until_when_the_lease_is() -> None:
    one = delivery(State.RUNNING, lease_until=at(30))
    said = "worker-3.example.org, pid 4711 has been running attempt 1 of 5 for 10.00 s; its lease ends in 18.00 s."
    assert why(one, at(12)) == said
    assert why(one, at(31)).startswith("The lease of worker-3.example.org, pid 4711 is over; a cluster of its queue")


@pytest.mark.parametrize(
    ("state", "outcome", "said"),
    [
        (State.SUCCESSFUL, None, "Attempt 1 of 5 succeeded 7.00 s ago and took 3.00 s."),
        (
            State.FAILED,
            Outcome.ERROR,
            "It failed 7.00 s ago, for good, in attempt 1 of 5: builtins.OSError: no paper",
        ),
        (State.CANCELLED, Outcome.EXPIRED, "It was cancelled 7.00 s ago: no paper"),
        (State.CANCELLED, Outcome.ERROR, "It was cancelled 7.00 s ago, while it waited."),
    ],
)
def test_how_it_ended(state: State, outcome: Outcome | None, said: str) -> None:
    one = delivery(state)
    if outcome:
        error = "builtins.OSError" if outcome == Outcome.ERROR else ""
        attempt(one, outcome=outcome, message="no paper", error_class=error)
    assert why(one, at(12)) == said


def test_the_command_says_the_same() -> None:
    one = delivery(queue="mail")
    assert told("explain", one.pk).strip() == why(one)
    assert read("explain", f"#{one.pk}") == {
        "id": one.pk,
        "state": "READY",
        "waiting": "due",
        "explanation": why(one),
    }


def test_no_more_queries_than_three(django_assert_max_num_queries: Callable[[int], Any]) -> None:
    alive("sigdemo")
    copies(delivery(), 20)
    one = delivery()
    with django_assert_max_num_queries(3):
        explain(one, pauses=[], last=None, now=timezone.now())


@pytest.mark.parametrize(("query", "index"), [(stats._AHEAD, "claim"), (stats._PACE, "finished")])
def test_no_question_reads_the_table(query: str, index: str) -> None:
    one = delivery()
    copies(one, 50)
    copies(delivery(State.SUCCESSFUL), 50)
    plan = query_plan(query, queue="sigdemo", id=one.pk, limit=10, ago=60)
    assert f"signals_app_{index}" in plan
    assert "SCAN d\n" not in plan
    assert "Seq Scan on signals_app_delivery" not in plan


@pytest.mark.database("sqlite")  # PostgreSQL would count what other tests have left in the index, too
def test_what_waits_for_later_in_a_higher_band_costs_nothing() -> None:
    one = delivery(due_at=timezone.now())
    before = steps_of(lambda: ledger.count_ahead(one))
    copies(delivery(priority=1, due_at=timezone.now() + timedelta(hours=1)), 2_000)
    assert steps_of(lambda: ledger.count_ahead(one)) < before + 500
