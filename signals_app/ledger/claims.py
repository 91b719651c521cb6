"""A worker's hold on deliveries: claim, renew, give back. Every write names the token of the claim it belongs to."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from signals_app.ledger.damage import END, MOST, RANGES, is_moment, is_uuid, readable, set_aside_among
from signals_app.ledger.sql import QUEUE_RUNS, RECEIVER_RUNS, execute, seconds_between

SLOW = 0.005  # seconds that a claim takes at the database, from where on the next one begins where it ended

COLUMNS = (
    "id, emission, signal, receiver, queue, payload, attempts, max_attempts, token, owner, losses, priority, "
    f"{readable('due_at')}, trace, depth, context"
)

# where they have which column
_TEXTS = (2, 3, 4, 5, 9, 13, 15)
_COUNTS = tuple(
    (place, *RANGES[name])
    for place, name in (
        *((6, "attempts"), (7, "max_attempts"), (8, "token")),
        *((10, "losses"), (11, "priority"), (14, "depth")),
    )
)

# What a worker may still write to: the claim it made, while nobody has taken it over.
HELD = "id = %(id)s AND token = %(token)s AND state = 'RUNNING'"

# One statement, so that a claim is atomic without a transaction around it; the payload comes back with it. Whatever
# stands in a row, it must not fail: one row would keep all others from being claimed.
_TAKE = f"""UPDATE {{table}} SET state = 'RUNNING',
    attempts = CASE WHEN attempts BETWEEN 0 AND {MOST - 2} THEN attempts + 1 ELSE {END} END,
    token = CASE WHEN token BETWEEN 0 AND {END - 2} THEN token + 1 ELSE {END} END,
    max_attempts = CASE WHEN max_attempts >= 0 THEN max_attempts ELSE 0 END,
    losses = CASE WHEN losses >= 0 THEN losses ELSE {END} END, owner = %(owner)s,
    lease_until = {{later}}, started_at = {{now}}, unroutable = %(false)s, progress_done = 0, progress_total = 0
WHERE state = 'READY' AND id """
_TAKEN = " RETURNING " + COLUMNS + ", {now}, {clock}"
_CLAIM = _TAKE + "{among_due}" + _TAKEN
# the same in one band of priority, from a due time on
_CLAIM_AHEAD = (
    _TAKE
    + "{among}SELECT id FROM {table} WHERE queue = %(queue)s AND state = 'READY' AND parked = FALSE "
    + "AND priority = %(priority)s AND due_at >= %(since)s AND due_at <= {now} "
    + f"AND {RECEIVER_RUNS} AND {QUEUE_RUNS} ORDER BY due_at, id LIMIT %(limit)s {{skip_locked}}{{those}}"
    + _TAKEN
)

_RENEW = "UPDATE {table} SET lease_until = {later} WHERE " + HELD

_UNSTARTED = (
    "state = 'READY', attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END, owner = '', "
    "lease_until = NULL, started_at = NULL"
)

_GIVE_BACK_UNROUTABLE = "UPDATE {table} SET " + _UNSTARTED + ", unroutable = %(true)s, due_at = {later} WHERE " + HELD

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
    waited: float = 0.0  # seconds from its due time to its claim

    @property
    def is_last_attempt(self) -> bool:
        """Whether a bad end of this attempt is final."""
        return self.attempt >= self.max_attempts


@dataclass(slots=True)
class Ahead:
    """Where a drain's last claim ended, so that the next one need not look from the front, where that takes long.

    An index keeps entries of what is done as long as any transaction might still see it. A claim steps over them.
    """

    priority: int = 0
    since: datetime | None = None
    until: float = 0.0  # on the monotonic clock; then a claim looks from the front, for what came in there

    def note(self, rows: Sequence[Sequence[Any]]) -> None:
        """Note what was claimed from the front: looking there is to take a tenth of the time at most."""
        last = max(rows, key=_place, default=None)
        took = seconds_between(*last[-2:]) if last else 0.0
        if last and took > SLOW:
            self.priority, self.since, self.until = last[11], last[12], time.monotonic() + 10 * took

    def claim(self, params: dict[str, Any]) -> list[Sequence[Any]]:
        """Claim from there on, if anything is due there."""
        if time.monotonic() > self.until:
            return []
        rows = _rows(_CLAIM_AHEAD, **params, priority=self.priority, since=self.since)
        self.since = max((row[12] for row in rows), default=self.since)
        return rows


def claim(queue: str, *, owner: str, limit: int, lease: float, ahead: Ahead | None = None) -> list[ClaimedDelivery]:
    """Take up to ``limit`` due deliveries of a queue for ``lease`` seconds, in order of priority, due time and id.

    Each one's attempt has begun: ``attempts`` and ``token`` have grown by one. With ``ahead``, which belongs to one
    drain, what comes in before its place may have to wait for ten times as long as a slow claim takes.
    """
    params = {"queue": queue, "owner": owner, "limit": limit, "delay": lease, "false": False}
    while rows := _taken(params, ahead):
        readable = [row for row in rows if is_readable(row)]
        if len(readable) < len(rows):
            set_aside_among("owner = %(owner)s AND id {among_ids}", owner=owner, ids=[row[0] for row in rows])
        if readable:
            readable.sort(key=_place)  # RETURNING promises no order
            return [claimed_from(row, waited=seconds_between(row[12], row[-2])) for row in readable]
    return []


def _taken(params: dict[str, Any], ahead: Ahead | None) -> list[Sequence[Any]]:
    if ahead and (rows := ahead.claim(params)):
        return rows
    rows = _rows(_CLAIM, **params)
    if ahead and rows and rows[0][-1] > rows[0][-2]:
        ahead.note([row for row in rows if row[12]])
    return rows


def _place(row: Sequence[Any]) -> tuple[Any, ...]:
    return (-row[11], row[12], row[0])


def _rows(query: str, **params: Any) -> list[Sequence[Any]]:
    with execute(query, **params) as cursor:
        return list(cursor.fetchall())


def is_readable(row: Sequence[Any]) -> bool:
    """Tell whether a row that starts with ``COLUMNS`` is one that was handed off; SQLite stores anything anywhere."""
    for place in _TEXTS:
        if type(row[place]) is not str:
            return False
    for place, least, most in _COUNTS:
        one = row[place]
        if type(one) is not int or not least <= one <= most:
            return False
    return is_uuid(row[1]) and is_moment(row[12])


def claimed_from(row: Sequence[Any], *, waited: float = 0.0) -> ClaimedDelivery:
    """Read a row that starts with ``COLUMNS``."""
    return ClaimedDelivery(
        id=row[0],
        emission=row[1] if isinstance(row[1], UUID) else UUID(row[1]),
        signal=row[2],
        receiver=row[3],
        queue=row[4],
        payload=row[5],
        attempt=row[6],
        max_attempts=row[7],
        token=row[8],
        owner=row[9],
        losses=row[10],
        trace=row[13],
        depth=row[14],
        context=row[15],
        waited=waited,
    )


def renew(claimed: ClaimedDelivery, *, lease: float) -> bool:
    """Extend the lease to ``lease`` seconds from now. False when the claim is not ours any more."""
    return _write(_RENEW, claimed, delay=lease)


def give_back(claimed: Sequence[ClaimedDelivery]) -> None:
    """Return deliveries that were claimed but not started; their attempt never happened."""
    if not claimed:
        return
    held = {f"id{n}": one.id for n, one in enumerate(claimed)} | {
        f"token{n}": one.token for n, one in enumerate(claimed)
    }
    pairs = ", ".join(f"(%(id{n})s, %(token{n})s)" for n in range(len(claimed)))
    template = f"UPDATE {{table}} SET {_UNSTARTED} WHERE state = 'RUNNING' AND (id, token) IN (VALUES {pairs})"
    with execute(template, **held):
        pass


def give_back_unstarted(queue: str, *, owner: str, begun: Collection[tuple[int, int]]) -> int:
    """Return whatever one process holds in a queue but the claims it has begun, given by id and token; say how many.

    A process may hold more than it knows of: a claim whose answer was lost on the way.
    """
    params = {f"id{n}": one for n, (one, _) in enumerate(begun)} | {
        f"token{n}": token for n, (_, token) in enumerate(begun)
    }
    pairs = ", ".join(f"(%(id{n})s, %(token{n})s)" for n in range(len(begun)))
    held = "queue = %(queue)s AND state = 'RUNNING' AND owner = %(owner)s"
    set_aside_among(held, queue=queue, owner=owner)  # a row that cannot be read may be why a claim's answer was lost
    template = f"UPDATE {{table}} SET {_UNSTARTED} WHERE {held}"
    if begun:
        template += f" AND (id, token) NOT IN (VALUES {pairs})"
    with execute(template, queue=queue, owner=owner, **params) as cursor:
        return int(cursor.rowcount)


def give_back_unroutable(claimed: ClaimedDelivery, *, delay: float) -> bool:
    """Return a delivery whose receiver this worker does not know; it is due again in ``delay`` seconds."""
    return _write(_GIVE_BACK_UNROUTABLE, claimed, delay=delay, true=True)


def report_progress(claimed: ClaimedDelivery, *, done: int, total: int) -> bool:
    """Record how far a running delivery is. False when the claim is not ours any more."""
    return _write(_PROGRESS, claimed, done=done, total=total)


def _write(template: str, claimed: ClaimedDelivery, **params: Any) -> bool:
    with execute(template, id=claimed.id, token=claimed.token, **params) as cursor:
        return bool(cursor.rowcount)
