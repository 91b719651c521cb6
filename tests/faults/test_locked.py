"""SQLite's one write lock is held by somebody else: whoever needs it waits or says so, and nobody spins."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Delivery, Outcome, State
from tests.cluster import Cluster, wait_for_all, wait_for_end
from tests.faults.harness import FULL, Fault, enqueue_many, quiet, size, stands
from tests.faults.receivers import bare_effect, effect, gated
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("sqlite")]

SECONDS = size(2, 6)  # that the lock is held
PATIENCE = [1, 20] if FULL else [1]  # seconds that the cluster's connections wait for it; 20 is the site's setting


@contextmanager
def locked() -> Iterator[None]:
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


@pytest.mark.short("sqlite")
@pytest.mark.fault(9, "SQLite locked at a claim")
def test_a_claim_outlasts_a_lock(patient: Cluster, fault: Fault) -> None:
    with transaction.atomic():
        delivery = enqueue(effect)
        Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() + timedelta(seconds=0.5))
    with locked(), quiet(patient, fault):
        time.sleep(SECONDS)  # the fault itself
        assert stands(delivery) == (State.READY, 0)
    wait_for_end([delivery])
    assert stands(delivery) == (State.SUCCESSFUL, 1)
    fault.invariant()


@pytest.mark.fault(9, "SQLite locked as an attempt begins, completes and fails")
@pytest.mark.parametrize(
    ("receiver", "arguments", "failures"),
    [(gated, {}, []), (bare_effect, {}, []), (bare_effect, {"fail": True}, [(Outcome.ERROR, "told to fail")])],
    ids=["begins", "completes", "fails"],
)
def test_an_attempt_begins_and_ends_when_the_lock_is_gone(
    patient: Cluster,
    fault: Fault,
    receiver: QueuedReceiver,
    arguments: dict[str, Any],
    failures: list[tuple[str, str]],
) -> None:
    delivery = fault.hold(receiver, gate=True, **arguments)
    with locked(), quiet(patient, fault):
        fault.let_go(delivery)
        time.sleep(SECONDS)  # the fault itself
        assert stands(delivery) == (State.RUNNING, 1)
    wait_for_end([delivery])
    assert stands(delivery) == (State.SUCCESSFUL, 1 + len(failures))
    assert list(delivery.failed_attempts.values_list("outcome", "message")) == failures
    fault.invariant()


@pytest.mark.fault(9, "SQLite locked again and again")
def test_locks_at_random_moments_lose_nothing_and_repeat_nothing(patient: Cluster, fault: Fault) -> None:
    batch, locks, chance = size(15, 40), size(2, 15), random.Random(9)
    for _ in range(locks):
        enqueue_many(batch, before=0.01, after=0.01)
        time.sleep(chance.uniform(0.01, 0.2))
        with locked():
            time.sleep(chance.uniform(0.5, 2))
    wait_for_all(seconds=60)
    fault.note(locks=locks, deliveries=locks * batch)
    assert fault.invariant()["states"] == {"SUCCESSFUL": locks * batch}


@pytest.mark.fault(9, "SQLite locked while somebody hands off")
def test_a_sender_waits_for_the_lock() -> None:
    taken = Event()

    def hold() -> None:
        with locked():
            taken.set()
            time.sleep(SECONDS)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        taken.wait()
        enqueue(effect)
        held.result()
    assert Delivery.objects.count() == 1


@pytest.mark.fault(9, "SQLite locked for longer than a sender waits")
def test_a_sender_that_has_waited_long_enough_says_so_and_has_written_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.5)
    connection.close()
    with locked(), pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
        enqueue(effect)
    connection.close()
    assert not Delivery.objects.exists()
