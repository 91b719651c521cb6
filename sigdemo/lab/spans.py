"""Each receiver measures itself: a span is written when its work begins and again when it ends."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from asgiref.sync import sync_to_async

from sigdemo.lab import work
from sigdemo.lab.clock import Moment
from sigdemo.lab.kinds import Kind, Outcome
from sigdemo.lab.models import LabLane, LabSpan
from signals_app.dispatcher.current import current_or_none
from signals_app.models import Delivery
from signals_app.processes.identity import current_process

LONGEST_ERROR = 200  # characters


def perform(lane: LabLane, *, seat: int = 1, **_: object) -> None:
    """Do one receiver's work and measure it. Raises LabFailure where the run's kind says so.

    In a worker, the attempt is the delivery's, and so is the seat where its receiver's key has a number. A seat beyond
    the run's fan-out does nothing.
    """
    attempt, enqueued_at = 1, None
    if current := current_or_none():
        delivery = Delivery.objects.get(pk=current.id)
        seat, attempt, enqueued_at = seat_of(delivery.receiver, otherwise=seat), current.attempt, delivery.enqueued_at
    if seat not in lane.seats():
        return
    with _measured(lane, seat=seat, attempt=attempt, enqueued_at=enqueued_at):
        work.do(lane.run.kind, lane.run.seconds, attempt=attempt)


async def perform_async(lane: LabLane, *, seat: int = 1, **_: object) -> None:
    """Do the same as a coroutine; its span is written in the request's thread, which has the database connection."""
    if seat not in lane.seats():
        return
    here = threading.current_thread().name  # the loop's; the row is written in the request's
    begun = await sync_to_async(_Begun)(lane, seat=seat, thread=here)
    begun.since = Moment.now()  # the loop may have been busy with another coroutine since
    try:
        await work.do_async(lane.run.kind, lane.run.seconds, attempt=1)
    except (Exception, asyncio.CancelledError) as error:
        await _end(begun, begun.since.elapsed(), error)
        raise
    await _end(begun, begun.since.elapsed())


def seat_of(key: str, *, otherwise: int = 1) -> int:
    """Return which of the fan-out a queued receiver is, by the number at the end of its key."""
    number = key.rpartition("-")[2]
    return int(number) if number.isdecimal() else otherwise


async def _end(begun: "_Begun", seconds: float, error: BaseException | None = None) -> None:
    """Write how a coroutine's work ended, even where the first failure among its siblings cancels this one now."""
    try:
        await sync_to_async(begun.end)(seconds, error)
    except asyncio.CancelledError:
        await sync_to_async(begun.end)(seconds, error)  # the same again: the first may not have been written
        raise


@contextmanager
def _measured(lane: LabLane, *, seat: int, attempt: int, enqueued_at: datetime | None) -> Iterator[None]:
    here = threading.current_thread().name
    begun = _Begun(lane, seat=seat, thread=here, attempt=attempt, enqueued_at=enqueued_at)
    try:
        yield
    except BaseException as error:  # a timeout is none of Exception
        begun.end(begun.since.elapsed(), error)
        raise
    begun.end(begun.since.elapsed())


class _Begun:
    """A span whose row is there, so that whoever is killed from now on has left a trace."""

    def __init__(
        self, lane: LabLane, *, seat: int, thread: str, attempt: int = 1, enqueued_at: datetime | None = None
    ) -> None:
        if lane.run.kind == Kind.CPU:
            work.turns_per_second()  # a process's calibration is no part of anybody's work
        process = current_process()
        self.row = LabSpan.objects.create(
            lane=lane,
            seat=seat,
            attempt=attempt,
            enqueued_at=enqueued_at,
            started_at=Moment.now().wall,
            owner=str(process),
            host=process.host,
            pid=process.pid,
            thread=thread[:100],
        )
        self.since = Moment.now()  # writing the row is no part of the work either

    def end(self, seconds: float, error: BaseException | None = None) -> None:
        """Write how it ended."""
        self.row.started_at, self.row.seconds = self.since.wall, seconds
        if error is None:
            self.row.outcome = Outcome.DONE
        else:
            cancelled = isinstance(error, asyncio.CancelledError)
            self.row.outcome = Outcome.CANCELLED if cancelled else Outcome.FAILED
            self.row.error = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        self.row.save(update_fields=["started_at", "seconds", "outcome", "error"])
