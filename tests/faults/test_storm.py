"""Processes killed at random moments: nothing is lost, nothing takes effect twice, and the cluster comes back."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect
from tests.faults.victims import ROLES, kill, living, running
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

QUICK_TO_NOTICE = '{"STALL": 2}'


@pytest.mark.short
@pytest.mark.fault(1, "workers killed at random moments")
def test_workers_killed_at_random_lose_nothing_and_repeat_nothing(
    invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    deliveries, kills, chance = size(40, 2_000), size(6, 200), random.Random(1)
    hand_off_many(deliveries)
    killed = at_work = 0
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP=QUICK_TO_NOTICE) as cluster:
        while are_under_way():
            if killed == kills:
                time.sleep(0.1)
                continue
            time.sleep(chance.uniform(0.01, 0.3))  # a random moment is what this is about
            busy = running(cluster)
            for pid in pick(chance, busy if chance.random() < 0.9 else living(cluster, "worker")):
                at_work += pid in busy
                killed += kill(pid)
        family = cluster.family()
    ledger = settled(invariant, family)
    record_property("kills", killed)
    record_property("of them at work", at_work)
    record_property("deliveries", deliveries)
    record_property("lost attempts", ledger["failed_attempts"].get("LOST", 0))
    assert ledger["states"] == {"SUCCESSFUL": deliveries}
    assert killed == kills
    assert ledger["failed_attempts"]["LOST"] > kills / 2  # it would prove little otherwise


@pytest.mark.fault(2, "any process of the cluster killed")
def test_any_process_killed_loses_nothing_and_comes_back(
    invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    kills, chance = size(5, 30), random.Random(2)
    roles = [*ROLES, "main", "sentinel"]
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP=QUICK_TO_NOTICE) as cluster:
        for number in range(kills):
            if number % len(roles) == 0:
                chance.shuffle(roles)
            hand_off_many(10)
            role = roles[number % len(roles)]
            wait_until(lambda role=role: living(cluster, role), f"a {role}", seconds=60)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.5))
            # it may be gone again, along with another one that was killed before
            wait_until(lambda role=role: kill(*pick(chance, living(cluster, role))), f"a {role}", seconds=60)  # type: ignore[misc]
        wait_until(lambda: not are_under_way(), "the end of every delivery", seconds=120)
        family = cluster.family()
        log = cluster.log.read_text()
    ledger = settled(invariant, family)
    record_property("kills", kills)
    record_property("deliveries", 10 * kills)
    record_property("lost attempts", ledger["failed_attempts"].get("LOST", 0))
    record_property("restarts", log.count("starts anew"))
    assert ledger["states"] == {"SUCCESSFUL": 10 * kills}


@pytest.mark.fault(2, "a storm of kills at any process, then none")
def test_work_flows_again_after_a_storm_of_kills(invariant: Holds, tmp_path: Path, record_property: Any) -> None:
    storms, kills, chance = size(2, 10), size(40, 200), random.Random(4)
    waits: list[float] = []
    with Cluster(tmp_path / "log") as cluster:
        for _ in range(storms):
            hand_off_many(10)
            for _ in range(kills):
                time.sleep(chance.uniform(0, 0.2))  # a random moment, again
                kill(*pick(chance, cluster.family()))
            began = time.monotonic()
            for _ in range(4):
                wait_for_end([enqueue(effect)], seconds=15)
            waits.append(time.monotonic() - began)
        wait_until(lambda: not are_under_way(), "the end of every delivery")
        family = cluster.family()
        log = cluster.log.read_text()
    settled(invariant, family)
    record_property("kills", storms * kills)
    record_property("s at most until the next deliveries had run", round(max(waits), 1))
    record_property("restarts", log.count("starts anew"))


def hand_off_many(count: int) -> None:
    """Hand off deliveries of some hundredths of a second each."""
    with transaction.atomic():
        for _ in range(count):
            enqueue(effect, before=0.02, after=0.02)


def are_under_way() -> bool:
    """Tell whether any delivery has not ended."""
    return Delivery.objects.exclude(state__in=FINAL_STATES).exists()


def pick(chance: random.Random, pids: list[int]) -> list[int]:
    """Return one of them, if there is any."""
    return chance.sample(pids, min(1, len(pids)))


def settled(invariant: Holds, family: list[int]) -> dict[str, Any]:
    """Ask the invariant once no process of a cluster is left."""
    wait_until(lambda: not any(map(is_alive, family)), "the end of every process")
    return invariant()
