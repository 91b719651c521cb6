"""How often deliveries of a receiver with a rate begin, and what becomes of those that have to wait."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from signals_app import ledger
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger.rates import _LINE, turn
from signals_app.models import Attempt, Bucket, Delivery, Outcome, State
from signals_app.worker.loop import drain
from signals_app.worker.pruning import prune_all
from tests.cluster import Cluster, wait_for_all
from tests.query_plan import query_plan
from tests.signals_app.threads import at_the_same_time
from tests.testapp.models import Effect
from tests.testapp.receivers import an_hour_by_customer, enqueue, limited, ten_a_minute

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def send(count: int, receiver: QueuedReceiver = ten_a_minute, **arguments: object) -> list[Delivery]:
    return [enqueue(receiver, **arguments) for _ in range(count)]


def pass_time(seconds: float) -> None:
    """Put everything that is on the record so many seconds back, as if nobody had worked meanwhile."""
    ago = timedelta(seconds=seconds)
    for model, names in ((Delivery, ("due_at", "enqueued_at")), (Bucket, ("used_until",))):
        for row in model._default_manager.all():
            model._default_manager.filter(pk=row.pk).update(**{name: getattr(row, name) - ago for name in names})


def work() -> int:
    """Do what a worker does on a hint; return how many more have begun."""
    before = Effect.objects.count()
    drain("sigdemo")
    return Effect.objects.count() - before


def waits(interval: float = 6) -> list[int]:
    """Return in how many intervals of so many seconds those that wait are due, in the order of their sends."""
    now = timezone.now()
    waiting = Delivery.objects.filter(state=State.READY).order_by("pk")
    return [round((one.due_at - now).total_seconds() / interval) for one in waiting]


def test_those_that_have_to_wait_are_due_one_interval_after_another_and_uncharged() -> None:
    deliveries = send(4)
    assert (work(), waits()) == (1, [1, 2, 3])
    assert set(Delivery.objects.filter(state=State.READY).values_list("booked", "attempts")) == {(True, 0)}
    assert not Attempt.objects.exists()
    send(1)
    pass_time(6)
    assert (work(), waits()) == (1, [1, 2, 3])  # what was sent last has gone behind the others
    for _ in range(3):
        pass_time(6)
        assert work() == 1
    begun = [effect.delivery_id for effect in Effect.objects.order_by("pk")]
    assert begun[:4] == [one.pk for one in deliveries]
    assert max(Delivery.objects.values_list("token", flat=True)) == 2  # claims


def test_a_burst_begins_at_once_and_the_rest_at_the_rate() -> None:
    send(4, an_hour_by_customer, customer="Ada")
    assert (work(), waits(60)) == (2, [1, 2])


def test_each_key_has_a_bucket_of_its_own_and_none_has_no_limit() -> None:
    for customer in ("Ada", "Bob", None):
        send(3, an_hour_by_customer, customer=customer)
    assert work() == 2 + 2 + 3
    assert waits(60) == [1, 1]
    assert Bucket.objects.count() == 2


def test_the_rate_holds_when_all_have_waited_for_somebody_to_work() -> None:
    send(5)
    assert (work(), len(waits())) == (1, 4)
    pass_time(3600)
    assert work() == 2  # one whose turn it is, and one that may be late
    assert waits() == [2, 3]


def test_what_is_cancelled_leaves_its_turn_to_what_is_sent_later() -> None:
    deliveries = send(10)
    work()
    ledger.cancel([one.pk for one in deliveries[2:]])
    send(1)
    work()
    assert waits() == [1, 2]


def test_an_operator_makes_due_now_what_the_rate_then_decides() -> None:
    deliveries = send(4)
    work()
    assert len(ledger.run_now([one.pk for one in deliveries])) == 3
    assert (work(), waits()) == (1, [2, 3])


def test_a_rate_that_a_deploy_has_raised_holds_for_what_waits_once_it_is_made_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliveries = send(5)
    work()
    monkeypatch.setitem(ten_a_minute.options.own, "rate", "30/m")
    ledger.run_now([one.pk for one in deliveries])
    assert (work(), waits(2)) == (1, [2, 3, 4])


def test_a_bucket_of_the_future_is_not_waited_for() -> None:
    send(1)
    work()
    Bucket.objects.update(used_until=timezone.now() + timedelta(days=1))
    send(2)
    assert (work(), waits()) == (0, [1, 2])
    pass_time(6)
    assert work() == 1


def test_a_retry_takes_another_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**arguments: object) -> None:
        raise ValueError("not yet")

    send(2)
    monkeypatch.setattr(ten_a_minute, "func", fail)
    work()
    Delivery.objects.filter(attempts=1).update(due_at=timezone.now())
    work()
    assert waits() == [2, 1]
    assert Delivery.objects.get(attempts=1).booked


def test_what_could_not_begin_in_time_is_cancelled_at_once_and_keeps_no_turn() -> None:
    send(9, an_hour_by_customer, customer="Ada")
    work()
    assert Delivery.objects.filter(state=State.CANCELLED).count() == 5
    message = "Its turn by the rate 60/h is later than 150 s after its send."
    assert set(Attempt.objects.values_list("outcome", "message")) == {(Outcome.EXPIRED, message)}
    assert waits(60) == [1, 2]
    pass_time(160)
    send(2, an_hour_by_customer, customer="Ada")
    assert (work(), waits()) == (2, [])  # what had expired by then took no turn


def test_it_goes_back_as_it_was_while_the_database_gives_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    take_turn = ledger.take_turn

    def away(*args: object, **kwargs: object) -> float:
        monkeypatch.setattr(ledger, "take_turn", take_turn)
        raise OperationalError("the system is shutting down")

    monkeypatch.setattr(ledger, "take_turn", away)
    (delivery,) = send(1)
    assert work() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)


def test_a_receiver_without_a_rate_costs_no_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "take_turn", None)
    monkeypatch.delitem(ten_a_minute.options.own, "rate")
    send(2)
    assert work() == 2


def test_buckets_that_are_full_again_are_pruned() -> None:
    for customer in ("Ada", "Bob", "Cleo"):
        send(1, an_hour_by_customer, customer=customer)
    work()
    Bucket.objects.exclude(name__contains="Cleo").update(used_until=timezone.now())
    prune_all()
    assert [one.name.partition("\n")[2] for one in Bucket.objects.all()] == ["Cleo"]


@pytest.mark.django_db(transaction=False)
def test_the_end_of_the_line_is_found_by_its_own_index() -> None:
    plan = query_plan(_LINE, receiver=ten_a_minute.key, bucket="")
    assert "signals_app_booked" in plan
    assert not {"Sort", "Aggregate", "TEMP"} & set(re.findall(r"\w+", plan))  # the last one alone is read


def most_within(starts: list[float], seconds: float) -> int:
    return max(sum(one <= other <= one + seconds for other in starts) for one in starts)


def test_workers_that_ask_at_the_same_time_get_different_turns() -> None:
    send(40)

    def ask(owner: str) -> list[float]:
        claimed = ledger.claim("sigdemo", owner=owner, limit=10, lease=30)
        return [ledger.take_turn(one, interval=6.0, burst=1) for one in claimed]

    waited = at_the_same_time(*(partial(ask, str(number)) for number in range(4)))
    assert sorted(round(one / 6) for each in waited for one in each) == list(range(40))


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=60),
    st.sampled_from((1.0, 0.25)),
    st.integers(1, 5),
)
def test_however_late_they_come_no_more_begin_than_the_burst_and_the_rate(
    sent: list[tuple[int, int]], interval: float, burst: int
) -> None:
    """Times are in eighths of a second: when each is sent, and how late a worker comes to it."""
    due = [(at / 8, late / 8, False) for at, late in sent]
    used, starts, claims = 0.0, list[float](), 0
    while due:
        due.sort(key=lambda one: one[0] + one[1])
        at, late, booked = due.pop(0)
        now, claims = at + late, claims + 1
        line = max((other for other, _, other_booked in due if other_booked), default=-1e9)
        wait, reach = turn(used - now, line - now, booked=booked, interval=interval, burst=burst)
        used = reach + now
        if wait:
            due.append((now + wait, 0.0 if booked else late, True))
        else:
            starts.append(now)
    for seconds in (0, 1, 7, 100):
        assert most_within(starts, seconds) <= max(burst, 2) + seconds / interval
    assert claims <= 3 * len(sent)


def test_the_rate_holds_over_two_clusters_and_nobody_spins(tmp_path: Path) -> None:
    with Cluster(tmp_path / "one.log"), Cluster(tmp_path / "two.log"):
        send(80, limited)
        wait_for_all()
    starts = sorted(one.started_at.timestamp() for one in Delivery.objects.all() if one.started_at)
    for seconds in (0.5, 1.0, 2.0):
        # that of a start is the time of its claim, which may be a little earlier than that of its turn
        assert most_within(starts, seconds - 0.05) <= 5 + 20 * seconds
    assert sum(Delivery.objects.values_list("token", flat=True)) <= 2.2 * len(starts)
