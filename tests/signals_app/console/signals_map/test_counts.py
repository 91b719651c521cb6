"""What the record knows of each signal and receiver."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from signals_app.console.signals_map import graph
from signals_app.console.signals_map.graph import Counts, tally
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import at, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOW = at(60)
SIGNAL, RECEIVER = "shop.signals.order_placed", "shop.receivers.send_mail"


def test_what_waits_and_runs_is_counted_now_and_what_ended_within_the_day() -> None:
    for state, number in zip(State, (1, 2, 3, 4, 5), strict=True):
        for _ in range(number):
            delivery(state)
    delivery(State.SUCCESSFUL, attempts=4)
    counted = tally(NOW)
    assert counted.of(SIGNAL, RECEIVER) == Counts(
        waiting=1, running=2, successful=4, failed=4, cancelled=5, runs=3 + 4 + 4
    )
    assert (counted.since, counted.is_whole_day) == (NOW - timedelta(days=1), True)


def test_edges_are_counted_apart() -> None:
    delivery(signal="a", receiver="x")
    delivery(signal="a", receiver="y")
    delivery(signal="b", receiver="x")
    counted = tally(NOW)
    assert set(counted.by_edge) == {("a", "x"), ("a", "y"), ("b", "x")}
    assert set(counted.by_edge.values()) == {Counts(waiting=1)}
    assert counted.of("b", "y") == Counts()


def test_what_ended_before_is_not_counted_however_long_it_has_waited() -> None:
    day = timedelta(days=1)
    delivery(State.FAILED, finished_at=NOW - day - timedelta(seconds=1))
    delivery(State.FAILED, finished_at=NOW - day, enqueued_at=NOW - 9 * day)
    delivery(enqueued_at=NOW - 9 * day)
    assert tally(NOW).of(SIGNAL, RECEIVER) == Counts(waiting=1, failed=1, runs=1)


def test_where_too_much_ended_the_newest_are_counted_and_the_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "COUNTED", 3)
    for second in range(3):
        delivery(State.SUCCESSFUL, finished_at=at(second))
    assert tally(NOW).is_whole_day
    delivery(State.SUCCESSFUL, finished_at=at(3))
    counted = tally(NOW)
    assert (counted.since, counted.is_whole_day) == (at(0), False)
    delivery(State.SUCCESSFUL, finished_at=at(4))
    counted = tally(NOW)
    assert counted.since == at(1)
    assert counted.of(SIGNAL, RECEIVER).successful == 4


def test_nothing_counts_as_nothing() -> None:
    assert not tally(datetime.now(UTC)).of(SIGNAL, RECEIVER)
    delivery()
    assert tally(NOW).of(SIGNAL, RECEIVER)


def test_each_state_is_cut_alone_and_the_shortest_time_holds_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "COUNTED", 2)
    for second in range(4):
        delivery(State.FAILED, finished_at=at(second))
    for second in (0, 8, 9):
        delivery(State.SUCCESSFUL, finished_at=at(second))
    counted = tally(NOW)
    assert counted.since == at(1)
    assert (counted.of(SIGNAL, RECEIVER).failed, counted.of(SIGNAL, RECEIVER).successful) == (3, 2)


def test_no_row_is_read_that_is_not_counted() -> None:
    for state in State:
        delivery(state)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE signals_app_delivery")
            cursor.execute("SET LOCAL enable_seqscan = off")  # a small table is read whole otherwise
    plan = graph._grouped(Delivery.objects.all(), NOW).explain()
    assert plan.count("signals_app_finished") == 3
    assert plan.count("signals_app_claim") == plan.count("signals_app_running") == 1
    plan = Delivery.objects.filter(state=State.FAILED, finished_at__gte=NOW).order_by("-finished_at").explain()
    assert "signals_app_finished" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_it_takes_four_queries_whatever_there_is() -> None:
    for number in range(20):
        delivery(State.SUCCESSFUL, signal=f"signal {number}", receiver=f"receiver {number}")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(tally(NOW).by_edge) == 20
    assert len(queries) == 4
