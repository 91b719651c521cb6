"""What the model expects of each delivery's row, and what each worker believes to hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from signals_app.ledger import ClaimedDelivery
from signals_app.models import Attempt, Delivery, Pause, PauseKind, State
from tests.faults.invariant import Journal
from tests.testapp.models import Effect

QUEUES = ("one", "two")
RECEIVERS = ("exactly_once.first", "exactly_once.second")
queues, receivers = st.sampled_from(QUEUES), st.sampled_from(RECEIVERS)


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


@dataclass(slots=True)
class Worker:
    """A process: what it believes to hold. One that stood still makes sure before it begins."""

    owner: str
    waiting: list[ClaimedDelivery] = field(default_factory=list)
    running: ClaimedDelivery | None = None
    stood_still: bool = False


class Expected(RuleBasedStateMachine):
    """Holds the model, and compares the rows with it after every step."""

    steps = 0

    @initialize()
    def begin(self) -> None:
        """Start with empty tables."""
        for model in (Attempt, Delivery, Effect, Pause):
            model._default_manager.all().delete()
        self.rows: dict[int, Row] = {}
        self.journal: Journal = defaultdict(Counter)
        self.pauses: set[tuple[PauseKind, str]] = set()
        self.dead: set[str] = set()
        self.workers = [Worker(owner=f"worker {n}") for n in range(3)]
        self.born = 3
        self.claims = 0
        self.age = 0

    def running(self) -> list[Row]:
        """Return the rows that are held."""
        return [row for row in self.rows.values() if row.state == State.RUNNING]

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        """Compare them."""
        type(self).steps += 1
        self.age += 1
        rows = {
            one: (state, attempts) for one, state, attempts in Delivery.objects.values_list("pk", "state", "attempts")
        }
        assert rows == {one: (row.state.value, row.attempts) for one, row in self.rows.items()}
