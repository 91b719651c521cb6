"""What operators do, and what is pruned."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from signals_app import ledger
from signals_app.models import FINAL_STATES, Delivery, PauseKind, State
from tests.faults.model.expected import RECEIVERS, Expected, queues
from tests.testapp.models import Effect

positions = st.integers(0, 30)


def now_and_then(machine: Expected) -> bool:
    """Tell whether operators have a turn: what they cancel or pause keeps the workers from doing much."""
    return machine.age % 4 == 0


class Operators(Expected):
    """Whatever may be done to deliveries from outside, to one of them at a time."""

    @precondition(lambda machine: now_and_then(machine) and machine.rows)
    @rule(position=positions)
    def cancel(self, position: int) -> None:
        for one in self._at(position):
            expected = [one] if self.rows[one].state == State.READY else []
            assert ledger.cancel([one]) == expected
            if expected:
                self.rows[one].state = State.CANCELLED

    @precondition(lambda machine: now_and_then(machine) and machine.rows)
    @rule(position=positions, attempts=st.integers(1, 2))
    def retry(self, position: int, attempts: int) -> None:
        for one in self._at(position):
            row = self.rows[one]
            expected = [one] if row.state in (State.FAILED, State.CANCELLED) else []
            assert ledger.retry([one], attempts=attempts) == expected
            if expected:
                row.state, row.max_attempts = State.READY, row.attempts + attempts

    @precondition(lambda machine: now_and_then(machine) and machine.rows)
    @rule(position=positions, queue=queues)
    def move(self, position: int, queue: str) -> None:
        for one in self._at(position):
            row = self.rows[one]
            expected = [one] if row.state == State.READY and row.queue != queue else []
            assert ledger.move([one], queue=queue) == expected
            row.queue = queue if expected else row.queue

    @precondition(lambda machine: now_and_then(machine) and machine.age % 3 == 0)
    @rule(what=st.sampled_from([(PauseKind.QUEUE, "one"), *((PauseKind.RECEIVER, key) for key in RECEIVERS)]))
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

    def _at(self, position: int) -> list[int]:
        return list(self.rows)[position % len(self.rows) :][:1] if self.rows else []
