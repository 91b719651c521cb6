"""What became of an order's queued work: the one place of the shop that reads the deliveries' record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from sigdemo.shop.models import Order
from signals_app.console import formatting
from signals_app.models import FINAL_STATES, Attempt, Delivery, Pause, State
from signals_app.processes.identity import ProcessIdentity


def emission_of(answers: Iterable[tuple[object, object]]) -> UUID | None:
    """Return the emission that the deliveries among a signal's answers share; None without any."""
    for _, answer in answers:
        if isinstance(answer, Delivery):
            return answer.emission
    return None


def process_name(owner: str) -> str:
    """Return a delivery's owner as ``host:pid``, the way an order names its web process."""
    process = ProcessIdentity.parse(owner)
    return f"{process.host}:{process.pid}" if process else owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One delivery as the order's page shows it. Times are aware, durations real."""

    delivery: Delivery
    failed_attempts: Sequence[Attempt]
    pauses: Sequence[Pause]

    @property
    def title(self) -> str:
        """The receiver's name in words, such as ``Send confirmation``."""
        name = self.delivery.receiver.rpartition(".")[2]
        return name.replace("_", " ").capitalize()

    @property
    def state(self) -> State:
        return State(self.delivery.state)

    @property
    def final(self) -> bool:
        """Whether the state cannot change any more by itself."""
        return self.state in FINAL_STATES

    @property
    def due_later(self) -> datetime | None:
        """When the next attempt is due, where that lies ahead and nothing is paused."""
        waits = self.standing[0] in ("retry-after", "scheduled") and self.delivery.due_at > timezone.now()
        return self.delivery.due_at if waits else None

    @property
    def standing(self) -> tuple[str, str]:
        """The state as people see it: the name of its icon, and words such as ``retrying in 10 s``."""
        return formatting.standing(self.delivery, self.pauses, timezone.now())

    @property
    def paused_by(self) -> str:
        return formatting.paused_by(self.delivery, self.pauses)

    @property
    def process(self) -> str:
        """Which process had it last, as host:pid; empty before the first claim."""
        if self.delivery.owner:
            return process_name(self.delivery.owner)
        return process_name(self.failed_attempts[-1].owner) if self.failed_attempts else ""

    @property
    def waited(self) -> timedelta | None:
        return formatting.waited(self.delivery, timezone.now())

    @property
    def ran(self) -> timedelta | None:
        return formatting.ran(self.delivery, timezone.now())

    @property
    def has_progress(self) -> bool:
        return self.delivery.progress_total > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """All deliveries of one order, oldest first."""

    tracks: Sequence[Track]

    @property
    def finished(self) -> int:
        return sum(track.final for track in self.tracks)

    @property
    def final(self) -> bool:
        """Whether nothing can change any more by itself."""
        return self.finished == len(self.tracks)

    @property
    def summary(self) -> str:
        words = f"{self.finished} of {len(self.tracks)} done"
        failed = sum(track.state is State.FAILED for track in self.tracks)
        return f"{words}, {failed} failed" if failed else words

    @property
    def untouched(self) -> bool:
        """Whether no worker has taken anything yet."""
        return bool(self.tracks) and not any(track.delivery.attempts for track in self.tracks)


def tracking_of(order: Order) -> Tracking:
    """Return the deliveries that ``order`` handed off, with what failed, and what is paused: up to three queries."""
    if order.emission is None:
        return Tracking(tracks=())
    deliveries = Delivery.objects.filter(emission=order.emission).order_by("id").prefetch_related("failed_attempts")
    is_waiting = any(delivery.state == State.READY for delivery in deliveries)
    pauses = tuple(Pause.objects.all()) if is_waiting else ()
    return Tracking(
        tracks=tuple(
            Track(delivery=delivery, failed_attempts=tuple(delivery.failed_attempts.all()), pauses=pauses)
            for delivery in deliveries
        )
    )
