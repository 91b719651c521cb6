"""Batches: deliveries whose end, once all have ended, has one more delivery enqueued, that of their callback.

Of the members of a batch that is closed, one that has not ended is watched. Whoever ends any other has nothing to do
with the batch, so the ends of 100,000 members neither wait for each other nor count each other. Whoever ends the
watched one looks, in that transaction, for another to be watched, and where none is left settles the batch. What one
transaction marks and another ends meanwhile is decided by the lock of the member's row: either the mark comes first,
and whoever ends it sees it, or the end does, and another member is looked for.

The delivery of the callback of an inner batch is a watched member of the one around it, so its end goes on there.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from django.db import transaction

from signals_app.conf import conf, limits
from signals_app.ledger.enqueue import NewDelivery, enqueue_at_once, new_emission, write_open_block
from signals_app.ledger.sql import connection, rows, write
from signals_app.models import Batch, State

CALLBACK = "signals_app.batch_done"  # the key of the receiver that sends on_done, or emission_settled
EMISSION_SETTLED = "signals_app.signals.emission_settled"
ABANDONED_AFTER = 86_400.0  # seconds after which a block that has not ended is taken to have died with its process
SEND_AFTER = 60.0  # seconds after which a send that has not called all receivers is taken to have raised an error

_TABLE = Batch._meta.db_table
_OPEN = "state >= 'READY' AND state <= 'RUNNING'"  # one range of the index; no other state lies in it


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """What becomes of a batch once it is done: ``signal`` is sent with ``payload``, which is JSON, from ``queue``."""

    signal: str
    payload: str
    queue: str
    max_attempts: int
    parent: int | None = None
    description: str = ""
    sent_by: str = ""
    sent_from: str = ""
    trace: str = ""
    depth: int = 0
    context: str = ""


_GIVEN = [field.name for field in fields(NewBatch)]
_BEGIN = (
    f"INSERT INTO {_TABLE} ({', '.join(_GIVEN)}, {{emission_column}}created_at, closed_at, abandoned, "
    "successful, failed, cancelled, merged) "
    f"VALUES ({', '.join(f'%({name})s' for name in _GIVEN)}, {{emission_value}}{{now}}, {{closed}}, FALSE, 0, 0, 0, 0) "
    "RETURNING id"
)
# also what was taken to be abandoned
_CLOSE = (
    f"UPDATE {_TABLE} SET closed_at = {{now}}, abandoned = FALSE, settled_at = NULL "
    "WHERE id = %(batch)s AND closed_at IS NULL"
)
_ABANDON = (
    f"UPDATE {_TABLE} SET abandoned = TRUE, settled_at = {{now}} "
    "WHERE id = %(batch)s AND closed_at IS NULL AND settled_at IS NULL"
)
_PARENT = f"SELECT parent FROM {_TABLE} WHERE id = %(batch)s"
_PASSED_ON = ("signal", "queue", "max_attempts", "sent_by", "trace", "depth", "context")  # to the callback's delivery
_LOCK = (
    f"SELECT closed_at IS NOT NULL AND settled_at IS NULL, parent, emission IS NOT NULL, {', '.join(_PASSED_ON)} "
    f"FROM {_TABLE} WHERE id = %(batch)s {{for_update}}"
)
_IS_INNER_OPEN = f"SELECT id FROM {_TABLE} WHERE parent = %(batch)s AND settled_at IS NULL LIMIT 1"
_IS_WATCHED = (
    "SELECT 1 FROM {table} WHERE batch = %(batch)s AND watched AND watched = {yes} "
    "AND state IN ('READY', 'RUNNING') LIMIT 1"
)
# The one that came last, for it is likely to end last: the next look has few that have ended to step over. One that
# nobody has locked, if there is any: who has locked others may wait for the one that ends here.
_WATCH = (
    "UPDATE {table} SET watched = TRUE WHERE id {among}SELECT id FROM {table} "
    f"WHERE batch = %(batch)s AND {_OPEN} ORDER BY state, id DESC LIMIT 1 {{for_update}}{{those}}"
)
_WATCH_FREE = _WATCH.replace("{for_update}", "{skip_locked}")
_COUNT = "SELECT state, count(*) FROM {table} WHERE batch = %(batch)s GROUP BY state"
_COUNT_INNER = (
    "SELECT coalesce(sum(b.successful), 0), coalesce(sum(b.failed), 0), coalesce(sum(b.cancelled), 0), "
    "coalesce(sum(b.merged), 0), count(d.id) "
    f"FROM {_TABLE} b LEFT JOIN {{table}} d ON d.id = b.callback AND d.state = 'SUCCESSFUL' WHERE b.parent = %(batch)s"
)
_SETTLE = (
    f"UPDATE {_TABLE} SET settled_at = {{now}}, successful = %(successful)s, failed = %(failed)s, "
    "cancelled = %(cancelled)s, merged = %(merged)s WHERE id = %(batch)s AND settled_at IS NULL"
)
_FOLLOWED = f"UPDATE {_TABLE} SET callback = %(callback)s WHERE id = %(batch)s"

_CLOSE_SENDS = (
    f"UPDATE {_TABLE} SET closed_at = {{now}} WHERE emission IS NOT NULL AND closed_at IS NULL AND settled_at IS NULL "
    "AND created_at < {earlier}"
)
_LEFT_OPEN = (
    f"SELECT id FROM {_TABLE} WHERE emission IS NULL AND closed_at IS NULL AND settled_at IS NULL "
    "AND created_at < {earlier} ORDER BY created_at LIMIT %(limit)s"
)
_UNWATCHED = (
    f"SELECT b.id FROM {_TABLE} b WHERE b.settled_at IS NULL AND b.closed_at IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM {table} d WHERE d.batch = b.id AND d.watched AND d.watched = {yes} "
    "AND d.state IN ('READY', 'RUNNING')) "
    f"AND NOT EXISTS (SELECT 1 FROM {_TABLE} i WHERE i.parent = b.id AND i.settled_at IS NULL) "
    "ORDER BY b.created_at LIMIT %(limit)s"
)
_PRUNE = (
    f"DELETE FROM {_TABLE} WHERE id {{among}}SELECT b.id FROM {_TABLE} b WHERE b.settled_at < {{earlier}} "
    "AND NOT EXISTS (SELECT 1 FROM {table} d WHERE d.batch = b.id) "
    "AND NOT EXISTS (SELECT 1 FROM {table} d WHERE d.id = b.callback) "
    f"AND NOT EXISTS (SELECT 1 FROM {_TABLE} o WHERE o.id = b.parent AND o.settled_at IS NULL) "
    "ORDER BY b.settled_at LIMIT %(limit)s {skip_locked}{those}"
)


def begin_batch(new: NewBatch, *, emission: UUID | None = None, is_closed: bool = False) -> int:
    """Write a batch and return its id; ``is_closed`` where its members commit with it and one of them is watched."""
    given = {name: getattr(new, name) for name in _GIVEN}
    column, value = ("emission, ", "%(emission)s, ") if emission else ("", "")
    text = _BEGIN.replace("{emission_column}", column).replace("{emission_value}", value)
    text = text.replace("{closed}", "{now}" if is_closed else "NULL")
    return int(rows(text, **given, **({"emission": emission} if emission else {}))[0][0])


def close_batch(batch: int) -> None:
    """Note that all members are sent, and settle the batch where all have ended."""
    with _transaction():
        write_open_block()
        if write(_CLOSE, batch=batch):
            advance(batch)


def abandon_batch(batch: int) -> None:
    """Let nothing follow a batch; the one around it waits for it no longer."""
    with _transaction():
        outer = [parent for (parent,) in rows(_PARENT, batch=batch) if parent is not None]
        for parent in outer:
            rows(_LOCK, batch=parent)
        if write(_ABANDON, batch=batch):
            for parent in outer:
                advance(parent)


def _transaction() -> transaction.Atomic | nullcontext[None]:
    """Return a transaction, that of the caller where there is one."""
    db = connection()
    return nullcontext() if db.in_atomic_block else transaction.atomic(using=db.alias)


def advance(batch: int) -> None:
    """Have another member watched, in place of one that ends in this transaction; settle the batch where none is left.

    Once only: whoever holds the row of the batch sees what those before have made of it.
    """
    for can_settle, parent, is_emission, *given in rows(_LOCK, batch=batch):
        if not can_settle or rows(_IS_INNER_OPEN, batch=batch):
            return
        is_watched = rows(_IS_WATCHED, batch=batch) or write(_WATCH_FREE, batch=batch) or write(_WATCH, batch=batch)
        if not is_watched:
            passed_on = dict(zip(_PASSED_ON, given, strict=True))
            _settle(batch, parent, passed_on | ({"signal": EMISSION_SETTLED} if is_emission else {}))


def _settle(batch: int, parent: int | None, passed_on: dict[str, Any]) -> None:
    *inner, callbacks = rows(_COUNT_INNER, batch=batch)[0]
    own = dict(rows(_COUNT, batch=batch))
    own[State.SUCCESSFUL] = own.get(State.SUCCESSFUL, 0) - callbacks  # not what the batch was for
    states = (State.SUCCESSFUL, State.FAILED, State.CANCELLED, State.MERGED)
    counts = {state.lower(): own.get(state, 0) + int(more) for state, more in zip(states, inner, strict=True)}
    if not write(_SETTLE, batch=batch, **counts):
        return
    callback = enqueue_at_once(
        NewDelivery(
            emission=new_emission(),
            sender="",
            receiver=CALLBACK,
            priority=0,
            payload=json.dumps({"sender": None, "arguments": {"batch": batch}}),
            delay=0.0,
            sent_from=f"batch #{batch}",
            batch=parent,
            watched=parent is not None,
            **passed_on,
        )
    )
    write(_FOLLOWED, batch=batch, callback=callback.id)


def mend_batches(*, limit: int = 500) -> int:
    """Go on with batches that nobody would: of sends that raised, of blocks that died, of members that were removed.

    Returns how many were settled, or given another member to watch.
    """
    write(_CLOSE_SENDS, ago=SEND_AFTER)
    for (batch,) in rows(_LEFT_OPEN, ago=ABANDONED_AFTER, limit=limit):
        abandon_batch(batch)
    unwatched = rows(_UNWATCHED, limit=limit)
    for (batch,) in unwatched:
        with _transaction():
            advance(batch)
    return len(unwatched)


def prune_batches(*, limit: int = 500) -> int:
    """Delete batches of whose deliveries ``SIGNALS_APP["KEEP"]`` has left none; return how many went."""
    kept = min(limits(conf.keep).values(), default=None)
    return 0 if kept is None else write(_PRUNE, ago=kept * 86_400, limit=limit)
