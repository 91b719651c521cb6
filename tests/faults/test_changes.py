"""What changes while work waits: its receiver, the SECRET_KEY. Nothing is lost, and it shows."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django_q.models import OrmQ
from django_q.status import Stat
from django_q.tasks import async_task

from signals_app import ledger
from signals_app.models import Attempt, Delivery, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.conftest import FULL, Holds, size
from tests.faults.receivers.effects import effect
from tests.faults.receivers.moving import NEW, moving
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


DELAY = 2 if FULL else 0.5  # seconds; to look for the receivers of hundreds takes a while


def without(tmp_path: Path, fate: str) -> Cluster:
    """Return a cluster whose receiver is removed or renamed, and that looks for it again and again."""
    return Cluster(tmp_path / fate, FAULT_RECEIVER=fate, TEST_SIGNALS_APP=f'{{"UNROUTABLE_DELAY": {DELAY}}}')


def waiting(number: int) -> list[Delivery]:
    assert moving is not None
    return [enqueue(moving) for _ in range(number)]


@pytest.fixture
def staff() -> Client:
    """A visitor who may see everything."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss"))
    return client


def wait_until_unroutable(deliveries: list[Delivery], staff: Client) -> None:
    """Wait until no worker knew them, that shows, and nothing is charged."""
    # one that a worker looks at just now, in vain, is RUNNING and counts an attempt that it gives back
    there = Delivery.objects.filter(id__in=[one.id for one in deliveries])
    uncharged = (State.READY, True, 0)
    wait_until(lambda: set(there.values_list("state", "unroutable", "attempts")) == {uncharged}, "what shows")
    wait_until(lambda: in_view(staff) == len(deliveries), "the same in the admin")
    assert not Attempt.objects.exists()


def in_view(staff: Client) -> int:
    """Return how many unroutable deliveries the admin shows."""
    page = staff.get("/admin/signals_app/delivery/", {"unroutable": "1"})
    return int(page.context["cl"].result_count)


@pytest.mark.fault(20, "a receiver removed while work waits, and restored")
def test_work_of_a_removed_receiver_waits_in_view_and_runs_once_it_is_back(
    invariant: Holds, tmp_path: Path, staff: Client, record_property: Any
) -> None:
    deliveries = waiting(size(5, 200))
    with without(tmp_path, "removed") as cluster:
        neighbour = enqueue(effect)
        wait_for_end([neighbour])
        assert neighbour.state == State.SUCCESSFUL
        wait_until_unroutable(deliveries, staff)
        assert f"{deliveries[0].id} (" in cluster.log.read_text()
        cluster.stop()
        del cluster.environment["FAULT_RECEIVER"]
        cluster.start()
        wait_for_end(deliveries)
    asked = invariant()
    record_property("deliveries", len(deliveries))
    assert (asked["states"], asked["failed_attempts"]) == ({"SUCCESSFUL": len(deliveries) + 1}, {})


@pytest.mark.fault(20, "a receiver renamed while work waits, and the work given to it")
def test_work_of_a_renamed_receiver_can_be_given_to_the_new_one(
    invariant: Holds, tmp_path: Path, staff: Client, record_property: Any
) -> None:
    deliveries = waiting(size(5, 200))
    with without(tmp_path, "renamed"):
        wait_until_unroutable(deliveries, staff)
        given: set[int] = set()

        def all_given() -> bool:
            # one that a worker looks at just now, in vain, is RUNNING and stays as it is
            given.update(ledger.reassign([one.id for one in deliveries if one.id not in given], receiver=NEW))
            return len(given) == len(deliveries)

        wait_until(all_given, "every delivery given to the new receiver")
        wait_for_end(deliveries)
    asked = invariant()
    record_property("deliveries", len(deliveries))
    assert {one.receiver for one in deliveries} == {NEW}
    assert (asked["states"], asked["failed_attempts"]) == ({"SUCCESSFUL": len(deliveries)}, {})


@pytest.mark.fault(19, "SECRET_KEY changed with work waiting")
def test_a_new_secret_key_loses_no_delivery(invariant: Holds, tmp_path: Path, record_property: Any) -> None:
    number = size(20, 500)
    waiting = [enqueue(effect) for _ in range(number)]
    async_task("math.gcd", 4, 6)  # Django-Q signs its own, and deletes what it cannot read
    with Cluster(tmp_path / "log", SECRET_KEY="another key") as cluster:
        fresh = [enqueue(effect) for _ in range(number)]
        wait_for_end([*waiting, *fresh], seconds=size(30, 120))
        wait_until(lambda: not OrmQ.objects.exists(), "the end of the plain task")
        assert Stat.get_all() == []  # those of that cluster are signed with the other key, and no error
        assert cluster.stop() == 0
        cut_off = [enqueue(effect) for _ in range(number)]
        cluster.environment["SECRET_KEY"] = "a third key"
        cluster.start()
        wait_for_end(cut_off, seconds=size(30, 120))
    ledger = invariant()
    record_property("deliveries", 3 * number)
    assert (ledger["states"], ledger["attempts"]) == ({"SUCCESSFUL": 3 * number}, 3 * number)
