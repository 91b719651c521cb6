"""Counts for monitoring: what is counted, and that no count is lost or waited for."""

import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import override_settings

from signals_app import events, ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.ledger import Count, TallyKey
from signals_app.models import Delivery, Measure
from signals_app.worker import loop
from tests.signals_app.listeners import Doing, Failing
from tests.signals_app.threads import at_the_same_time
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    events._counted.clear()


def counts(measure: Measure) -> dict[str, int]:
    """Return what was counted, by detail; the buckets of one detail taken together."""
    found: dict[str, int] = {}
    for key, one in ledger.read_tallies().items():
        if key.measure == measure:
            found[key.detail] = found.get(key.detail, 0) + one.count
    return found


def test_a_success_counts_its_wait_from_the_due_time_and_its_run() -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.due_at.replace(year=2000))
    loop.drain(conf.queue)
    found = ledger.read_tallies()
    assert {(key.measure, key.queue, key.receiver, key.detail) for key in found} == {
        (Measure.WAIT, conf.queue, receivers.nothing.key, ""),
        (Measure.RUN, conf.queue, receivers.nothing.key, "SUCCESSFUL"),
    }
    for key, one in found.items():
        assert one.count == 1
        assert 0 < one.seconds <= float(key.bound)
        assert (key.bound == "inf") == (key.measure == Measure.WAIT)


def test_every_way_to_end_is_counted(doing: Doing) -> None:
    doing(receivers.nothing, lambda **arguments: Delivery.objects.update(token=99))
    loop.drain(conf.queue)
    enqueue(receivers.sleeps)
    loop.drain(conf.queue)
    user = get_user_model().objects.create_user("ada")
    enqueue(receivers.work, user=user)
    user.delete()
    enqueue(receivers.gives_up)
    enqueue(receivers.asks_for_later, seconds=60)
    with override_settings(SIGNALS_APP={"MISSING": "skip"}):
        loop.drain(conf.queue)
    assert counts(Measure.RUN) == {"STALE": 1, "SKIPPED": 1, "TIMEOUT": 1, "ERROR": 1, "RETRY_AFTER": 1}
    assert counts(Measure.FAILURE) == {"": 2}


@pytest.mark.database
def test_a_loss_is_counted_with_its_cause_by_whoever_finds_it() -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(max_attempts=1)
    ledger.claim(conf.queue, owner="vm/boot/12/34", limit=1, lease=0)
    DeliveryBroker(list_key=conf.queue)._recover_lost()
    assert counts(Measure.LOSS) == {"LeaseExpired": 1}
    assert counts(Measure.FAILURE) == {"": 1}
    assert counts(Measure.RUN) == {}


def test_counts_that_the_database_does_not_take_are_kept_for_the_next_time(failing: Failing) -> None:
    failing("add_tallies", OperationalError("database is locked"))
    enqueue(receivers.nothing)
    assert loop.drain(conf.queue) == 1
    assert counts(Measure.RUN) == {}
    enqueue(receivers.nothing)
    loop.drain(conf.queue)
    assert counts(Measure.RUN) == {"SUCCESSFUL": 2}


@pytest.mark.parametrize(("seconds", "bound"), [(0, "0.005"), (0.005, "0.005"), (0.0051, "0.01"), (9e9, "inf")])
def test_a_time_is_counted_in_the_first_bucket_that_holds_it(seconds: float, bound: str) -> None:
    enqueue(receivers.nothing)
    (claimed,) = ledger.claim(conf.queue, owner="", limit=1, lease=30)
    events.count(Measure.RUN, claimed, seconds=seconds)
    assert events.write()
    assert [key.bound for key in ledger.read_tallies()] == [bound]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_counts_that_are_added_at_the_same_time_are_all_there() -> None:
    keys = [TallyKey(measure=Measure.RUN, queue="q", receiver=f"r{n}") for n in range(10)]

    def add() -> None:
        for _ in range(10):
            ledger.add_tallies({key: Count(count=1, seconds=0.5) for key in keys})

    at_the_same_time(*[add] * 4)
    assert ledger.read_tallies() == {key: Count(count=40, seconds=20.0) for key in keys}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_workers_thread_writes_a_last_time_when_the_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_ending", threading.Event())
    monkeypatch.setattr(events, "_writer", None)
    enqueue(receivers.nothing)
    (claimed,) = ledger.claim(conf.queue, owner="", limit=1, lease=30)
    events.write_in_background()
    events.count(Measure.LOSS, claimed)
    events.write_last()
    assert counts(Measure.LOSS) == {"": 1}
