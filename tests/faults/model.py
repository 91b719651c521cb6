"""A model of the ledger that hypothesis plays against the real one: what may happen to deliveries, in any order.

The model knows of each delivery what its row should say, and of each worker what it believes to hold and whether it is
on watch. After every step the rows are compared with it; at the end the clusters recover, and the invariant is asked.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, pairwise
from typing import Any
from unittest.mock import patch

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker, worker_count
from signals_app.conf import main_queue
from signals_app.ledger import Change, ChangeListener, ClaimedDelivery, Failure
from signals_app.models import FINAL_STATES, Attempt, Bucket, Delivery, Outcome, Pause, PauseKind, State
from signals_app.processes.liveness import liveness
from signals_app.worker import watch
from tests.faults.harness import database_url
from tests.faults.invariant import Journal, examine, read
from tests.testapp.models import Effect

QUEUES = (main_queue(), "two")  # in the first one a worker of this cluster may go on watch
LIMITED = "exactly_once.limited"
RECEIVERS = ("exactly_once.first", "exactly_once.second", "at_least_once.third", LIMITED)
LANE = "lane"
LEASE = 3600.0  # seconds; nothing runs out but by a rule
INTERVAL, BURST = 3600.0, 2  # of the rate; no turn comes but by a rule
ORDER = ("-priority", "due_at", "id")
queues, receivers = st.sampled_from(QUEUES), st.sampled_from(RECEIVERS)
numbers, positions = st.integers(0, 2), st.integers(0, 30)


@dataclass(slots=True)
class Row:
    """What a delivery's row should say; ``expired`` is whether its lease has run out, ``claim`` which one took it."""

    queue: str
    receiver: str
    max_attempts: int
    state: State = State.READY
    attempts: int = 0
    effects: int = 0
    token: int = 0
    owner: str = ""
    claim: int = 0
    expired: bool = False
    lane: str = ""
    begun: int = -1  # the token with which it took its lane's slot
    result: str = ""

    @property
    def has_slot(self) -> bool:
        return self.state == State.RUNNING and self.begun == self.token


@dataclass(slots=True)
class Worker:
    """A process: what it believes to hold. One that stood still makes sure before it begins."""

    owner: str
    pid: int = 0
    waiting: list[ClaimedDelivery] = field(default_factory=list)
    running: ClaimedDelivery | None = None
    kept: list[ClaimedDelivery] = field(default_factory=list)  # what succeeded and is not recorded yet
    ran: int = 0  # what is known to have begun last
    stood_still: bool = False


def is_idle(worker: Worker) -> bool:
    return not worker.running and not worker.waiting and not worker.kept


def keeps(worker: Worker) -> bool:
    return bool(worker.kept) and not worker.running


def may_wait(one: ClaimedDelivery | Row) -> bool:
    """Tell of what a worker may keep the success, as attempt.may_wait() does of receivers that there are."""
    return one.token == 1 and one.max_attempts > 1 and one.receiver.startswith("at_least_once.") and not one.lane


def may_keep(worker: Worker) -> bool:
    return worker.running is not None and may_wait(worker.running) and bool(worker.kept or worker.waiting)


def is_running(worker: Worker) -> bool:
    return worker.running is not None


def may_start(worker: Worker) -> bool:
    return bool(worker.waiting) and not worker.running


def holds(worker: Worker) -> bool:
    return not is_idle(worker)


def some(condition: Callable[[Worker], object]) -> Callable[[Any], bool]:
    """Return the precondition that a worker is as said."""
    return lambda machine: any(condition(worker) for worker in machine.workers)


def operators_have_a_turn(machine: Clusters) -> bool:
    """What they cancel or pause keeps the workers from doing much."""
    return machine.age % 4 == 0 and bool(machine.rows)


class Clusters(RuleBasedStateMachine):
    """Senders, the workers and pushers of two queues, and operators."""

    steps = 0

    @initialize()
    def begin(self) -> None:
        for model in (Attempt, Delivery, Effect, Pause, Bucket):
            model._default_manager.all().delete()
        self.rows: dict[int, Row] = {}
        self.journal: Journal = defaultdict(Counter)
        self.pauses: set[tuple[PauseKind, str]] = set()
        self.dead: set[str] = set()
        self.born = self.claims = self.age = 0
        self.turns = BURST
        self.everybody: list[Worker] = []
        self.workers = [self._new() for _ in range(3)]
        self.watcher: Worker | None = None
        self.is_stopping = False
        self.patches = ExitStack()
        self.patches.enter_context(patch("signals_app.processes.liveness.group_of", self._group_of))
        self.patches.enter_context(patch("signals_app.processes.liveness.WATCH_LIFE", LEASE))
        self.patches.enter_context(patch.object(liveness, "alarm", ()))
        self.start_again()

    def _new(self) -> Worker:
        self.born += 1
        self.everybody.append(Worker(owner=f"worker {self.born}", pid=self.born))
        return self.everybody[-1]

    def _group_of(self, pid: int) -> int | None:
        return 1 if any(worker.pid == pid for worker in self.workers) else None

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        type(self).steps += 1
        self.age += 1
        rows = {row[0]: row[1:] for row in Delivery.objects.values_list("pk", "state", "attempts", "result")}
        assert rows == {one: (row.state.value, row.attempts, row.result) for one, row in self.rows.items()}

    @invariant()
    def a_lane_has_one_slot_and_never_stands_still(self) -> None:
        lane = Delivery.objects.filter(lane=LANE).order_by("pk")
        slots = set(lane.filter(state=State.RUNNING, slot__isnull=False).values_list("pk", flat=True))
        assert slots == {one for one, row in self.rows.items() if row.lane and row.has_slot}
        assert len(slots) <= 1
        first = lane.filter(state__in=(State.READY, State.RUNNING)).first()
        assert slots or not first or not first.behind, "nobody would bring it back"

    # senders

    @precondition(lambda machine: sum(row.state == State.READY for row in machine.rows.values()) < 4)
    @rule(
        queue=queues,
        receiver=receivers,
        priority=st.integers(0, 1),
        max_attempts=st.integers(1, 3),
        commits=st.sampled_from([True, True, True, False]),
        several=st.integers(1, 3),
        lane=st.sampled_from(["", LANE]),
    )
    def enqueue(
        self, queue: str, receiver: str, priority: int, max_attempts: int, commits: bool, several: int, lane: str
    ) -> None:
        work = ledger.NewDelivery(
            emission=uuid.uuid4(),
            signal="",
            sender="",
            receiver=receiver,
            queue=queue,
            priority=priority,
            payload="{}",
            delay=0,
            max_attempts=max_attempts,
            lane=lane,
        )
        with transaction.atomic():
            sent = [ledger.enqueue(work).id for _ in range(several)]
            transaction.set_rollback(not commits)
        for one in sent if commits else []:
            self.rows[one] = Row(queue=queue, receiver=receiver, max_attempts=max_attempts, lane=lane)

    # workers

    @precondition(
        lambda machine: not machine.is_stopping and some(is_idle)(machine) and any(map(machine.claimable, QUEUES))
    )
    @rule(number=numbers, queue=queues, limit=st.integers(1, 3))
    def claim(self, number: int, queue: str, limit: int) -> None:
        self._claim(self._one(number, is_idle), queue, limit)

    def _claim(self, worker: Worker, queue: str, limit: int) -> None:
        due = Delivery.objects.filter(pk__in=self.claimable(queue)).order_by(*ORDER)
        expected = list(due.values_list("pk", flat=True)[:limit])
        claimed = ledger.claim(queue, owner=worker.owner, limit=limit, lease=LEASE)
        assert [one.id for one in claimed] == expected
        self.claims += 1
        for one in claimed:
            row = self.rows[one.id]
            row.state, row.owner, row.expired = State.RUNNING, worker.owner, False
            row.claim = self.claims
            row.attempts, row.token = row.attempts + 1, row.token + 1
            assert (one.attempt, one.token) == (row.attempts, row.token)
        worker.waiting, worker.stood_still = claimed, False

    def has_work(self) -> bool:
        return any(map(self.claimable, QUEUES))

    def claimable(self, queue: str) -> list[int]:
        if (PauseKind.QUEUE, queue) in self.pauses:
            return []
        waits = Q(behind=True) | Q(booked=True, due_at__gt=timezone.now())
        waiting = set(Delivery.objects.filter(waits).values_list("pk", flat=True))
        return [
            one
            for one, row in self.rows.items()
            if one not in waiting
            and row.state == State.READY
            and row.queue == queue
            and (PauseKind.RECEIVER, row.receiver) not in self.pauses
        ]

    @precondition(some(may_start))
    @rule(number=numbers)
    def start_next(self, number: int) -> None:
        self._start_next(self._one(number, may_start))

    def _start_next(self, worker: Worker) -> None:
        one = worker.waiting.pop(0)
        if not may_wait(one):
            self._record_kept(worker)
        if worker.stood_still and not self._renew(worker, one):
            return
        if one.lane and not self._begin_in_lane(worker, one):
            return
        if one.receiver == LIMITED and not self._has_turn(worker, one):
            return
        worker.running, worker.ran = one, one.id
        self.journal[one.id][one.attempt] += 1

    def _begin_in_lane(self, worker: Worker, one: ClaimedDelivery) -> bool:
        lane = {other: row for other, row in self.rows.items() if row.lane and other != one.id}
        comes_first = any(other < one.id and row.state not in FINAL_STATES for other, row in lane.items())
        may_begin = self._holds(worker, one) and not comes_first and not any(row.has_slot for row in lane.values())
        assert ledger.begin_in_lane(one, slots=0) == may_begin
        if may_begin:
            self.rows[one.id].begun = one.token
            return True
        behind = [one, *(other for other in worker.waiting if other.lane)]
        held = [other for other in behind if self._holds(worker, other)]
        worker.waiting = [other for other in worker.waiting if not other.lane]
        ledger.park_behind(behind, slots=0)
        for other in held:
            row = self.rows[other.id]
            row.state, row.attempts = State.READY, row.attempts - 1
        return False

    def _has_turn(self, worker: Worker, one: ClaimedDelivery) -> bool:
        """One that has booked has waited for its turn; any other goes behind those that have."""
        line = Delivery.objects.filter(receiver=LIMITED, state=State.READY, booked=True)
        ahead = line.filter(due_at__gt=timezone.now() - timedelta(seconds=INTERVAL))
        expected = self.turns > 0 and (one.booked or not ahead.exists())
        assert (ledger.take_turn(one, interval=INTERVAL, burst=BURST) == 0) == expected
        if expected:
            self.turns -= 1
        elif self._holds(worker, one):
            row = self.rows[one.id]
            row.state, row.attempts = State.READY, row.attempts - 1
        turns = list(line.order_by("due_at").values_list("due_at", flat=True))
        assert all((later - one).total_seconds() > INTERVAL - 60 for one, later in pairwise(turns))
        return expected

    @precondition(lambda machine: not machine.is_stopping and some(is_idle)(machine))
    @rule(number=numbers, queue=queues)
    def come_to_several_of_a_rate(self, number: int, queue: str) -> None:
        """By chance alone more than the burst would be rare."""
        worker = self._one(number, is_idle)
        self.enqueue(queue, LIMITED, priority=1, max_attempts=2, commits=True, several=3, lane="")
        self._claim(worker, queue, 3)
        while worker.waiting:
            self._start_next(worker)
            if worker.running:
                self.succeed([one for one in self.workers if one.running].index(worker), commits=True, returns=True)

    @precondition(lambda machine: machine.age % 3 == 0)
    @rule()
    def pass_an_interval(self) -> None:
        ago = timedelta(seconds=INTERVAL)
        for bucket in Bucket.objects.all():
            Bucket.objects.update(used_until=bucket.used_until - ago)
        for one in Delivery.objects.filter(state=State.READY, booked=True):
            Delivery.objects.filter(pk=one.pk).update(due_at=one.due_at - ago)
        self.turns = min(BURST, self.turns + 1)

    @precondition(some(is_running))
    @rule(number=numbers)
    def beat(self, number: int) -> None:
        worker = self._one(number, is_running)
        assert worker.running
        self._renew(worker, worker.running)

    def _renew(self, worker: Worker, one: ClaimedDelivery) -> bool:
        renewed = ledger.renew(one, lease=LEASE)
        assert renewed == self._holds(worker, one)
        if renewed:
            self.rows[one.id].expired = False
        return renewed

    @precondition(some(is_running))
    @rule(number=numbers, commits=st.booleans(), returns=st.booleans())
    def succeed(self, number: int, commits: bool, returns: bool = False) -> None:
        worker, one = self._end(number)
        result = str(one.token) if returns else ""
        if may_wait(one) and not returns:
            worker.kept.append(one)
            self._record_kept(worker)
            return
        with transaction.atomic():
            Effect.objects.create(label="effect", delivery_id=one.id, attempt=one.attempt)
            recorded = ledger.succeed(one, ran=0, result=result)
            transaction.set_rollback(not commits or not recorded)
        assert recorded == self._holds(worker, one)
        if recorded and commits:
            row = self.rows[one.id]
            row.state, row.effects, row.result = State.SUCCESSFUL, 1, result
        elif recorded:
            self._fail(worker, one, Outcome.ERROR, is_final=one.is_last_attempt)
        else:
            ledger.record_stale(one, ran=0)

    @precondition(some(may_keep))
    @rule(number=numbers)
    def keep(self, number: int) -> None:
        worker = self._one(number, may_keep)
        assert worker.running
        worker.kept.append(worker.running)
        worker.running, worker.ran = None, 0

    @precondition(some(keeps))
    @rule(number=numbers)
    def record_kept(self, number: int) -> None:
        self._record_kept(self._one(number, keeps))

    @precondition(lambda machine: some(is_running)(machine) and some(lambda worker: worker.kept)(machine))
    @rule(number=numbers)
    def turn_out_slow(self, number: int) -> None:
        """The heartbeat records what is kept, and the main thread comes to it later."""
        worker = self._one(number, lambda worker: worker.kept)
        self._record_together(worker.kept, worker)

    def _record_kept(self, worker: Worker) -> None:
        kept, worker.kept = worker.kept, []
        if kept and not self._record_together(kept, worker):
            for one in kept:
                if not ledger.is_successful(one):
                    ledger.record_stale(one, ran=0)

    def _record_together(self, kept: list[ClaimedDelivery], worker: Worker) -> bool:
        held = [one for one in kept if self._holds(worker, one)]
        recorded = ledger.succeed_together([ledger.Success(claimed=one, began=0, ended=0) for one in kept])
        assert recorded == (held == kept)
        for one in held:
            self.rows[one.id].state = State.SUCCESSFUL
        return recorded

    @precondition(some(is_running))
    @rule(
        number=numbers,
        outcome=st.sampled_from([Outcome.ERROR, Outcome.TIMEOUT, Outcome.RETRY_AFTER, Outcome.SKIPPED]),
        is_permanent=st.booleans(),
    )
    def fail(self, number: int, outcome: Outcome, is_permanent: bool) -> None:
        worker, one = self._end(number)
        self._record_kept(worker)
        self._fail(worker, one, outcome, is_final=one.is_last_attempt or is_permanent)

    def _fail(self, worker: Worker, one: ClaimedDelivery, outcome: Outcome, *, is_final: bool) -> None:
        state = State.FAILED if is_final else State.READY
        if outcome == Outcome.SKIPPED:
            state = State.CANCELLED
        recorded = ledger.record_failure(one, Failure(outcome=outcome, state=state, ran=0, message="told to"))
        assert recorded == self._holds(worker, one)
        if recorded:
            self.rows[one.id].state = state

    @precondition(some(is_running))
    @rule(number=numbers)
    def record_nothing(self, number: int) -> None:
        """It has no memory left, say, and lives on: its lease decides. What it has not begun goes back."""
        worker, _ = self._end(number)
        worker.kept = []
        self._give_back(worker, known=True)

    @precondition(some(may_start))
    @rule(number=numbers, known=st.booleans())
    def give_back(self, number: int, known: bool) -> None:
        self._give_back(self._one(number, may_start), known=known)

    def _give_back(self, worker: Worker, *, known: bool) -> None:
        rest, worker.waiting = worker.waiting, []
        held = [one for one in rest if self._holds(worker, one)]
        if known:
            ledger.give_back(rest)
        else:
            assert [one for one in rest if ledger.give_back_unroutable(one, delay=0)] == held
        for one in held:
            row = self.rows[one.id]
            row.state, row.attempts = State.READY, row.attempts - 1

    def _holds(self, worker: Worker, one: ClaimedDelivery) -> bool:
        row = self.rows.get(one.id)
        return row is not None and (row.state, row.owner, row.token) == (State.RUNNING, worker.owner, one.token)

    def _one(self, number: int, condition: Callable[[Worker], object]) -> Worker:
        workers = [worker for worker in self.workers if condition(worker)]
        return workers[number % len(workers)]

    def _end(self, number: int) -> tuple[Worker, ClaimedDelivery]:
        worker = self._one(number, is_running)
        one, worker.running = worker.running, None
        assert one
        return worker, one

    # the worker on watch, and the pusher beside it

    @precondition(some(is_idle))
    @rule(number=numbers)
    def go_on_watch(self, number: int) -> None:
        worker = self._one(number, is_idle)
        with patch("os.getpid", return_value=worker.pid):
            assert liveness.begin_watch(math.inf) == (self.watcher in (None, worker))
        self.watcher = self.watcher or worker

    @precondition(some(is_idle))
    @rule(number=numbers, queue=queues, limit=st.integers(1, 3))
    def wait_for_work(self, number: int, queue: str, limit: int) -> None:
        """It claims on a change, and leaves its watch for that, at its end, and where its cluster stops.

        For another cluster's queue, which a hint may name, it does not go on watch.
        """
        worker, expected = self._one(number, is_idle), False
        watch._listeners.clear()  # whoever begins to listen asks first
        if queue == QUEUES[0] and self.watcher in (None, worker):
            self.watcher = None
            expected = not self.is_stopping and bool(self.claimable(queue))
        with patch("os.getpid", return_value=worker.pid):
            assert watch.wait_for_work(queue, time.monotonic() + (60 if expected else 0.01)) == expected
        if expected:
            self._claim(worker, queue, limit)

    @precondition(lambda machine: machine.watcher)
    @rule(is_dead=st.booleans())
    def lose_the_watcher(self, is_dead: bool) -> None:
        """It dies, or stands still for too long to be counted on."""
        assert self.watcher
        if is_dead:
            self._die(self.watcher)
        else:
            liveness._watched_at -= LEASE + 1
            self.watcher = None

    @rule(queue=queues)
    def look(self, queue: str) -> None:
        """A pusher hears of a send and looks: what waits is hinted at, whoever is on watch."""
        pusher = DeliveryBroker(list_key=queue)
        pusher._kept_up_at = math.inf  # what it finds lost is another rule's
        due = len(self.claimable(queue))
        with patch.object(ChangeListener, "wait", return_value=Change.NONE):
            hints = pusher.dequeue() or []
        if self.is_stopping or due:
            assert len(hints) == (0 if self.is_stopping else min(due, worker_count()))
        with patch.object(ChangeListener, "wait", return_value=Change.OURS):
            assert not (pusher._wakes(None) and self.watcher), "The worker on watch has no head start."

    @precondition(lambda machine: machine.age % 6 == 0)
    @rule()
    def stop(self) -> None:
        liveness.stop_claiming()
        self.is_stopping = True

    @precondition(lambda machine: machine.is_stopping)
    @rule()
    def start_again(self) -> None:
        liveness.begin()
        liveness.arm()
        self.watcher, self.is_stopping = None, False

    # what happens to workers

    @precondition(some(holds))
    @rule(number=numbers)
    def crash(self, number: int) -> None:
        self._die(self._one(number, holds))

    @precondition(some(lambda worker: len(worker.waiting) + len(worker.kept) > 1))
    @rule(number=numbers, is_known=st.booleans())
    def crash_among_several(self, number: int, is_known: bool) -> None:
        """Another one that would be rare, with the recovery that follows."""
        worker = self._one(number, lambda worker: len(worker.waiting) + len(worker.kept) > 1)
        self._die(worker)
        self.recover_lost((worker.waiting or worker.kept)[0].queue, is_known)

    def _die(self, worker: Worker) -> None:
        self.dead.add(worker.owner)
        self.workers[self.workers.index(worker)] = self._new()
        self.watcher = None if self.watcher is worker else self.watcher

    @precondition(some(holds))
    @rule(number=numbers)
    def stand_still(self, number: int) -> None:
        self._expire(self._one(number, holds))

    @precondition(lambda machine: some(is_idle)(machine) and some(is_running)(machine))
    @rule(number=numbers, other=numbers, beats=st.booleans())
    def be_taken_over(self, number: int, other: int, beats: bool) -> None:
        """What a worker that stands still at the worst moment meets; by chance alone it would be rare."""
        worker = self._one(number, is_running)
        self._expire(worker)
        assert worker.running
        if beats:
            self._renew(worker, worker.running)
        queue = worker.running.queue
        self.recover_lost(queue)
        self.claim(other, queue, 3)

    def _expire(self, worker: Worker) -> None:
        worker.stood_still = True
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(state=State.RUNNING, owner=worker.owner).update(lease_until=past)
        for row in self.rows.values():
            row.expired |= row.state == State.RUNNING and row.owner == worker.owner

    def _is_free(self, row: Row) -> bool:
        return row.state == State.RUNNING and (row.expired or row.owner in self.dead)

    @precondition(lambda machine: any(map(machine._is_free, machine.rows.values())))
    @rule(queue=queues, is_known=st.booleans())
    def recover_lost(self, queue: str, is_known: bool = True) -> None:
        """By a pusher that knows what each worker of its host ran last, or by one of another host."""
        run_of = self._run_of if is_known else lambda owner: 0
        free: defaultdict[int, list[int]] = defaultdict(list)
        running = Delivery.objects.filter(queue=queue, state=State.RUNNING).order_by(*ORDER)
        for one in running.values_list("pk", flat=True):
            if self._is_free(self.rows[one]):
                free[self.rows[one].claim].append(one)
        recovered = ledger.recover_lost(queue, is_dead=self.dead.__contains__, run_of=run_of, may_wait=may_wait)
        charged = {one for one in (self._ran(claim, run_of) for claim in free.values()) if one}
        assert {lost.claimed.id for lost in recovered.lost} == charged
        assert recovered.returned == sum(map(len, free.values())) - len(charged)
        for one in chain.from_iterable(free.values()):
            row = self.rows[one]
            row.state = State.FAILED if one in charged and row.attempts >= row.max_attempts else State.READY
            row.attempts -= one not in charged

    def _run_of(self, owner: str) -> int:
        return next(worker.ran for worker in self.everybody if worker.owner == owner)

    def _ran(self, claim: list[int], run_of: Callable[[str], int]) -> int | None:
        """Return which one of a claim is charged, if any."""
        first = self.rows[claim[0]]
        if (known := run_of(first.owner)) in claim:
            return known
        return None if may_wait(first) and len(claim) > 1 else claim[0]

    # operators, and what is pruned

    @precondition(operators_have_a_turn)
    @rule(position=positions)
    def cancel(self, position: int) -> None:
        one, row = self._at(position)
        expected = [one] if row.state in (State.READY, State.RUNNING) else []
        assert ledger.cancel([one]) == expected
        if expected:
            row.state, row.token = State.CANCELLED, row.token + 1

    @precondition(operators_have_a_turn)
    @rule(position=positions, attempts=st.integers(1, 2))
    def retry(self, position: int, attempts: int) -> None:
        one, row = self._at(position)
        expected = [one] if row.state in (State.FAILED, State.CANCELLED) else []
        assert ledger.retry([one], attempts=attempts) == expected
        if expected:
            row.state, row.max_attempts = State.READY, row.attempts + attempts

    @precondition(operators_have_a_turn)
    @rule(position=positions, queue=queues)
    def move(self, position: int, queue: str) -> None:
        one, row = self._at(position)
        expected = [one] if row.state == State.READY and row.queue != queue else []
        assert ledger.move([one], queue=queue) == expected
        row.queue = queue if expected else row.queue

    @precondition(lambda machine: machine.age % 12 == 0)
    @rule(what=st.sampled_from([(PauseKind.QUEUE, QUEUES[0]), *((PauseKind.RECEIVER, key) for key in RECEIVERS)]))
    def pause_or_resume(self, what: tuple[PauseKind, str]) -> None:
        assert ledger.resume(*what) if what in self.pauses else ledger.pause(*what)
        self.pauses ^= {what}

    @precondition(lambda machine: machine.pauses)
    @rule(queue=queues, limit=st.integers(1, 3))
    def park(self, queue: str, limit: int) -> None:
        ledger.park(queue, limit=limit)

    @precondition(lambda machine: any(row.state in FINAL_STATES for row in machine.rows.values()))
    @rule(state=st.sampled_from(FINAL_STATES), limit=st.integers(1, 2))
    def prune(self, state: State, limit: int) -> None:
        finished = {one for one, row in self.rows.items() if row.state == state}
        pruned = ledger.prune(ledger.Expired(state=state, before=timezone.now() + timedelta(days=1)), limit=limit)
        gone = set(self.rows) - set(Delivery.objects.values_list("pk", flat=True))
        assert gone <= finished
        assert pruned == len(gone) == min(limit, len(finished))
        for one in gone:
            assert Effect.objects.filter(delivery_id=one).delete()[0] == self.rows.pop(one).effects

    def _at(self, position: int) -> tuple[int, Row]:
        return list(self.rows.items())[position % len(self.rows)]

    def teardown(self) -> None:
        """Recover as living clusters would, and ask the invariant."""
        if not hasattr(self, "rows"):
            return
        self.start_again()
        for end in liveness.alarm:
            os.close(end)
        self.patches.close()
        for what in set(self.pauses):
            self.pause_or_resume(what)
        for worker in list(self.workers):
            self._die(worker)
        for _ in range(100):  # more than enough for every attempt that is left
            if any(row.state not in FINAL_STATES for row in self.rows.values()):
                self._recover()
                self.pass_an_interval()
        self.the_rows_are_as_the_model_says()
        assert examine(read(database_url()), self.journal).violations == []

    def _recover(self) -> None:
        for queue in QUEUES:
            self.recover_lost(queue)
            ledger.park(queue)
            self.claim(0, queue, 3)
            while self.workers[0].waiting:
                self.start_next(0)
                if self.workers[0].running:
                    self.succeed(0, commits=True, returns=True)
