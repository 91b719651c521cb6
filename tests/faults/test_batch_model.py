"""Batches against a model of them: blocks and sends, one within another, whose members end in any order and way."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone
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
from signals_app.dispatcher.batches import BatchResult, send_done
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Attempt, Batch, Delivery, Outcome, State
from signals_app.signals import emission_settled
from tests.faults.harness import FULL, size
from tests.signals_app.listeners import listening

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

done = Signal()
numbers, chances = st.integers(0, 30), st.sampled_from([1, 99])
OPEN = (State.READY, State.RUNNING)
COUNTED = ("successful", "failed", "cancelled")


@dataclass(slots=True)
class Block:
    """A batch; one that is "given up" was taken to be abandoned, and may be closed after all."""

    pk: int
    parent: int | None
    state: str = "open"  # closed, abandoned, given up
    counts: Counter[str] = field(default_factory=Counter)
    callback: int | None = None

    @property
    def is_waited_for(self) -> bool:
        return self.state == "open" or (self.state == "closed" and self.callback is None)


@dataclass(slots=True)
class Member:
    """A delivery, the claim that may end it, and the batch that it follows."""

    pk: int
    batch: int | None
    state: State = State.READY
    claim: ClaimedDelivery | None = None
    follows: int | None = None


class Batches(RuleBasedStateMachine):
    """What senders, workers and operators do; ``held`` is what workers believe to hold."""

    @initialize()
    def begin(self) -> None:
        for model in (Attempt, Delivery, Batch):
            model._default_manager.all().delete()
        self.blocks: dict[int, Block] = {}
        self.members: dict[int, Member] = {}
        self.held: list[ClaimedDelivery] = []
        self.told: list[BatchResult] = []
        self.claims = 0

    def left(self) -> list[Block]:
        return [block for block in self.blocks.values() if block.state in {"open", "given up"}]

    @invariant()
    def what_is_done_is_followed_once(self) -> None:
        rows = Delivery.objects.in_bulk()
        follow = [row for row in rows.values() if row.receiver == ledger.CALLBACK]
        found = {json.loads(row.payload)["arguments"]["batch"]: row.id for row in follow}
        assert len(follow) == len(found), "a batch is followed twice"
        for pk, block in sorted(self.blocks.items(), reverse=True):  # the inner ones first
            own = [one for one in self.members.values() if one.batch == pk]
            inner = [one for one in self.blocks.values() if one.parent == pk]
            waits = any(one.state in OPEN for one in own) or any(one.is_waited_for for one in inner)
            if block.state == "closed" and block.callback is None and not waits:
                ended = [one.state.lower() for one in own if one.state != State.SUCCESSFUL or not one.follows]
                block.counts = sum((one.counts for one in inner), Counter(ended))
                assert pk in found, "a batch that is done is not followed"
                block.callback = found[pk]
                self.members[found[pk]] = Member(found[pk], block.parent, follows=pk)
        expected = {pk: (one.batch, one.state) for pk, one in self.members.items()}
        assert {pk: (row.batch, row.state) for pk, row in rows.items()} == expected
        for batch in Batch.objects.all():
            block = self.blocks[batch.id]
            assert (batch.closed_at is not None) == (block.state == "closed")
            assert batch.abandoned == (block.state in {"abandoned", "given up"})
            assert ((batch.settled_at is None), batch.callback) == (block.is_waited_for, block.callback)
            assert [getattr(batch, name) for name in COUNTED] == [block.counts[name] for name in COUNTED]

    @precondition(lambda machine: len(machine.blocks) < 8)
    @rule(number=numbers, attempts=chances, members=st.integers(0, 2), is_emission=st.booleans())
    def open(self, number: int, attempts: int, members: int, is_emission: bool) -> None:
        """Begin a batch, in another or not: a block, or what ``emission_settled`` makes of a send in a transaction."""
        left, payload = self.left(), json.dumps({"sender": None, "arguments": {}})
        given: Any = {"signal": f"{__name__}.done", "payload": payload, "queue": "one", "max_attempts": attempts}
        parent = left[number % len(left)].pk if number % 3 and left else None
        emission = ledger.new_emission() if is_emission and members else None
        with transaction.atomic():
            new = ledger.NewBatch(parent=parent, **given)
            pk = ledger.begin_batch(new, emission=emission, is_closed=emission is not None)
            self.blocks[pk] = Block(pk, parent, state="closed" if emission else "open")
            for one in range(members):
                self._enqueue(pk, attempts, watched=one == 0 and emission is not None)

    def _enqueue(self, batch: int, attempts: int, *, watched: bool = False) -> None:
        given: Any = {"emission": ledger.new_emission(), "signal": "", "sender": "", "receiver": "member"}
        given |= {"queue": "one", "priority": 0, "payload": "{}", "delay": 0, "max_attempts": attempts}
        pk = ledger.enqueue(ledger.NewDelivery(batch=batch, watched=watched, **given)).id
        self.members[pk] = Member(pk, batch)

    @precondition(lambda machine: machine.left())
    @rule(number=numbers, attempts=chances)
    def send(self, number: int, attempts: int) -> None:
        self._enqueue(self.left()[number % len(self.left())].pk, attempts)

    @precondition(lambda machine: machine.left())
    @rule(number=numbers, how=st.sampled_from(["closed", "closed", "abandoned", "given up"]))
    def leave(self, number: int, how: str) -> None:
        block = self.left()[number % len(self.left())]
        if how == "given up":
            Batch.objects.filter(pk=block.pk).update(created_at=timezone.now() - timedelta(days=2))
            self.mend()
        else:
            (ledger.close_batch if how == "closed" else ledger.abandon_batch)(block.pk)
        block.state = how

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        self.claims += 1
        for one in ledger.claim("one", owner=f"worker {self.claims}", limit=limit, lease=3600):
            self.members[one.id].state, self.members[one.id].claim = State.RUNNING, one
            self.held.append(one)

    @precondition(lambda machine: machine.held)
    @rule(number=numbers, to=st.sampled_from([State.SUCCESSFUL, State.SUCCESSFUL, State.FAILED, State.READY]))
    def end(self, number: int, to: State) -> None:
        """End also what was cancelled, lost or removed meanwhile; that comes too late."""
        one = self.held.pop(number % len(self.held))
        member = self.members.get(one.id, Member(0, None))
        is_held = member.claim is one
        if to != State.SUCCESSFUL:
            assert ledger.record_failure(one, Failure(outcome=Outcome.ERROR, state=to, ran=0)) == is_held
        else:
            if is_held and member.follows:
                self._follow(self.blocks[member.follows])
            assert ledger.succeed(one, ran=0) == is_held
        if is_held:
            member.state, member.claim = to, None

    def _follow(self, block: Block) -> None:
        def hear(sender: object, batch: BatchResult, **arguments: Any) -> None:
            self.told.append(batch)

        with listening(done, hear), listening(emission_settled, hear):
            send_done(block.pk)
        assert self.told.pop() == BatchResult(id=block.pk, **block.counts)
        assert not self.told

    @precondition(lambda machine: machine.held)
    @rule(number=numbers)
    def crash(self, number: int) -> None:
        dead = self.held[number % len(self.held)].owner
        lost = ledger.recover_lost("one", is_dead=lambda owner: owner == dead).lost
        failed = {one.claimed.id for one in lost if one.claimed.is_last_attempt}
        for member in self.members.values():
            if member.claim and member.claim.owner == dead:
                member.state, member.claim = State.FAILED if member.pk in failed else State.READY, None

    @precondition(lambda machine: machine.members)
    @rule(number=numbers, attempts=chances, is_removed=st.sampled_from([False, False, False, True]))
    def operate(self, number: int, attempts: int, is_removed: bool) -> None:
        """Cancel what is to run, retry what has ended, or remove it."""
        member = list(self.members.values())[number % len(self.members)]
        if is_removed and not member.follows:
            Delivery.objects.filter(pk=member.pk).delete()
            del self.members[member.pk]
            ledger.mend_batches()
        elif member.state in OPEN:
            assert ledger.cancel([member.pk])
            member.state, member.claim = State.CANCELLED, None
        elif ledger.retry([member.pk], attempts=attempts):
            member.state = State.READY

    @rule()
    def mend(self) -> None:
        assert ledger.mend_batches() == 0, "nobody would have gone on with a batch"

    def teardown(self) -> None:
        while self.left():
            self.leave(0, "closed")
            self.what_is_done_is_followed_once()
        while self.held or any(one.state in OPEN for one in self.members.values()):
            self.claim(3)
            self.end(0, State.SUCCESSFUL)
            self.what_is_done_is_followed_once()
        assert all((block.callback is not None) == (block.state == "closed") for block in self.blocks.values())


@pytest.mark.short
@pytest.mark.fault(31, "batches in any order")
def test_a_batch_is_followed_once_however_its_members_end() -> None:
    run_state_machine_as_test(
        Batches,
        settings=settings(
            max_examples=size(25, 1_000),
            stateful_step_count=50,
            deadline=None,
            database=None,
            derandomize=not FULL,
            phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
