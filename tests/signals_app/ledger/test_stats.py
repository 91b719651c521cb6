"""How much waits, runs and has failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.ledger import stats
from signals_app.models import FINAL_STATES, Outcome, PauseKind, State
from tests.query_plan import query_plan
from tests.signals_app.console.admin.rows import attempt, copies, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def seconds_ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


LATER = timedelta(days=1)


def test_an_empty_ledger_has_no_queues_and_no_numbers() -> None:
    found = ledger.current_stats()
    assert (found.queues, found.pauses, found.oldest_wait) == ((), (), 0.0)
    assert (found.succeeded, found.failed, found.cancelled, found.merged, found.lost) == (0, 0, 0, 0, 0)
    assert ledger.receiver_stats() == []
    assert ledger.queues_with_work() == []
    assert ledger.oldest_waits() == {}


def test_what_waits_and_runs_is_counted_by_queue_and_by_receiver() -> None:
    delivery(queue="mail", due_at=seconds_ago(90), receiver="r")
    delivery(queue="mail", due_at=seconds_ago(30), receiver="r", unroutable=True)
    delivery(queue="mail", due_at=timezone.now() + LATER, receiver="s", attempts=1)
    delivery(State.RUNNING, queue="mail", started_at=seconds_ago(300), receiver="r")
    delivery(State.RUNNING, queue="mail", started_at=timezone.now(), receiver="r")
    delivery(State.RUNNING, queue="print", started_at=timezone.now(), receiver="r")
    delivery(State.FAILED, queue="done", receiver="r")
    delivery(State.SUCCESSFUL, queue="done", receiver="r")

    found = ledger.current_stats()

    mail, printing = found.queues
    assert (mail.name, mail.waiting, mail.due, mail.retrying, mail.unroutable) == ("mail", 3, 1, 1, 1)
    assert 90 <= mail.oldest_wait < 120
    assert (mail.running, mail.long_running, mail.paused, mail.is_paused) == (2, 1, 0, False)
    assert (printing.name, printing.waiting, printing.running) == ("print", 0, 1)
    assert (found.total("waiting"), found.total("running"), found.oldest_wait >= 90) == (3, 3, True)
    assert ledger.queues_with_work() == ["mail"]
    assert {
        (one.state, one.queue, one.receiver): (one.count, one.due, one.unroutable) for one in ledger.receiver_stats()
    } == {
        (State.READY, "mail", "r"): (2, 2, 1),
        (State.READY, "mail", "s"): (1, 0, 0),
        (State.RUNNING, "mail", "r"): (2, 0, 0),
        (State.RUNNING, "print", "r"): (1, 0, 0),
        (State.FAILED, "done", "r"): (1, 0, 0),
    }


def test_the_oldest_wait_is_since_the_earliest_due_time_in_any_band_of_priority() -> None:
    delivery(queue="later", due_at=timezone.now() + LATER)
    for seconds, priority in ((100, 5), (200, -5), (50, 0)):
        delivery(queue="mail", due_at=seconds_ago(seconds), priority=priority)
    delivery(queue="print", due_at=seconds_ago(1_000))
    waits = ledger.oldest_waits()
    assert waits.keys() == {"later", "mail", "print"}
    assert waits["later"] == 0
    assert 200 <= waits["mail"] < 230
    assert 1_000 <= waits["print"] < 1_030


def test_what_is_paused_is_not_due() -> None:
    delivery(queue="mail")
    delivery(queue="print", receiver="label")
    delivery(queue="print")
    ledger.pause(PauseKind.QUEUE, "mail")
    ledger.pause(PauseKind.QUEUE, "void")
    ledger.pause(PauseKind.RECEIVER, "label")

    found = ledger.current_stats()

    numbers = [(one.name, one.waiting, one.due, one.paused, one.is_paused) for one in found.queues]
    assert numbers == [("mail", 1, 0, 1, True), ("print", 2, 1, 1, False), ("void", 0, 0, 0, True)]
    assert [pause.name for pause in found.pauses] == ["mail", "void", "label"]
    assert found.queues[0].oldest_wait == 0.0
    assert sum(one.due for one in ledger.receiver_stats()) == 1


def test_what_ended_is_that_of_the_last_hour() -> None:
    for minutes in (10, 50, 70):
        ended = seconds_ago(minutes * 60)
        for state in FINAL_STATES:
            delivery(state, finished_at=ended)
        for outcome in (Outcome.LOST, Outcome.ERROR):
            attempt(delivery(), outcome=outcome, finished_at=ended)
    delivery(State.FAILED, finished_at=timezone.now())
    found = ledger.current_stats()
    assert (found.succeeded, found.failed, found.cancelled, found.merged, found.lost) == (2, 3, 2, 2, 2)
    assert ledger.recently_ended(2 * 3_600) == dict.fromkeys(FINAL_STATES, 3) | {State.FAILED: 4}


def test_attempts_of_the_last_minutes_are_counted_for_receivers_of_which_some_failed() -> None:
    def fail(state: State, receiver: str, *, outcome: Outcome = Outcome.ERROR, seconds: float = 5) -> None:
        one = delivery(state, receiver=receiver, attempts=2, finished_at=seconds_ago(seconds))
        attempt(one, outcome=outcome, finished_at=seconds_ago(seconds))

    for receiver in ("mail", "print", "well"):
        delivery(State.SUCCESSFUL, receiver=receiver, finished_at=seconds_ago(5))
    delivery(State.SUCCESSFUL, receiver="mail", finished_at=seconds_ago(400))
    for state in (State.READY, State.RUNNING, State.FAILED, State.CANCELLED, State.MERGED):
        fail(state, "mail", outcome=Outcome.LOST)
    fail(State.READY, "mail", outcome=Outcome.RETRY_AFTER)
    fail(State.READY, "mail", seconds=400)
    fail(State.SUCCESSFUL, "print", outcome=Outcome.TIMEOUT)

    found = {one.receiver: (one.count, one.failed, one.lasting, one.share) for one in ledger.recent_attempts()}

    assert found == {"mail": (6, 5, 3, 5 / 6), "print": (3, 1, 0, 1 / 3)}


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (stats._QUEUES, ["claim"]),
        (stats._LONGEST_DUE, ["claim"]),
        (stats._BY_RECEIVER, ["claim", "running"]),
        (stats._WAITING, ["claim", "retrying", "unroutable"]),
        (stats._WAITING_BY_ROW, ["claim", "retrying", "unroutable"]),
        (stats._RECENT_ATTEMPTS, ["finished", "ended_badly"]),
        (stats._RUNNING, ["running"]),
        (stats._ENDED, ["finished"]),
        (stats._LOST, ["outcome"]),
    ],
)
def test_no_number_reads_what_is_finished(query: str, indexes: list[str]) -> None:
    for state in (State.READY, State.SUCCESSFUL):
        attempt(pattern := delivery(state))
        copies(pattern, 50)
    plan = query_plan(query, ago=60)
    assert "SCAN d\n" not in plan
    assert "Seq Scan on signals_app_delivery" not in plan
    for index in indexes:
        assert f"signals_app_{index}" in (plan.replace("ended_badly", "outcome") if query == stats._LOST else plan)


def test_the_queries_are_always_as_many(django_assert_num_queries: Any) -> None:
    for number in range(20):
        delivery(queue=f"queue {number}")
    with django_assert_num_queries(5):
        ledger.current_stats()
