"""A worker's hold on deliveries: claim, renew, give back. Every write names its claim, by token and owner."""

from __future__ import annotations

import math
import time
from collections import namedtuple
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import CharField, TextField

from signals_app.ledger.damage import END, MOST, RANGES, is_uuid, moment, readable, seconds, set_aside_among
from signals_app.ledger.endings import FIRST_BEHIND, let_go
from signals_app.ledger.sql import QUEUE_RUNS, RECEIVER_RUNS, WAITING, connection, rows, write
from signals_app.models import Delivery

SLOW = 0.005  # seconds that the database takes for a claim, above which the next one begins where it ended
UNSETTLED = 10.0  # seconds for which claims wait for the disk after a session was lost

# what a statement returns that selects ``COLUMNS``, and perhaps started_at; SQLite stores anything anywhere
Row = namedtuple(
    "Row",
    "id emission signal receiver queue payload attempts max_attempts token owner losses priority due_at trace depth "
    "context coalesce_key lane bucket booked batch now clock started_at",
    defaults=[None],
)
COLUMNS = ", ".join(Row._fields[:-3]).replace("due_at", readable("due_at")) + ", {now}, {clock}"
_FIELDS = map(Delivery._meta.get_field, Row._fields[:-3])
_TEXTS = [place for place, field in enumerate(_FIELDS) if isinstance(field, CharField | TextField)]
_COUNTS = [(Row._fields.index(name), *limits) for name, limits in RANGES.items()]

# Which claim it is. A crash of PostgreSQL may forget the last ones, and the next claim of such a row gets their token:
# then the owner tells, whose process ends one attempt before it claims again.
CLAIM = "id = %(id)s AND token = %(token)s AND owner = %(owner)s"
# What a worker may still write to: the claim it made, while nobody has taken it over. Written as WAITING is: as long as
# an old transaction is open, the index of what runs keeps entries of all that has ended since.
HELD = CLAIM + " AND state || '' = 'RUNNING'"

# One statement, so that a claim is atomic without a transaction around it; the payload comes back with it. Whatever
# stands in a row, it must not fail: one row would keep all others from being claimed.
TAKE = f"""UPDATE {{table}} SET state = 'RUNNING',
    attempts = CASE WHEN attempts BETWEEN 0 AND {MOST - 2} THEN attempts + 1 ELSE {END} END,
    token = CASE WHEN token BETWEEN 0 AND {END - 2} THEN token + 1 ELSE {END} END,
    max_attempts = CASE WHEN max_attempts >= 0 THEN max_attempts ELSE 0 END,
    losses = CASE WHEN losses >= 0 THEN losses ELSE {END} END, owner = %(owner)s,
    lease_until = {{later}}, unroutable = %(false)s, progress_done = 0, progress_total = 0, """
_TAKE = TAKE + f"started_at = {{now}}, slot = NULL WHERE {WAITING} AND id "
TAKEN = " RETURNING " + COLUMNS
_CLAIM = _TAKE + "{among_due}{unsynced}" + TAKEN
_WAITS = "queue = %(queue)s AND state = 'READY' AND parked = FALSE"


def _of_band(condition: str) -> str:
    """Return the claim of one band of priority."""
    return (
        f"{_TAKE}{{among}}SELECT id FROM {{table}} WHERE {_WAITS} AND {condition} AND due_at <= {{now}} "
        f"AND {RECEIVER_RUNS} AND {QUEUE_RUNS} ORDER BY due_at, id LIMIT %(limit)s {{skip_locked}}{{those}}{{unsynced}}"
        f"{TAKEN}"
    )


_CLAIM_AHEAD = _of_band("priority = %(priority)s AND due_at >= %(since)s")
# PostgreSQL plans each statement anew, and this one in half the time
_CLAIM_TOP = _of_band(f"priority = (SELECT max(priority) FROM {{table}} WHERE {_WAITS})")

# what is next in the lane of a delivery that ends, without a detour by the claims of others
_CLAIM_NEXT = (
    _TAKE.replace("slot = NULL", "slot = NULL, parked = FALSE, behind = FALSE")
    + f"{{among}}{FIRST_BEHIND} AND concurrency = 0 AND queue = %(queue)s AND due_at <= {{now}} "
    + f"AND {RECEIVER_RUNS} AND {QUEUE_RUNS} {{skip_locked}}{{those}}"
    + TAKEN
)

_RENEW = "UPDATE {table} SET lease_until = {later} WHERE " + HELD

UNSTARTED = (
    "state = 'READY', attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END, "
    "lease_until = NULL, started_at = NULL"
)

_GIVE_BACK_UNROUTABLE = (
    "UPDATE {table} SET " + UNSTARTED + ", unroutable = %(true)s, booked = FALSE, due_at = {later} WHERE " + HELD
)

_DEFER = (
    f"UPDATE {{table}} SET {UNSTARTED}, booked = FALSE, due_at = {{later}}, "
    f"deferrals = CASE WHEN deferrals < {END} THEN deferrals + 1 ELSE deferrals END WHERE " + HELD
)
_IS_DEFERRED = "SELECT 1 FROM {table} WHERE " + CLAIM + f" AND {WAITING} AND attempts < %(attempt)s"

_BOOK = f"UPDATE {{table}} SET {UNSTARTED}, booked = TRUE, due_at = %(turn)s WHERE {HELD}{{unsynced_here}}"

_AGE = "SELECT enqueued_at, {now} FROM {table} WHERE id = %(id)s AND deferrals = 0"

_SENT = f"SELECT {readable('enqueued_at')}, {readable('started_at')}, priority FROM {{table}} WHERE id = %(id)s"

_PROGRESS = "UPDATE {table} SET progress_done = %(done)s, progress_total = %(total)s WHERE " + HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A delivery as the worker that claimed it sees it. ``attempt`` counts from 1, ``payload`` is JSON text."""

    id: int
    emission: UUID
    signal: str
    receiver: str
    queue: str
    payload: str
    attempt: int
    max_attempts: int
    token: int
    owner: str
    losses: int  # how many of its attempts were lost with their worker
    trace: str = ""  # the W3C traceparent of the send
    depth: int = 0  # how many deliveries led to it
    context: str = ""  # what the project captured at the send, as JSON
    coalesce_key: str = ""
    lane: str = ""
    slots: int = 0  # how many of its lane may run at a time, where that is told once it has begun; 0 is one, in order
    bucket: str = ""
    booked: bool = False  # whether its due time was its turn in the bucket
    batch: int | None = None
    waited: float = 0.0  # seconds from its due time to its claim

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this attempt is final."""
        return self.attempt >= self.max_attempts


@dataclass(slots=True)
class _Session:
    """What this process claimed by last. A session that follows another may do so because the server has crashed.

    Then claims wait for the disk for a while, so that a receiver that crashes the server is charged its attempts.
    """

    raw: Any = None
    since: float = -math.inf  # on the monotonic clock

    def is_settled(self) -> bool:
        db = connection()
        db.ensure_connection()
        if db.connection is not self.raw:
            self.since = self.since if self.raw is None else time.monotonic()
            self.raw = db.connection
        return time.monotonic() - self.since > UNSETTLED


_session = _Session()


@dataclass(slots=True)
class Ahead:
    """Where a drain's last claim ended, so that the next one need not look from the front, where that takes long.

    An index keeps entries of what is done as long as any transaction might still see it. A claim steps over them.
    """

    priority: int = 0
    since: datetime | None = None
    until: float = 0.0  # on the monotonic clock; then a claim looks from the front, for what came in there

    def note(self, taken: Sequence[Row]) -> None:
        """Note what was claimed from the front; looking there may take a tenth of the time."""
        last = max(taken, key=_place, default=None)
        took = (last and seconds(last.now, last.clock)) or 0.0
        if last and took > SLOW:
            self.priority, self.since, self.until = last.priority, last.due_at, time.monotonic() + 10 * took

    def claim(self, params: dict[str, Any]) -> list[Row]:
        """Claim from there on; return nothing where nothing is due there, or when it is time to look from the front."""
        if time.monotonic() > self.until:
            return []
        taken = _rows(_CLAIM_AHEAD, **params, priority=self.priority, since=self.since)
        self.since = max((row.due_at for row in taken), default=self.since)
        return taken


def claim(queue: str, *, owner: str, limit: int, lease: float, ahead: Ahead | None = None) -> list[ClaimedDelivery]:
    """Take up to ``limit`` due deliveries of a queue for ``lease`` seconds, in order of priority, due time and id.

    Their attempts have begun: ``attempts`` and ``token`` have grown by one. With ``ahead``, which belongs to one drain,
    what comes in before its place may have to wait for ten times as long as a slow claim takes.
    """
    params = {"queue": queue, "owner": owner, "limit": limit, "delay": lease, "false": False}
    while taken := _taken(params, ahead):
        if readable := _readable(taken, owner):
            readable.sort(key=_place)  # RETURNING promises no order
            return [claimed_from(row, waited=seconds(row.due_at, row.now) or 0.0) for row in readable]
    return []


def claim_next(ending: ClaimedDelivery, *, limit: int, lease: float) -> list[ClaimedDelivery]:
    """Take up to ``limit`` deliveries that are behind one that ends in this transaction, where its lane is in order."""
    params = {"queue": ending.queue, "owner": ending.owner, "limit": limit, "delay": lease, "false": False}
    taken = _readable(_rows(_CLAIM_NEXT, lane=ending.lane, slots=0, **params), ending.owner)
    return [claimed_from(row, waited=seconds(row.due_at, row.now) or 0.0) for row in sorted(taken, key=lambda r: r.id)]


def _readable(taken: Sequence[Row], owner: str) -> list[Row]:
    """Return those that can be read; the others are set aside."""
    readable = [row for row in taken if is_readable(row)]
    if len(readable) < len(taken):
        set_aside_among("owner = %(owner)s AND id {among_ids}", owner=owner, ids=[row.id for row in taken])
    return readable


def _taken(params: dict[str, Any], ahead: Ahead | None) -> list[Row]:
    if ahead and (taken := ahead.claim(params)):
        return taken
    # a single one is mostly of the highest band; where nothing is due there, a lower one is looked at
    taken = (params["limit"] == 1 and _rows(_CLAIM_TOP, **params)) or _rows(_CLAIM, **params)
    if ahead and taken and taken[0].clock > taken[0].now:
        ahead.note([row for row in taken if row.due_at])
    return taken


def _place(row: Row) -> tuple[Any, ...]:
    return (-row.priority, row.due_at, row.id)


def _rows(query: str, **params: Any) -> list[Row]:
    query = query if _session.is_settled() else query.replace("{unsynced}", "")
    return [Row(*row) for row in rows(query, **params)]


def is_readable(row: Row) -> bool:
    """Tell whether a row holds nothing but what an enqueue and claims may have written."""
    for place in _TEXTS:
        if type(row[place]) is not str:
            return False
    for place, least, most in _COUNTS:
        if type(row[place]) is not int or not least <= row[place] <= most:
            return False
    if row.batch is not None and type(row.batch) is not int:
        return False
    return is_uuid(row.emission) and moment(row.due_at) is not None


_AS_READ = [one.name for one in fields(ClaimedDelivery) if one.name in {*Row._fields} - {"emission", "booked"}]
_as_read = attrgetter(*_AS_READ)


def claimed_from(row: Row, *, waited: float = 0.0) -> ClaimedDelivery:
    """Return a row that can be read as a worker sees it."""
    return ClaimedDelivery(
        **dict(zip(_AS_READ, _as_read(row), strict=True)),
        emission=row.emission if isinstance(row.emission, UUID) else UUID(row.emission),
        attempt=row.attempts,
        booked=bool(row.booked),
        waited=waited,
    )


def renew(claimed: ClaimedDelivery, *, lease: float) -> bool:
    """Extend the lease to ``lease`` seconds from now. False when the claim is not ours any more."""
    return write_held(_RENEW, claimed, delay=lease)


def give_back(claimed: Sequence[ClaimedDelivery]) -> None:
    """Return deliveries of one owner that were claimed but not started; their attempt never happened."""
    if claimed:
        values, params = pairs([(one.id, one.token) for one in claimed])
        held = f"state = 'RUNNING' AND owner = %(owner)s AND (id, token) IN ({values})"
        write(f"UPDATE {{table}} SET {UNSTARTED} WHERE {held}", owner=claimed[0].owner, **params)


def give_back_unstarted(queue: str, *, owner: str, begun: Collection[tuple[int, int]]) -> int:
    """Return what a process holds in a queue, except the claims it has begun, given by id and token; return how many.

    A process may hold more than it knows of: a claim's answer may have been lost on the way.
    """
    values, params = pairs(begun)
    held = "queue = %(queue)s AND state = 'RUNNING' AND owner = %(owner)s"
    set_aside_among(held, queue=queue, owner=owner)  # a row that cannot be read may be why a claim's answer was lost
    besides = f" AND (id, token) NOT IN ({values})" if begun else ""
    return write(f"UPDATE {{table}} SET {UNSTARTED} WHERE {held}{besides}", queue=queue, owner=owner, **params)


def pairs(held: Collection[tuple[int, int]]) -> tuple[str, dict[str, int]]:
    """Return pairs of an id and a token as SQL, and its parameters."""
    values = ", ".join(f"(%(id{n})s, %(token{n})s)" for n in range(len(held)))
    params = {
        f"{name}{n}": value for n, pair in enumerate(held) for name, value in zip(("id", "token"), pair, strict=True)
    }
    return f"VALUES {values}", params


def give_back_unroutable(claimed: ClaimedDelivery, *, delay: float) -> bool:
    """Return a delivery whose receiver this worker does not know; it is due again in ``delay`` seconds."""
    return write_held(_GIVE_BACK_UNROUTABLE, claimed, delay=delay, true=True)


def defer(claimed: ClaimedDelivery, *, delay: float) -> bool:
    """Put off a delivery, as its receiver asked: due again in ``delay`` seconds, and this was no attempt."""
    if not claimed.lane:
        return write_held(_DEFER, claimed, delay=delay)
    with transaction.atomic(using=connection().alias):
        held = write_held(_DEFER, claimed, delay=delay)
        if held:
            let_go(claimed.lane, claimed.queue, slots=claimed.slots)
        return held


def book(claimed: ClaimedDelivery, turn: datetime) -> bool:
    """Return a delivery until its turn, a time that the database has answered. Call it in a transaction."""
    booked = write_held(_BOOK, claimed, turn=str(turn))
    if booked and claimed.lane:  # it has begun there, and now gives its slot back
        let_go(claimed.lane, claimed.queue, slots=claimed.slots)
    return booked


def is_deferred(claimed: ClaimedDelivery) -> bool:
    """Tell whether this very claim was put off, and nobody has claimed the delivery since."""
    return bool(rows(_IS_DEFERRED, id=claimed.id, token=claimed.token, owner=claimed.owner, attempt=claimed.attempt))


def age_of(claimed: ClaimedDelivery) -> float:
    """Return for how many seconds a delivery has waited to be begun, by the database's clock.

    One that was put off has been begun before: less than any number.
    """
    return next((seconds(*times) or 0.0 for times in rows(_AGE, id=claimed.id)), -math.inf)


def sent_and_started(claimed: ClaimedDelivery) -> tuple[datetime | None, datetime | None, int]:
    """Return when a delivery was enqueued and when this attempt began, as the ORM would have read it, and its priority.

    A query by the ORM would take ten times as long, and as long as claim and success together.
    """
    ((enqueued, started, priority),) = rows(_SENT, id=claimed.id)
    return _aware(moment(enqueued)), _aware(moment(started)), priority


def _aware(read: datetime | None) -> datetime | None:
    is_text = read is not None and settings.USE_TZ and read.tzinfo is None
    return read.replace(tzinfo=connection().timezone) if is_text else read  # type: ignore[union-attr]


def report_progress(claimed: ClaimedDelivery, *, done: int, total: int) -> bool:
    """Record how far a running delivery is. False when the claim is not ours any more."""
    return write_held(_PROGRESS, claimed, done=done, total=total)


def write_held(template: str, claimed: ClaimedDelivery, **params: Any) -> bool:
    """Run a statement whose condition begins with ``HELD``. False when the claim is not ours any more."""
    return bool(write(template, id=claimed.id, token=claimed.token, owner=claimed.owner, **params))
