"""What was handed off in a test, and running it here and now."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, overload
from unittest import mock

from asgiref.sync import sync_to_async
from django.db.models import F, Min, QuerySet
from django.utils import timezone

from signals_app import events, ledger, signals
from signals_app.conf import conf
from signals_app.console.queries import Waiting, waits_as
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import MissingObject, PayloadError
from signals_app.models import Delivery, Outcome, State
from signals_app.payloads import decode_arguments
from signals_app.payloads.errors import shown
from signals_app.worker.loop import drain

MOST_JUMPS = 1_000  # to a next due time, before a receiver is taken for one that never ends
TOLD = 5  # deliveries that a failed assertion describes


class CapturedDeliveries(Sequence[Delivery]):
    """The deliveries of a block, in order of their ids, each read from the database when it is asked for.

    One whose transaction or savepoint was rolled back is not among them. A coroutine iterates by ``async for``.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []

    def _read(self) -> list[Delivery]:
        return list(_all().filter(pk__in=self.ids).order_by("pk"))

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._read())

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        for one in await sync_to_async(self._read)():
            yield one

    @overload
    def __getitem__(self, index: int) -> Delivery: ...
    @overload
    def __getitem__(self, index: slice) -> list[Delivery]: ...
    def __getitem__(self, index: int | slice) -> Delivery | list[Delivery]:
        return self._read()[index]

    def __repr__(self) -> str:
        return repr(self._read())


@contextmanager
def capture_deliveries() -> Iterator[CapturedDeliveries]:
    """Yield the deliveries that this process writes in the block, those of receivers that run in it included."""
    captured, tell = CapturedDeliveries(), events.enqueued

    def note(delivery: Delivery) -> None:
        captured.ids.append(delivery.pk)
        tell(delivery)

    with mock.patch.object(events, "enqueued", note):
        yield captured


def assert_handed_off(
    receiver: QueuedReceiver | str,
    among: Sequence[Delivery] | None = None,
    /,
    *,
    times: int | None = None,
    **arguments: object,
) -> list[Delivery]:
    """Return the deliveries for a receiver, or its key, with these arguments; others it may have as well.

    Looks ``among`` captured ones, or at all there are, in whatever state. Raises AssertionError where there is none, or
    their number is not ``times``; the message says what was handed off instead.
    """
    key = receiver if isinstance(receiver, str) else receiver.key
    given = list(_all().order_by("pk") if among is None else among)
    differing = {one.pk: _difference(one, arguments) for one in given if one.receiver == key}
    found = [one for one in given if differing.get(one.pk) == ""]
    if len(found) == times or (times is None and found):
        return found
    wanted = " with " + ", ".join(f"{name}={shown(value)}" for name, value in arguments.items()) if arguments else ""
    often = "at least once" if times is None else _often(times)
    lines = [f"{key} should have been handed off {often}{wanted}, and was {_often(len(found))}."]
    lines += [f"  #{pk}{why or ' matches'}" for pk, why in [*differing.items()][:TOLD]]
    if len(differing) > TOLD:
        lines.append(f"  and {len(differing) - TOLD} more to it")
    others = Counter(one.receiver for one in given if one.receiver != key)
    lines += [f"  {count} to {other}" for other, count in others.most_common(TOLD)]
    if not given:
        lines.append("  Nothing was handed off.")
    if conf.immediate:
        lines.append('  SIGNALS_APP["IMMEDIATE"] is on, so receivers run at the send and nothing is handed off.')
    raise AssertionError("\n".join(lines))


def _often(count: int) -> str:
    return {0: "not", 1: "once"}.get(count, f"{count} times")


def _difference(delivery: Delivery, arguments: dict[str, object]) -> str:
    """Return which argument differs; "" where none does."""
    if not arguments:
        return ""
    try:
        sent = decode_arguments(delivery.payload).arguments
    except (PayloadError, MissingObject) as error:
        return f" cannot be read: {error}"
    for name, value in arguments.items():
        if name not in sent:
            return f" has no argument {name}, but {', '.join(sent) or 'none at all'}"
        if value != sent[name]:  # asked of what the test gives, which may be mock.ANY
            return f" has {name}={shown(sent[name])}"
    return ""


def run_deliveries(queue: str = "", *, until_idle: bool = False, raise_errors: bool = False) -> int:
    """Run every due delivery of a queue, by default of all queues, in this process; return how many attempts were made.

    Deliveries that receivers send are run too. Unlike ``SIGNALS_APP["IMMEDIATE"]`` this goes the whole way: hand-off,
    claim, outcome, record.

    With ``until_idle`` what is due later, such as a retry, is run as well: whenever nothing is due, all that waits is
    made older, by as much as the next due time is away. What is paused or unroutable goes on waiting. Raises
    AssertionError where that comes to no end.

    An error of a receiver is recorded, as by a worker; with ``raise_errors`` the first is also raised here, once what
    is due has run. A ``RetryAfter`` counts once the delivery is FAILED by it.
    """
    total, errors = 0, list[BaseException]()
    with ExitStack() as stack:
        if raise_errors:
            stack.enter_context(_noting(errors))
        for _jump in range(MOST_JUMPS):
            while ran := sum(map(drain, [queue] if queue else ledger.queues_with_work())):
                total += ran
            if errors:
                raise errors[0]
            if not (until_idle and _jump_to_next(queue)):
                return total
    waiting = ", ".join(sorted({one.receiver for one in _that_come(queue)}))
    raise AssertionError(f"After {MOST_JUMPS:,} jumps to a next due time there is still work for {waiting}.")


@contextmanager
def _noting(errors: list[BaseException]) -> Iterator[None]:
    def note(signal: object, outcome: Outcome, exception: BaseException | None, **kwargs: Any) -> None:
        is_final = signal is signals.delivery_failed
        if exception is not None and (is_final or outcome != Outcome.RETRY_AFTER):
            errors.append(exception)

    for one in (each := (signals.delivery_attempt_failed, signals.delivery_failed)):
        one.connect(note)
    try:
        yield
    finally:
        for one in each:
            one.disconnect(note)


def _jump_to_next(queue: str) -> bool:
    """Make all that waits older, so that the next is due; False where nothing comes."""
    first = _that_come(queue).aggregate(first=Min("due_at"))["first"]
    if first is None:
        return False
    if (ahead := first - timezone.now()).total_seconds() > 0:
        # of all, so that they keep their distance, and with the time of the send, so that they expire as they would
        moved = {name: F(name) - ahead for name in ("due_at", "enqueued_at")}
        _all().filter(state=State.READY).update(**moved)
    return True


def _that_come(queue: str) -> QuerySet[Delivery]:
    """Return what waits for its time alone."""
    rows = _all().filter(waits_as(Waiting.SCHEDULED) | waits_as(Waiting.RETRYING) | waits_as(Waiting.DUE))
    return rows.filter(queue=queue) if queue else rows


def _all() -> QuerySet[Delivery]:
    return Delivery.objects.using(ledger.connection().alias)
