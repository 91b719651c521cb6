"""The signals map of this process, and what the record knows of each signal and receiver."""

from __future__ import annotations

import gc
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import connection
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from signals_app import ledger
from signals_app.console.signals_map import graph
from signals_app.console.signals_map.graph import Counts, Mark, Row, SignalRows, signals_map, tally
from signals_app.dispatcher import QueuedReceiver, registry, schedule, scheduled
from signals_app.dispatcher.options import ReceiverOptions
from signals_app.models import Delivery, PauseKind, State
from tests.signals_app.console.admin.rows import at, attempt, delivery
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import UNHEARD, by_queue
from tests.testapp.signals import unheard

pytestmark = pytest.mark.django_db

STARTED = "django.core.signals.request_started"

DAY_AGO = at(60) - timedelta(days=1)
EDGE = "shop.signals.order_placed", "shop.receivers.send_mail"


def rows_of(name: str) -> SignalRows:
    (found,) = [signal for signal in signals_map().signals if signal.name == name]
    return found


def marks_of(name: str) -> list[tuple[Mark, ...]]:
    return [row.marks for row in rows_of(name).receivers]


def loose(of: tuple[Row, ...], receiver: str) -> list[Row]:
    return [one for one in of if one.receiver == receiver]


def ended(state: State, **fields: Any) -> None:
    """Write a delivery of ``unheard`` to ``by_queue`` that ended just now."""
    standard = {"signal": UNHEARD, "receiver": by_queue.key, "finished_at": timezone.now()}
    delivery(state, **standard | fields)


def test_every_signal_that_a_module_holds_is_there_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("some_module")
    module.fresh = module.again = Signal()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_module", module)
    names = [signal.name for signal in signals_map().signals]
    assert names == sorted(set(names))
    assert {"some_module.again", "sigdemo.shop.signals.order_placed", "django.db.models.signals.post_save"} < set(names)
    assert "some_module.fresh" not in names


def test_a_signal_of_the_project_without_a_living_receiver_is_marked() -> None:
    assert rows_of(UNHEARD).marks == (Mark.UNHEARD,)
    assert rows_of("django.db.models.signals.pre_init").marks == ()
    unheard.connect(lambda sender, **kwargs: None)
    gc.collect()
    assert (rows_of(UNHEARD).marks, marks_of(UNHEARD)) == ((Mark.UNHEARD,), [(Mark.DEAD,)])
    unheard.connect(listeners.plain)
    assert rows_of(UNHEARD).marks == ()


def test_what_libraries_leave_behind_is_not_marked() -> None:
    class Storage:
        def method(self, **kwargs: Any) -> None: ...

    Storage.method.__code__ = Storage.method.__code__.replace(co_filename="/x/site-packages/storage.py")
    unheard.connect(Storage().method)
    gc.collect()
    (row,) = rows_of(UNHEARD).receivers
    assert (str(row.place).partition(":")[0], row.is_dead, row.marks) == ("storage.py", True, ())


def test_a_queued_receiver_is_marked_for_failures_and_where_it_has_no_delivery() -> None:
    unheard.connect(by_queue)
    assert marks_of(UNHEARD) == [(Mark.UNSENT,)]
    ended(State.READY, finished_at=None)
    assert marks_of(UNHEARD) == [()]
    ended(State.FAILED)
    assert marks_of(UNHEARD) == [(Mark.FAILING,)]


@pytest.mark.parametrize(
    ("kind", "name", "marks"),
    [
        (PauseKind.RECEIVER, by_queue.key, (Mark.PAUSED,)),
        (PauseKind.QUEUE, "sigdemo", (Mark.PAUSED,)),
        (PauseKind.QUEUE, by_queue.key, ()),
        (PauseKind.RECEIVER, "sigdemo", ()),
    ],
)
def test_a_receiver_that_is_paused_or_whose_queue_is_bears_a_mark(
    kind: PauseKind, name: str, marks: tuple[Mark, ...]
) -> None:
    unheard.connect(by_queue)
    ledger.pause(kind, name)
    ended(State.SUCCESSFUL)
    assert marks_of(UNHEARD) == [marks]
    unheard.disconnect(by_queue)
    whole = signals_map()
    (known,) = loose(whole.unexplained, by_queue.key)
    assert known.marks == (*marks, Mark.UNEXPLAINED)
    assert loose(whole.unconnected, by_queue.key) == []


def test_what_sends_for_batches_and_schedules_needs_no_connection() -> None:
    for key in ("signals_app.batch_done", "signals_app.tick"):
        delivery(signal="shop.signals.closed", receiver=key)
    assert not {one.receiver for one in (*signals_map().unexplained, *signals_map().unconnected)} & {
        "signals_app.batch_done",
        "signals_app.tick",
    }


def test_a_schedule_is_the_sender_of_its_signal() -> None:
    unheard.connect(by_queue)
    schedule(unheard, "0 3 * * *", tz="Europe/Vienna")
    schedule(unheard, "0 4 * * *", key="again")
    assert rows_of(UNHEARD).schedules == ("0 4 * * * UTC", "0 3 * * * Europe/Vienna")
    assert marks_of(UNHEARD) == [()]


def test_the_signal_that_only_a_schedule_has_goes_by_its_name() -> None:
    nightly = scheduled("0 3 * * *", key="shop.receivers.nightly")(listeners.plain)
    delivery(signal="", receiver=nightly.key)
    try:
        whole = signals_map()
        names = [one.name for one in whole.signals]
        (found,) = [one for one in whole.signals if one.name == nightly.key]
        assert names == sorted(names)
        assert loose((*whole.unconnected, *whole.unexplained), nightly.key) == []
    finally:
        registry.forget(nightly.key)
    (row,) = found.receivers
    assert (found.schedules, found.marks) == (("0 3 * * * UTC",), ())
    assert (row.signal, row.receiver, row.marks, row.counts) == ("", nightly.key, (), Counts(waiting=1))


def test_a_queued_receiver_that_no_signal_calls_is_told_apart() -> None:
    (found,) = loose(signals_map().unconnected, by_queue.key)
    assert (found.signal, found.counts, found.marks) == ("", Counts(), (Mark.UNSENT,))
    assert str(found.place).startswith("tests/signals_app/console/signals_map/listeners.py:")
    assert "priority=3" in found.texts(given=True)
    unheard.connect(listeners.wrapped_queued)
    assert loose(signals_map().unconnected, by_queue.key) == []


def test_a_signal_of_a_library_is_foreign_until_the_project_or_a_queue_hears_it() -> None:
    def function(**kwargs: Any) -> None: ...

    function.__code__ = function.__code__.replace(co_filename="/x/site-packages/mails.py")
    function.__qualname__ = "function"
    queued = QueuedReceiver(function, key="a library's", options=ReceiverOptions())
    assert not rows_of(UNHEARD).is_foreign
    assert rows_of(STARTED).is_foreign
    for receiver in (listeners.plain, queued):
        request_started.connect(receiver)
        try:
            assert not rows_of(STARTED).is_foreign
        finally:
            request_started.disconnect(receiver)
    registry.forget("a library's")


@pytest.mark.parametrize("mark", list(Mark))
def test_a_mark_leaves_only_its_bearers_and_counts_them(mark: Mark) -> None:
    if mark != Mark.UNHEARD:
        unheard.connect(by_queue)
        unheard.connect(listeners.plain)
        unheard.connect(lambda sender, **kwargs: None)
        gc.collect()
    ended(State.FAILED)
    renamed = delivery(State.FAILED, signal=UNHEARD, receiver="shop.receivers.renamed", finished_at=timezone.now())
    for number in (1, 2):
        attempt(renamed, number, finished_at=timezone.now())
    ledger.pause(PauseKind.RECEIVER, by_queue.key)
    whole = signals_map()
    part = whole.marked(mark)
    rows = [*(row for signal in part.signals for row in signal.receivers), *part.unconnected, *part.unexplained]
    assert all(mark in row.marks for row in rows)
    assert whole.count(mark) == len(rows) + sum(mark in signal.marks for signal in part.signals) > 0
    assert part.count(mark) == whole.count(mark)


@pytest.mark.database
def test_what_waits_and_runs_is_counted_now_and_what_ended_within_the_day() -> None:
    for state, number in zip(State, (1, 2, 3, 4, 5, 6), strict=True):
        for _ in range(number):
            delivery(state)
    delivery(State.SUCCESSFUL, attempts=4)
    delivery(signal=EDGE[0], receiver="another")
    delivery(signal="another", receiver=EDGE[1])
    counted = Counts(waiting=1, running=2, successful=4, failed=4, cancelled=5, merged=6, runs=3 + 4 + 4)
    one = Counts(waiting=1)
    assert tally(DAY_AGO) == (DAY_AGO, {EDGE: counted, (EDGE[0], "another"): one, ("another", EDGE[1]): one})


@pytest.mark.database
def test_what_ended_before_is_not_counted_however_long_it_has_waited() -> None:
    assert tally(datetime.now(UTC))[1] == {}
    long_ago = DAY_AGO - timedelta(days=8)
    delivery(State.FAILED, finished_at=DAY_AGO - timedelta(seconds=1))
    delivery(State.FAILED, finished_at=DAY_AGO, enqueued_at=long_ago)
    delivery(enqueued_at=long_ago)
    assert tally(DAY_AGO)[1] == {EDGE: Counts(waiting=1, failed=1, runs=1)}


@pytest.mark.database
def test_where_too_much_ended_the_newest_are_counted_and_the_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "COUNTED", 3)
    for second in range(3):
        delivery(State.SUCCESSFUL, finished_at=at(second))
    assert tally(DAY_AGO)[0] == DAY_AGO
    for second in (3, 4):
        delivery(State.SUCCESSFUL, finished_at=at(second))
        assert tally(DAY_AGO)[0] == at(second - 3)
    assert tally(DAY_AGO)[1][EDGE].successful == 4
    # each state is cut alone, and the shortest time holds for all
    for second in range(7):
        delivery(State.FAILED, finished_at=at(second))
    since, counted = tally(DAY_AGO)
    assert (since, counted[EDGE].failed, counted[EDGE].successful) == (at(3), 4, 2)


@pytest.mark.database
def test_no_row_is_read_that_is_not_counted() -> None:
    for state in State:
        delivery(state)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE signals_app_delivery")
            cursor.execute("SET LOCAL enable_seqscan = off")  # a small table is read whole otherwise
    plan = graph._grouped(Delivery.objects.all(), at(60)).explain()
    assert plan.count("signals_app_finished") == 4
    assert plan.count("signals_app_claim") == plan.count("signals_app_running") == 1
    plan = Delivery.objects.filter(state=State.FAILED, finished_at__gte=at(60)).order_by("-finished_at").explain()
    assert "signals_app_finished" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_the_whole_map_takes_seven_queries_whatever_there_is() -> None:
    for number in range(20):
        delivery(State.SUCCESSFUL, signal=f"signal {number}", receiver=f"receiver {number}", finished_at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        assert len(signals_map().unexplained) == 20
    assert len(queries) == 7
