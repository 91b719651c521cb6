"""SQLite's one write lock is held by somebody else: whoever needs it waits or says so, and nobody spins."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import FINAL_STATES, Delivery, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import gates
from tests.faults.conftest import FULL, Holds, size
from tests.faults.receivers.commits import bare_effect, waits_before_its_transaction
from tests.faults.receivers.effects import effect
from tests.faults.spinning import quiet
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("sqlite")]

SECONDS = size(2, 6)  # that the lock is held
PATIENCE = [1, 20] if FULL else [1]  # seconds that the cluster's connections wait for it; 20 is the site's setting

EndUnderLock = Callable[..., Delivery]


@contextmanager
def locked() -> Iterator[None]:
    """Hold the write lock while the block runs."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture(scope="module", params=PATIENCE, ids=lambda seconds: f"patience {seconds} s")
def patient(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    journal_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """A cluster whose connections wait so long for the lock."""
    log = tmp_path_factory.mktemp("cluster") / "log"
    with Cluster(log, DATABASE_URL=f"sqlite:////of-the-tests?timeout={request.param}") as cluster:
        yield cluster


@pytest.fixture
def end_under_lock(patient: Cluster, journal_file: Path, record_property: Any) -> EndUnderLock:
    """Hand off, let the receiver go on from its gate while the lock is held, and wait for the end of the delivery."""

    def end(receiver: QueuedReceiver, **arguments: Any) -> Delivery:
        delivery = enqueue(receiver, **arguments)
        gates.reached(journal_file, delivery.id, 1)
        with locked(), quiet(patient, record_property):
            gates.let_through(journal_file, delivery.id, 1)
            time.sleep(SECONDS)
            assert_stands(delivery, State.RUNNING, attempts=1)
        wait_for_end([delivery])
        return delivery

    return end


@pytest.mark.short("sqlite")
@pytest.mark.fault(9, "SQLite locked at a claim")
def test_a_claim_outlasts_a_lock(patient: Cluster, invariant: Holds, record_property: Any) -> None:
    with transaction.atomic():
        delivery = enqueue(effect)
        Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() + timedelta(seconds=0.5))
    with locked(), quiet(patient, record_property):
        time.sleep(SECONDS)  # the fault itself
        assert_stands(delivery, State.READY, attempts=0)
    wait_for_end([delivery])
    assert_stands(delivery, State.SUCCESSFUL, attempts=1)
    invariant()


@pytest.mark.fault(9, "SQLite locked at the begin of an atomic receiver")
def test_a_transaction_that_is_not_to_be_had_charges_nobody(end_under_lock: EndUnderLock, invariant: Holds) -> None:
    delivery = end_under_lock(waits_before_its_transaction)
    assert_stands(delivery, State.SUCCESSFUL, attempts=1)
    invariant()


@pytest.mark.fault(9, "SQLite locked at a completion")
def test_a_success_is_recorded_when_the_lock_is_gone(end_under_lock: EndUnderLock, invariant: Holds) -> None:
    delivery = end_under_lock(bare_effect, gate=True)
    assert_stands(delivery, State.SUCCESSFUL, attempts=1)
    invariant()


@pytest.mark.fault(9, "SQLite locked at a failure")
def test_a_failure_is_recorded_when_the_lock_is_gone(end_under_lock: EndUnderLock, invariant: Holds) -> None:
    delivery = end_under_lock(bare_effect, gate=True, fail=True)
    assert_stands(delivery, State.SUCCESSFUL, attempts=2)
    assert delivery.failed_attempts.get().message == "told to fail"
    invariant()


def assert_stands(delivery: Delivery, state: State, *, attempts: int) -> None:
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (state, attempts)


@pytest.mark.fault(9, "SQLite locked again and again")
def test_locks_at_random_moments_lose_nothing_and_repeat_nothing(
    patient: Cluster, invariant: Holds, record_property: Any
) -> None:
    batch, locks, chance = size(15, 40), size(2, 15), random.Random(9)
    for _ in range(locks):
        with transaction.atomic():
            for _ in range(batch):
                enqueue(effect, before=0.01, after=0.01)
        time.sleep(chance.uniform(0.01, 0.2))
        with locked():
            time.sleep(chance.uniform(0.5, 2))
    wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), "every end", seconds=60)
    record_property("locks", locks)
    record_property("deliveries", locks * batch)
    assert invariant()["states"] == {"SUCCESSFUL": locks * batch}


@pytest.mark.fault(9, "SQLite locked while somebody hands off")
def test_a_sender_waits_for_the_lock(transactional_db: None) -> None:
    with ThreadPoolExecutor(1) as pool:
        taken = threading.Event()
        pool.submit(hold_for, SECONDS, taken)
        taken.wait()
        enqueue(effect)
    assert Delivery.objects.count() == 1


@pytest.mark.fault(9, "SQLite locked for longer than a sender waits")
def test_a_sender_that_has_waited_long_enough_says_so_and_has_written_nothing(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.5)
    connection.close()
    with locked(), pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
        enqueue(effect)
    connection.close()
    assert not Delivery.objects.exists()


def hold_for(seconds: float, taken: threading.Event) -> None:
    """Hold the lock for some time; say when it is taken."""
    with locked():
        taken.set()
        time.sleep(seconds)
