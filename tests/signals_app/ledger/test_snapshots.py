"""The counters' totals over time."""

from __future__ import annotations

import pytest

from signals_app.ledger import SPANS, Count, TallyKey, Totals, add_tallies, read_snapshots, read_totals, take_snapshot
from signals_app.ledger import snapshots as module
from signals_app.models import Measure, Snapshot, State
from tests.signals_app.threads import at_the_same_time

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOON = 30_000_060  # a minute with which a slot of every span begins


def add(measure: Measure, number: int = 1, *, receiver: str = "mail", queue: str = "q", **key: str) -> None:
    """Count so often what took a second each time."""
    key_of = TallyKey(measure=measure, receiver=receiver, queue=queue, **key)
    add_tallies({key_of: Count(count=number, seconds=number)})


def test_the_totals_of_a_receiver_are_of_all_its_queues_and_buckets() -> None:
    for queue, bound in (("a", "1"), ("a", "5"), ("b", "5")):
        add(Measure.WAIT, queue=queue, bound=bound)
        add(Measure.RUN, queue=queue, bound=bound, detail=State.SUCCESSFUL)
    add(Measure.RUN, 2, detail="ERROR", bound="5")
    add(Measure.RUN, 7, detail="EXPIRED", bound="5")  # which never ran
    add(Measure.LOSS, detail="WorkerDied")
    add(Measure.FAILURE)
    add(Measure.FAILURE, receiver="other")
    totals = {"mail": Totals(succeeded=3, failed=1, waits=3, runs=5, waited=3, ran=5), "other": Totals(failed=1)}
    assert read_totals() == totals
    take_snapshot()
    assert list(read_snapshots(SPANS[0], module.this_minute()).values()) == [totals]


def test_counts_that_began_anew_are_not_taken_from_those_before() -> None:
    assert Totals(succeeded=9, ran=5).since(Totals(succeeded=7, ran=4)) == Totals(succeeded=2, ran=1)
    assert Totals(succeeded=3, waits=9, ran=5).since(Totals(succeeded=7, waits=7)) == Totals(3, 0, 9, 0, 0, 5)


@pytest.mark.django_db(transaction=True)
def test_of_all_processes_one_keeps_the_totals_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "this_minute", lambda: NOON)
    add(Measure.FAILURE)
    assert sorted(at_the_same_time(*[take_snapshot] * 4)) == [False, False, False, True]
    assert Snapshot.objects.count() == 1


def test_what_grows_old_is_thinned_to_the_first_of_each_slot_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOON + 100
    monkeypatch.setattr(module, "this_minute", lambda: now)
    minutes = [minute for minute in range(now - 9 * 1_440, now) if minute != NOON - 30]  # one came a minute late
    Snapshot.objects.bulk_create([Snapshot(minute=minute, totals="{}") for minute in minutes], batch_size=500)

    assert take_snapshot()

    assert Snapshot.objects.count() < sum(span.slots for span in SPANS)
    left = set(Snapshot.objects.values_list("minute", flat=True))
    for span in SPANS:
        slots = range(span.first(now), now // span.minutes + 1)
        assert list(read_snapshots(span, now)) == list(slots)
        firsts = {slot * span.minutes for slot in slots}
        assert firsts - left <= {NOON - 30}
    assert NOON - 29 in left
    assert min(left) == SPANS[-1].first(now) * SPANS[-1].minutes
