"""Saves of one object, each with a send that is coalesced: a run that follows sees what was saved last.

A model says so for any order of what senders, whose transactions stay open for a while, and workers do; real senders
and a real cluster say so for many saves at once.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import pytest
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from signals_app import ledger
from signals_app.ledger import Failure
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.cluster import kill, wait_for_all
from tests.faults.harness import FULL, Fault, size
from tests.faults.model import Worker, holds, is_idle, is_running, may_start, some
from tests.faults.receivers import merged
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

OBJECTS = ("lamp", "desk")
numbers, objects = st.integers(0, 2), st.sampled_from(OBJECTS)


class Saves(RuleBasedStateMachine):
    """Versions of objects, their senders' open transactions, and workers that merge."""

    @initialize()
    def begin(self) -> None:
        for model in (Attempt, Delivery, Thing):
            model._default_manager.all().delete()
        Thing.objects.bulk_create(Thing(name="0", pk=number) for number in range(len(OBJECTS)))
        self.saved: dict[str, int] = dict.fromkeys(OBJECTS, 0)
        self.seen: dict[str, int] = dict.fromkeys(OBJECTS, 0)  # by runs that succeeded
        self.sees: dict[str, int] = {}  # by what runs, of each worker
        self.open: dict[str, BaseDatabaseWrapper] = {}
        self.workers = [Worker(owner=f"worker {number}") for number in range(2)]
        self.born, self.age = len(self.workers), 0

    @invariant()
    def what_was_saved_has_been_seen_or_will_be(self) -> None:
        self.age += 1
        running = {one.id: worker for worker in self.workers if (one := worker.running)}
        waits = Delivery.objects.filter(state__in=(State.READY, State.RUNNING)).exclude(pk__in=running)
        waiting = set(waits.values_list("coalesce_key", flat=True))
        for name in OBJECTS:
            sees = [self.sees[worker.owner] for worker in running.values() if name_of(worker) == name]
            assert max([self.seen[name], *sees]) == self.saved[name] or name in waiting, "an update is lost"

    # senders; on SQLite one that is open keeps everybody from writing

    @precondition(lambda machine: len(machine.open) < len(OBJECTS))
    @rule(name=objects)
    def save(self, name: str) -> None:
        if name in self.open:
            name = next(one for one in OBJECTS if one not in self.open)
        db = self.open[name] = connection.copy()
        with used(db):
            db.set_autocommit(False)
            Thing.objects.filter(pk=OBJECTS.index(name)).update(name=str(self.saved[name] + 1))
            ledger.enqueue(
                ledger.NewDelivery(
                    emission=uuid.uuid4(),
                    signal="",
                    sender="",
                    receiver="merges",
                    queue="one",
                    priority=0,
                    payload="{}",
                    delay=0,
                    max_attempts=99,
                    coalesce_key=name,
                )
            )
        if connection.vendor == "sqlite":
            self.end(name, commits=True)

    @precondition(lambda machine: machine.open)
    @rule(name=objects, commits=st.sampled_from([True, True, False]))
    def end(self, name: str, commits: bool) -> None:
        name = name if name in self.open else next(iter(self.open))
        db = self.open.pop(name)
        (db.commit if commits else db.rollback)()
        db.close()
        self.saved[name] += commits

    # workers

    def _one(self, number: int, condition: Callable[[Worker], object]) -> Worker:
        found = [worker for worker in self.workers if condition(worker)]
        return found[number % len(found)]

    @precondition(some(is_idle))
    @rule(number=numbers, limit=st.integers(1, 3))
    def claim(self, number: int, limit: int) -> None:
        worker = self._one(number, is_idle)
        worker.waiting = ledger.claim("one", owner=worker.owner, limit=limit, lease=3600)

    @precondition(some(may_start))
    @rule(number=numbers)
    def begin_next(self, number: int) -> None:
        worker = self._one(number, may_start)
        worker.running, _ = ledger.coalesce(worker.waiting.pop(0), lease=3600)
        if worker.running:
            self.sees[worker.owner] = int(Thing.objects.get(pk=OBJECTS.index(name_of(worker))).name)

    @precondition(lambda machine: some(is_idle)(machine) and len(machine.open) < len(OBJECTS))
    @rule(name=objects, number=numbers)
    def begin_before_a_save_commits(self, name: str, number: int) -> None:
        """What a sender meets at the worst moment; by chance alone it would be rare."""
        already = set(self.open)
        self.save(name)
        self.claim(number, 1)
        if any(map(may_start, self.workers)):
            self.begin_next(number)
        for one in self.open.keys() - already:
            self.end(one, commits=True)

    @precondition(some(is_running))
    @rule(number=numbers, succeeds=st.booleans())
    def finish(self, number: int, succeeds: bool) -> None:
        worker = self._one(number, is_running)
        assert worker.running
        if succeeds:
            assert ledger.succeed(worker.running, ran=0)
            self.seen[name_of(worker)] = max(self.seen[name_of(worker)], self.sees[worker.owner])
        else:
            failed = Failure(outcome=Outcome.ERROR, state=State.READY, ran=0, message="told to")
            assert ledger.record_failure(worker.running, failed)
        worker.running = None

    @precondition(some(may_start))
    @rule(number=numbers)
    def give_back(self, number: int) -> None:
        worker = self._one(number, may_start)
        rest, worker.waiting = worker.waiting, []
        ledger.give_back(rest)

    @precondition(lambda machine: machine.age % 4 == 0 and some(holds)(machine))
    @rule(number=numbers)
    def crash(self, number: int) -> None:
        dead, self.born = self._one(number, holds), self.born + 1
        self.workers[self.workers.index(dead)] = Worker(owner=f"worker {self.born}")
        ledger.recover_lost("one", is_dead=lambda owner: owner == dead.owner)

    def teardown(self) -> None:
        if not hasattr(self, "workers"):
            return
        for name in list(self.open):
            self.end(name, commits=True)
        while any(map(holds, self.workers)):
            self.crash(0)
        runs = 0
        while Delivery.objects.filter(state=State.READY).exists():
            self.claim(0, 3)
            while any(map(may_start, self.workers)):
                self.begin_next(0)
                runs += any(map(is_running, self.workers))
                if any(map(is_running, self.workers)):
                    self.finish(0, succeeds=True)
        assert runs <= len(OBJECTS)
        assert self.seen == self.saved


def name_of(worker: Worker) -> str:
    assert worker.running
    return worker.running.coalesce_key


@contextmanager
def used(db: BaseDatabaseWrapper) -> Iterator[None]:
    """Have everything use another connection in the block."""
    kept = connections[db.alias]
    connections[db.alias] = db
    yield
    connections[db.alias] = kept


@pytest.mark.short
@pytest.mark.fault(29, "saves of objects in open transactions, merged in any order, against a model")
def test_a_run_sees_the_last_save_whatever_senders_and_workers_do() -> None:
    run_state_machine_as_test(
        Saves,
        settings=settings(
            max_examples=size(15, 1_000),
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=not FULL,
            phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def save(of: tuple[int, int, float]) -> int:
    """In a process: save an object so many times, with a send each; return when the last commit was over, in ns."""
    pk, times, pause = of
    for _ in range(times):
        with transaction.atomic():
            thing = Thing.objects.select_for_update().get(pk=pk)
            thing.name = str(int(thing.name) + 1)
            thing.save()
            enqueue(merged, thing=thing)
        time.sleep(pause)
    connections.close_all()
    return time.time_ns()


def save_side_by_side(jobs: Sequence[tuple[int, int, float]]) -> int:
    connections.close_all()
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("fork")) as pool:
        return max(pool.map(save, jobs))


def last_seen(thing: Thing) -> tuple[int, list[int]]:
    """Return what the run that began last saw of an object, and when each of its runs began."""
    runs = sorted(
        tuple(map(int, detail.split()))
        for detail in Effect.objects.filter(label=f"saw {thing.pk}").values_list("detail", flat=True)
    )
    return runs[-1][1], [began for began, _ in runs]


@pytest.mark.short
@pytest.mark.fault(29, "many saves of one object at once, coalesced")
def test_the_last_of_many_saves_is_seen_and_no_more_than_two_runs_follow_it(fault: Fault) -> None:
    saves, thing = size(1_000, 10_000), Thing.objects.create(name="0")
    with fault.cluster() as cluster:
        ended = save_side_by_side([(thing.pk, saves // 4, 0.0)] * 4)
        wait_for_all()
        family = cluster.family()
    states = fault.invariant(family=family)["states"]
    saw, began = last_seen(thing)
    after = sum(one > ended for one in began)
    fault.note(saves=saves, runs=len(began), runs_after_the_last_commit=after)
    assert saw == saves == sum(states.values())
    assert states == {"SUCCESSFUL": len(began), "MERGED": saves - len(began)}
    assert after <= 2
    assert len(began) < saves


@pytest.mark.fault(29, "workers killed while they merge")
def test_workers_killed_while_they_merge_lose_no_save(fault: Fault) -> None:
    kills, saves, chance = size(6, 100), size(100, 1_000), random.Random(5)
    things = [Thing.objects.create(name="0") for _ in range(4)]
    with fault.cluster(TEST_SIGNALS_APP='{"STALL": 2}') as cluster:
        connections.close_all()
        with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
            senders = [pool.submit(save, (thing.pk, saves, 0.02)) for thing in things]
            killed = 0
            while killed < kills:
                time.sleep(chance.uniform(0.01, 0.3))  # a random moment is what this is about
                for pid in chance.sample(living := cluster.living("worker"), min(1, len(living))):
                    killed += kill(pid)
            for one in senders:
                one.result()
        wait_for_all(seconds=120)
        family = cluster.family()
    ledger = fault.invariant(family=family)
    fault.note(kills=kills, saves=saves * len(things), runs=ledger["states"]["SUCCESSFUL"])
    assert [last_seen(thing)[0] for thing in things] == [saves] * len(things)
    assert set(ledger["states"]) == {"SUCCESSFUL", "MERGED"}
