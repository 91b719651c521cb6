"""How an attempt ends: success, a retry, or failure, with a record of every failed attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from signals_app.conf import conf
from signals_app.ledger.claims import CLAIM, HELD, ClaimedDelivery, write_held
from signals_app.ledger.endings import follow, let_go
from signals_app.ledger.sql import connection, rows, write
from signals_app.models import Attempt, Delivery, Outcome, State

# A success that a crash of the server loses is a delivery that is run again, as any whose worker died. One that commits
# with its receiver's own writes is as durable as they are.
SUCCEED = (
    "UPDATE {table} SET state = 'SUCCESSFUL', started_at = {earlier}, finished_at = {now}, lease_until = NULL, "
    "progress_done = %(done)s, progress_total = %(total)s, result = %(result)s WHERE " + HELD + "{unsynced}"
)

# most members of a batch: nothing follows, and nobody waits for the disk
_SUCCEED_UNWATCHED = SUCCEED.replace("{unsynced}", " AND NOT watched{unsynced}")
# the same for several, each with its own times
_SUCCEED_TOGETHER = (
    "UPDATE {table} SET state = 'SUCCESSFUL', started_at = ended.started_at, finished_at = ended.finished_at, "
    "lease_until = NULL, progress_done = ended.done, progress_total = ended.total FROM {ended} ended "
    "WHERE {table}.id = ended.id AND {table}.token = ended.token AND owner = %(owner)s AND state || '' = 'RUNNING'"
    "{unsynced}"
)

QUICK = 0.005  # seconds: deliveries that take less, on average, are claimed many at a time

_IS_SUCCESSFUL = "SELECT 1 FROM {table} WHERE " + CLAIM + " AND state = 'SUCCESSFUL'"

# a shared lock, so that it is in nobody's way: it only waits for whoever changes the row
_LOCK = "SELECT 1 FROM {table} WHERE id = %(id)s {for_share}"

# `later` is the next attempt; a final state keeps the old due time. The cast is for a server that binds the parameters
# itself (OPTIONS["server_side_binding"]): it would find one type for the column and another for the comparison.
_END = (
    "UPDATE {table} SET state = {state}, lease_until = NULL, started_at = {earlier}, losses = losses + %(lost)s, "
    "booked = FALSE, "
    "due_at = CASE WHEN {state} = 'READY' THEN {later} ELSE due_at END, "
    "finished_at = CASE WHEN {state} = 'READY' THEN NULL ELSE {now} END WHERE " + HELD
).replace("{state}", "CAST(%(state)s AS varchar)")

# By hand, for the clock that all times of a delivery are of, and because save() would send a signal: a queued receiver
# of every post_save would be enqueued again by each of its own failures.
_ATTEMPT = (
    "INSERT INTO signals_app_attempt "
    "(delivery_id, number, owner, started_at, finished_at, outcome, error_class, message, traceback) VALUES "
    "(%(id)s, %(number)s, %(owner)s, {earlier}, {now}, %(outcome)s, %(error_class)s, %(message)s, %(traceback)s)"
)


# what is recorded of an attempt by others than its worker, or after others have decided
_BY_OTHERS = (Outcome.STALE, Outcome.LOST, Outcome.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that did not succeed: what happened, for how many seconds it ran, and which state comes next."""

    outcome: Outcome
    state: State
    ran: float
    error_class: str = ""
    message: str = ""
    traceback: str = ""
    delay: float = 0.0

    def in_ascii(self) -> Failure:
        """Return the same in texts that a database of any encoding can store."""
        texts = (self.error_class, self.message, self.traceback)
        error_class, message, trace = (text.encode("ascii", "backslashreplace").decode() for text in texts)
        return replace(self, error_class=error_class, message=message, traceback=trace)


def succeed(
    claimed: ClaimedDelivery,
    *,
    ran: float,
    done: int = 0,
    total: int = 0,
    result: str = "",
    hand_on: Callable[[], bool] | None = None,
) -> bool:
    """Record SUCCESSFUL after ``ran`` seconds, with ``done`` of ``total`` steps of progress and a task's result.

    ``hand_on`` begins the next of its lane, in this transaction, and tells whether it did.
    False, and nothing written, when the claim is not ours any more.
    """
    said = {"ago": ran, "done": done, "total": total, "result": result}
    if claimed.batch is not None and not claimed.lane and write_held(_SUCCEED_UNWATCHED, claimed, **said):
        return True
    template = SUCCEED if connection().in_atomic_block else SUCCEED.replace("{unsynced}", "{unsynced_here}")
    with _ending(claimed):
        held = write_held(template, claimed, **said)
        if held and not (hand_on and hand_on() and claimed.batch is None):
            _follow(claimed, ran)
    return held


def _is_awaited(claimed: ClaimedDelivery) -> bool:
    return bool(claimed.lane) or claimed.batch is not None


def _ending(claimed: ClaimedDelivery) -> AbstractContextManager[object]:
    return transaction.atomic(using=connection().alias) if _is_awaited(claimed) else nullcontext()


def _follow(claimed: ClaimedDelivery, ran: float) -> None:
    if _is_awaited(claimed):
        # a worker that is quick claims many at once; to what is slow, each claim of another worker would be in vain
        limit, is_member = conf.batch if ran < QUICK else 1, claimed.batch is not None
        follow([claimed.id], slots=claimed.slots, limit=limit, may_be_watched=is_member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """An attempt that succeeded: how many seconds ago it began and ended, and its progress."""

    claimed: ClaimedDelivery
    began: float
    ended: float
    done: int = 0
    total: int = 0


def succeed_together(successes: Sequence[Success]) -> bool:
    """Record several SUCCESSFUL, of one owner, by one statement.

    False when the claims of some are not ours any more; nothing is written for those.
    """
    ended = [(one.claimed.id, one.claimed.token, one.began, one.ended, one.done, one.total) for one in successes]
    return write(_SUCCEED_TOGETHER, owner=successes[0].claimed.owner, ended=ended) == len(successes)


def wait_for_writer(claimed: ClaimedDelivery) -> None:
    """Return when no other session is about to commit anything about this delivery.

    A connection may be lost while the server works on what it was sent last: until that is done, reading cannot tell
    what comes of it.
    """
    rows(_LOCK, id=claimed.id)


def is_successful(claimed: ClaimedDelivery) -> bool:
    """Tell whether the success of this very claim is recorded."""
    return bool(rows(_IS_SUCCESSFUL, id=claimed.id, token=claimed.token, owner=claimed.owner))


def has_failed(claimed: ClaimedDelivery) -> bool:
    """Tell whether a failure of this very attempt is recorded, by its own worker."""
    return _ends(claimed).exclude(outcome__in=_BY_OTHERS).exists()


def _ends(claimed: ClaimedDelivery) -> QuerySet[Attempt]:
    """Return what is on the record of this very attempt."""
    attempts = Attempt.objects.using(connection().alias)
    return attempts.filter(delivery_id=claimed.id, number=claimed.attempt, owner=claimed.owner)


def record_failure(claimed: ClaimedDelivery, end: Failure) -> bool:
    """Record a failed attempt: the delivery's next state and an Attempt, together.

    False when the claim is not ours any more; then a STALE attempt is kept, and the delivery is left alone.
    """
    with transaction.atomic(using=connection().alias):
        held = write_held(
            _END,
            claimed,
            state=end.state.value,
            lost=int(end.outcome == Outcome.LOST),
            ago=end.ran,
            delay=end.delay,
        )
        if held:
            _keep(claimed, end)
            if end.state != State.READY:
                _follow(claimed, end.ran)
            elif claimed.lane:  # it waits, and its slot is free
                let_go(claimed.lane, claimed.queue, slots=claimed.slots)
    if not held:
        record_stale(claimed, ran=end.ran, message=end.message)
    return held


def record_stale(claimed: ClaimedDelivery, *, ran: float, message: str = "") -> None:
    """Record that an attempt ended after its claim had been taken over; one that was cancelled is on the record."""
    alias = connection().alias
    cancelled = _ends(claimed).filter(outcome=Outcome.CANCELLED)
    if cancelled.exists() or not Delivery.objects.using(alias).filter(pk=claimed.id).exists():  # it may be pruned
        return
    refused = "This attempt ended after its lease had run out, or after a crash of the database; another claim decides."
    end = Failure(outcome=Outcome.STALE, state=State.READY, ran=ran, message=f"{refused} {message}".strip())
    with suppress(IntegrityError), transaction.atomic(using=alias):  # it may be pruned at this very moment
        _keep(claimed, end)


def _keep(claimed: ClaimedDelivery, end: Failure) -> None:
    write(
        _ATTEMPT,
        id=claimed.id,
        number=claimed.attempt,
        owner=claimed.owner,
        ago=end.ran,
        outcome=end.outcome.value,
        error_class=end.error_class[:255],
        message=end.message,
        traceback=end.traceback,
    )
