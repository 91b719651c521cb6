"""Processes killed at random moments: nothing is lost, nothing takes effect twice, and the cluster comes back."""

import random
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Q

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import batch
from signals_app.models import Attempt, Batch, Delivery, Outcome, PauseKind
from tests.cluster import ROLES, is_all_done, kill, wait_for_all, wait_for_end, wait_until
from tests.faults.harness import Fault, enqueue_many, signals_app, size
from tests.faults.invariant import read_journal
from tests.faults.receivers import exactly_once, in_turn, in_turn_and_limited, limited, quick, two_at_a_time
from tests.faults.test_lanes import check_lanes
from tests.faults.test_saves import last_seen, save
from tests.testapp.models import Effect, Thing
from tests.testapp.signals import batch_settled

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

QUICK_TO_NOTICE = signals_app(STALL=2)
BRIEF: dict[str, Any] = {"before": 0.02, "after": 0.02}  # seconds


def pick(chance: random.Random, pids: list[int]) -> list[int]:
    return chance.sample(pids, min(1, len(pids)))


def lost() -> int:
    """Return how many attempts are on the record as lost: a kill may meet a worker that runs nothing just then."""
    return Attempt.objects.filter(outcome=Outcome.LOST).count()


@pytest.mark.short
@pytest.mark.fault(1, "workers killed at random moments")
def test_workers_killed_at_random_lose_nothing_and_repeat_nothing(fault: Fault) -> None:
    each, kills, chance = size(40, 2_000), size(6, 200), random.Random(1)
    tasks: list[Any] = []
    killed = at_work = 0
    with fault.cluster(**QUICK_TO_NOTICE) as cluster:
        while killed < kills or lost() <= kills / 2:  # or it proves little
            assert killed < 10 * kills
            if is_all_done():
                enqueue_many(each * 3 // 4, **BRIEF)
                with transaction.atomic():
                    tasks += [exactly_once.enqueue(**BRIEF) for _ in range(each // 4)]
            time.sleep(chance.uniform(0.01, 0.3))  # a random moment is what this is about
            busy = cluster.running()
            for pid in pick(chance, busy if chance.random() < 0.9 else cluster.living("worker")):
                at_work += pid in busy
                killed += kill(pid)
        wait_for_all(seconds=size(120, 600))
        family = cluster.family()
    found, deliveries = fault.invariant(family=family), Delivery.objects.count()
    fault.note(kills=killed, of_them_at_work=at_work, deliveries=deliveries, lost_attempts=lost())
    assert found["states"] == {"SUCCESSFUL": deliveries}
    for task in tasks:
        task.refresh()
        assert task.return_value == task.attempts


@pytest.mark.fault(1, "workers killed at random moments, over batches within a batch")
def test_batches_are_followed_once_though_workers_are_killed(fault: Fault) -> None:
    batches, members, kills, chance = size(5, 50), size(6, 40), size(6, 200), random.Random(5)
    with batch(on_done=batch_settled):
        for _ in range(batches):
            with batch(on_done=batch_settled):
                enqueue_many(members, **BRIEF)
    Batch.objects.update(max_attempts=50)
    killed = 0
    with fault.cluster(**QUICK_TO_NOTICE) as cluster:
        while not is_all_done():
            time.sleep(chance.uniform(0.01, 0.3))  # a random moment again
            if killed < kills:
                killed += kill(*pick(chance, cluster.running() or cluster.living("worker")))
        family = cluster.family()
    fault.invariant(family=family)
    fault.note(kills=killed, batches=batches + 1, members=batches * members)
    told = sorted(Effect.objects.filter(label="batch").values_list("detail", flat=True))
    whole = batches * members
    assert told == sorted([f"{whole} of {whole}", *[f"{members} of {members}"] * batches])


@pytest.mark.short
@pytest.mark.fault(1, "workers of two clusters killed at random, over all of flow control at once")
def test_all_of_flow_control_at_once_outlives_workers_of_two_clusters_that_are_killed(fault: Fault) -> None:
    each, kills, chance = size(8, 200), size(8, 200), random.Random(16)
    names = ["one", "two", "three"]
    things = [Thing.objects.create(name="0") for _ in names]
    lanes: list[list[Delivery]] = []
    killed = saves = 0
    with fault.cluster(**QUICK_TO_NOTICE) as one, fault.cluster(**QUICK_TO_NOTICE) as two:
        with transaction.atomic():  # when both are there: the first would have done it all while the other starts
            with batch(on_done=batch_settled):
                for name in names:
                    with batch(on_done=batch_settled):
                        enqueue_many(each, **BRIEF)
                        lanes.append(enqueue_many(each, in_turn_and_limited, lane=f"limited {name}"))
            Batch.objects.update(max_attempts=50)
            for name in names:
                lanes.append(enqueue_many(each, in_turn, lane=name, seconds=0.3))
                enqueue_many(each, limited, of=name)
            others = enqueue_many(each, two_at_a_time, seconds=0.3)
            tasks = [exactly_once.enqueue(**BRIEF) for _ in range(each)]
        while killed < kills or lost() <= kills / 4:  # or it proves little
            assert killed < 10 * kills
            save((chance.choice(things).pk, 2, 0))
            saves += 2
            others += enqueue_many(1, two_at_a_time, seconds=0.3)
            time.sleep(chance.uniform(0.01, 0.3))  # a random moment, again
            killed += kill(*pick(chance, one.running() + two.running() or one.living("worker")))
        wait_for_all(seconds=size(120, 600))
        family = one.family() + two.family()
    found = fault.invariant(family=family)
    states, members = found["states"], 2 * each
    fault.note(kills=killed, deliveries=sum(states.values()), merged=states.get("MERGED", 0), lost_attempts=lost())
    assert set(states) <= {"SUCCESSFUL", "MERGED"}
    assert sum(states.values()) == saves + (members + 2 * each) * 3 + len(others) + len(tasks) + 4  # what follows
    assert not Delivery.objects.filter(Q(parked=True) | Q(behind=True)).exists()
    check_lanes(fault, lanes)
    told = Counter(Effect.objects.filter(label="batch").values_list("detail", flat=True))
    assert told == {f"{members} of {members}": 3, f"{3 * members} of {3 * members}": 1}
    for thing in things:
        thing.refresh_from_db()
        assert thing.name == "0" or last_seen(thing)[0] == int(thing.name)
    for task in tasks:
        task.refresh()
        assert task.return_value == task.attempts


@pytest.mark.short
@pytest.mark.fault(1, "workers killed among quick receivers, whose successes are recorded together")
def test_what_quick_receivers_do_again_is_no_more_than_one_claim_for_each_worker_killed(fault: Fault) -> None:
    kills, at_once, chance = size(6, 200), 200, random.Random(3)
    with fault.cluster(**QUICK_TO_NOTICE) as cluster:
        for _ in range(kills):
            enqueue_many(at_once, quick)
            wait_until(lambda: cluster.running() or is_all_done(), "a worker that runs", seconds=60)
            time.sleep(chance.uniform(0, 0.05))
            wait_until(lambda: kill(*pick(chance, cluster.running() or cluster.living("worker"))), "a worker")
            wait_for_all(seconds=60)
        family = cluster.family()
    found = fault.invariant(family=family)
    again = sum(times - 1 for begun in read_journal(fault.journal).values() for times in begun.values())
    fault.note(kills=kills, deliveries=kills * at_once, lost=lost(), begun_again=again)
    assert found["states"] == {"SUCCESSFUL": kills * at_once}
    assert again <= kills * conf.batch


@pytest.mark.fault(2, "any process of the cluster killed")
def test_any_process_killed_loses_nothing_and_comes_back(fault: Fault) -> None:
    kills, chance = size(5, 30), random.Random(2)
    roles = [*ROLES, "main", "sentinel"]
    with fault.cluster(**QUICK_TO_NOTICE) as cluster:
        for number in range(kills):
            if number % len(roles) == 0:
                chance.shuffle(roles)
            enqueue_many(10, **BRIEF)
            role = roles[number % len(roles)]
            wait_until(lambda role=role: cluster.living(role), f"a {role}", seconds=60)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.5))
            # it may be gone again, along with another one that was killed before
            wait_until(lambda role=role: kill(*pick(chance, cluster.living(role))), f"a {role}", seconds=60)  # type: ignore[misc]
        wait_for_all(seconds=120)
        family = cluster.family()
        restarts = cluster.log.read_text().count("starts anew")
    found = fault.invariant(family=family)
    fault.note(kills=kills, deliveries=10 * kills, lost_attempts=lost(), restarts=restarts)
    assert found["states"] == {"SUCCESSFUL": 10 * kills}


@pytest.mark.fault(2, "a storm of kills at any process, then none")
def test_work_flows_again_after_a_storm_of_kills(fault: Fault) -> None:
    storms, kills, chance = size(2, 10), size(40, 200), random.Random(4)
    waits: list[float] = []
    with fault.cluster() as cluster:
        for _ in range(storms):
            enqueue_many(10, **BRIEF)
            for _ in range(kills):
                time.sleep(chance.uniform(0, 0.2))  # a random moment, again
                kill(*pick(chance, cluster.family()))
            began = time.monotonic()
            for _ in range(4):
                wait_for_end(enqueue_many(1), seconds=15)
            waits.append(time.monotonic() - began)
        wait_for_all()
        family = cluster.family()
        restarts = cluster.log.read_text().count("starts anew")
    fault.invariant(family=family)
    fault.note(kills=storms * kills, s_at_most_until_the_next_deliveries_had_run=max(waits), restarts=restarts)


@pytest.mark.short
@pytest.mark.fault(2, "any process of two clusters killed, while a schedule ticks each second")
def test_each_tick_is_sent_once_though_any_process_is_killed(fault: Fault) -> None:
    kills, chance = size(6, 60), random.Random(5)
    environment = {**QUICK_TO_NOTICE, "TEST_TICKS": "1"}
    with fault.cluster(**environment) as one, fault.cluster(**environment) as another:
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 1))  # a random moment, again
            kill(*pick(chance, chance.choice([one, another]).family()))
        seen = Effect.objects.count()
        wait_until(lambda: Effect.objects.count() >= seen + 3, "ticks after the storm", seconds=60)
        ledger.pause(PauseKind.SCHEDULE, "tests.faults.receivers.ticking")
        wait_for_all(seconds=60)
        family = one.family() + another.family()
    fault.invariant(family=family)
    ticks = sorted(datetime.fromisoformat(due) for due in Effect.objects.values_list("detail", flat=True))
    fault.note(kills=kills, ticks=len(ticks), lost_attempts=lost())
    assert ticks == [ticks[0] + timedelta(seconds=number) for number in range(len(ticks))]
