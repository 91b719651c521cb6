"""Pruning in turns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from signals_app.cluster.broker import DeliveryBroker
from signals_app.models import Delivery, MaintenanceTask, State
from signals_app.worker import pruning
from tests.cluster import Cluster, wait_until
from tests.signals_app.cluster.test_broker import tasks
from tests.signals_app.console.admin.rows import delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def keep_five_days() -> Iterator[None]:
    """Keep what ended well for five days, and the rest as by default."""
    with override_settings(SIGNALS_APP={"KEEP": {"SUCCESSFUL": 5}}):
        yield


def old(count: int, state: State = State.SUCCESSFUL) -> None:
    for _ in range(count):
        delivery(state, finished_at=timezone.now() - timedelta(days=100))


def due_in() -> float:
    """Return in how many seconds the next turn is."""
    return (MaintenanceTask.objects.get(pk=pruning.TASK).next_at - timezone.now()).total_seconds()


def test_an_operator_prunes_in_batches_until_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    old(3)
    old(1, State.FAILED)
    kept = delivery()
    assert pruning.to_be_pruned() == {State.SUCCESSFUL: 3, State.FAILED: 1, State.CANCELLED: 0, State.MERGED: 0}
    with caplog.at_level("INFO", logger="signals_app.worker"):
        assert pruning.prune_all() == {State.SUCCESSFUL: 3, State.FAILED: 1}
    assert caplog.messages == ["4 finished deliveries were pruned."]
    assert list(Delivery.objects.all()) == [kept]
    assert pruning.EVERY - 60 < due_in() <= pruning.EVERY


def test_a_turn_ends_with_its_time_slice_and_the_next_one_follows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 1)
    old(3)
    with override_settings(SIGNALS_APP={"KEEP": {"SUCCESSFUL": 5}, "TIME_SLICE": 1e-9}):
        assert [pruning.prune_for_a_while() for _ in range(2)] == [1, 1]
    assert due_in() < 1
    assert Delivery.objects.count() == 1


def test_a_pusher_hints_at_the_turn_when_it_is_due() -> None:
    assert DeliveryBroker().dequeue() is None
    assert pruning.EVERY - 60 < due_in() <= pruning.EVERY
    MaintenanceTask.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    (task,) = tasks(DeliveryBroker().dequeue())
    assert (task["func"], task["args"], task["save"]) == ("signals_app.worker.pruning.prune_for_a_while", (), False)
    assert DeliveryBroker().dequeue() is None, "the other pushers see that it is taken"


@pytest.mark.django_db(transaction=True)
def test_a_cluster_prunes_by_itself(cluster: Cluster) -> None:
    old(3)
    kept = delivery(State.SUCCESSFUL, finished_at=timezone.now())
    wait_until(MaintenanceTask.objects.exists, "the first look for chores")
    MaintenanceTask.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    wait_until(lambda: Delivery.objects.count() == 1, "the end of what is old")
    assert list(Delivery.objects.all()) == [kept]
