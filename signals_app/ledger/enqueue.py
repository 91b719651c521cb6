"""The sending side's only write: one INSERT, in whatever transaction the sender is in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.base import ModelState

from signals_app.ledger.sql import connection, execute_on, to_datetime
from signals_app.models import Delivery

# Written by hand: Model.save() costs four times as much, and the NOTIFY has to ride along (one round trip,
# and only while a cluster of the queue sleeps, because a NOTIFY at every commit would halve the insert rate).
_INSERT = """INSERT INTO {table} (emission, signal, sender, receiver, queue, priority, payload, sent_by, sent_from,
    trace, depth, context, state, due_at, enqueued_at, attempts, max_attempts, owner, token, losses, progress_done,
    progress_total, unroutable, parked)
VALUES (%(emission)s, %(signal)s, %(sender)s, %(receiver)s, %(queue)s, %(priority)s, %(payload)s, %(sent_by)s,
    %(sent_from)s, %(trace)s, %(depth)s, %(context)s, 'READY', {later}, {now}, 0, %(max_attempts)s, '', 0, 0, 0, 0,
    %(false)s, %(false)s)"""

_INSERT_AND_NOTIFY = (
    "WITH row AS (" + _INSERT + " RETURNING id, due_at, enqueued_at) SELECT row.*, "
    "(SELECT pg_notify('signals_app', i.queue) FROM signals_app_idlequeue i "
    "WHERE i.queue = %(queue)s AND i.until > {now} AND %(delay)s <= 0)::text FROM row"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """What a queued receiver leaves for a worker. ``delay`` is in seconds, ``payload`` is JSON, ``trace`` W3C's."""

    emission: UUID
    signal: str
    sender: str
    receiver: str
    queue: str
    priority: int
    payload: str
    delay: float
    max_attempts: int
    sent_by: str = ""
    sent_from: str = ""
    trace: str = ""
    depth: int = 0
    context: str = ""


def enqueue(work: NewDelivery) -> Delivery:
    """Write one READY delivery in the current transaction and return it."""
    db = connection()
    values = dict(_BLANK)
    values.update(zip(_TAKEN, _take(work), strict=True))
    (_on_sqlite if db.vendor == "sqlite" else _on_postgresql)(db, work, values)
    # as the ORM would have read it; from_db() would take a tenth of the time of the whole send()
    delivery = Delivery.__new__(Delivery)
    vars(delivery).update(values, _state=ModelState())
    delivery._state.adding, delivery._state.db = False, db.alias
    return delivery


def _on_sqlite(db: BaseDatabaseWrapper, work: NewDelivery, values: dict[str, Any]) -> None:
    """Insert the row; its times are this process's, and no RETURNING need read them back."""
    now = datetime.now(db.timezone)
    with _insert(db, _INSERT, work, emission=work.emission.hex, at=now) as cursor:
        values["id"] = cursor.lastrowid
    values["enqueued_at"] = now = now if settings.USE_TZ else now.replace(tzinfo=None)
    values["due_at"] = now + timedelta(seconds=work.delay)


def _on_postgresql(db: BaseDatabaseWrapper, work: NewDelivery, values: dict[str, Any]) -> None:
    with _insert(db, _INSERT_AND_NOTIFY, work, emission=work.emission) as cursor:
        values["id"], due_at, enqueued_at, _ = cursor.fetchone()
    values["due_at"], values["enqueued_at"] = to_datetime(db, due_at), to_datetime(db, enqueued_at)


def _insert(db: BaseDatabaseWrapper, template: str, work: NewDelivery, **params: Any) -> Any:
    return execute_on(
        db,
        template,
        signal=work.signal,
        sender=work.sender,
        receiver=work.receiver,
        queue=work.queue,
        priority=work.priority,
        payload=work.payload,
        sent_by=work.sent_by,
        sent_from=work.sent_from,
        trace=work.trace,
        depth=work.depth,
        context=work.context,
        delay=work.delay,
        max_attempts=work.max_attempts,
        false=False,
        **params,
    )


# every column, and those that a hand-off says
_BLANK = {field.attname: field.get_default() for field in Delivery._meta.concrete_fields}
_TAKEN = [field.name for field in fields(NewDelivery) if field.name in _BLANK]
_take = attrgetter(*_TAKEN)
