"""The sending side's only write: an INSERT in whatever transaction the sender is in, of one or of many deliveries."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.base import ModelState

from signals_app.ledger.sql import Inserted, connection, database, execute
from signals_app.models import Delivery


def new_emission() -> UUID:
    """Return a UUID that begins with the time in milliseconds (version 7 of RFC 9562).

    Emissions are indexed: one made after another is written beside it; a random one would touch a page of its own.
    """
    bits = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | 0x7 << 76  # the version
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # the variant
    return UUID(int=bits)


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
    coalesce_key: str = ""
    lane: str = ""
    blocks_lane: bool = False
    bucket: str = ""
    batch: int | None = None
    watched: bool = False


# the columns of a new row with their defaults, and those that NewDelivery gives
_BLANK: dict[str, Any] = {field.attname: field.get_default() for field in Delivery._meta.concrete_fields}
_GIVEN = [field.name for field in fields(NewDelivery) if field.name in _BLANK]
_given = attrgetter(*_GIVEN)

# By hand: Model.save() costs four times as much, and the NOTIFY has to ride along (one round trip).
_VALUES = {name: f"'{value}'" if isinstance(value, str) else str(value) for name, value in _BLANK.items()}
_VALUES |= {name: f"%({name})s" for name in _GIVEN} | {"due_at": "{later}", "enqueued_at": "{now}"}
_WRITTEN = [name for name, value in _VALUES.items() if value != "None"]
_INSERT = (
    f"INSERT INTO {{table}} ({', '.join(_WRITTEN)}) VALUES ({', '.join(_VALUES[name] for name in _WRITTEN)})"
    "{returning}"
)

# Many at once, on PostgreSQL: one parameter, so that the text is always the same. VALUES take five times as long.
_TYPES = {
    "emission": "uuid",
    "priority": "smallint",
    "max_attempts": "integer",
    "depth": "integer",
    "blocks_lane": "boolean",
    "batch": "bigint",
    "watched": "boolean",
}
_MANY = {name: f"CAST(value->>{place} AS {_TYPES.get(name, 'text')})" for place, name in enumerate(_GIVEN)}
_MANY = _VALUES | _MANY | {"due_at": f"{{now}} + CAST(value->>{len(_GIVEN)} AS float) * interval '1 second'"}
_INSERT_MANY = (
    f"INSERT INTO {{table}} ({', '.join(_WRITTEN)}) SELECT {', '.join(_MANY[name] for name in _WRITTEN)} "
    "FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS each (value, number) ORDER BY number{returning_many}"
)

Told = Callable[[Delivery], object]

BATCH = 500  # deliveries that one statement writes
LARGE = 4_000_000  # characters of their payloads after which it does not wait for more


def enqueue(work: NewDelivery, told: Told = lambda delivery: None) -> Delivery:
    """Write one READY delivery in the current transaction and return it; tell ``told`` of it.

    Within ``bulk()`` both come later, and until then it has no id and no times.
    """
    db = connection()
    if open_block := _open_block(db):
        given, delivery = _new(work)
        open_block.add(_Waiting(delivery, given, work.delay, told))
        return delivery
    delivery = _insert(db, work)
    told(delivery)
    return delivery


def enqueue_at_once(work: NewDelivery) -> Delivery:
    """Write one READY delivery in the current transaction, within ``bulk()`` too, and return it."""
    return _insert(connection(), work)


def _insert(db: BaseDatabaseWrapper, work: NewDelivery) -> Delivery:
    given, delivery = _new(work)
    now = datetime.now(db.timezone)  # for a database without a clock
    with execute(db, _INSERT, {"delay": work.delay, **given}, now) as cursor:
        written = database(db).inserted(cursor, now, work.delay)
    _complete(delivery, db.alias, written)
    return delivery


def _new(work: NewDelivery) -> tuple[dict[str, Any], Delivery]:
    given = dict(zip(_GIVEN, _given(work), strict=True))
    # as the ORM would have read it; from_db() would take a tenth of the time of the whole send()
    delivery = Delivery.__new__(Delivery)
    vars(delivery).update(_BLANK | given, _state=ModelState())
    return given, delivery


def _complete(delivery: Delivery, alias: str, written: Inserted) -> None:
    delivery.id, delivery.due_at, delivery.enqueued_at = written
    delivery._state.adding, delivery._state.db = False, alias


def write_open_block() -> None:
    """Write what a ``bulk()`` block has taken so far."""
    if open_block := _open_block(connection()):
        open_block.write()


@contextmanager
def bulk() -> Iterator[None]:
    """Write what is sent in the block by few statements, the last one at its end.

    The block is a ``transaction.atomic()`` of the database that holds the deliveries.
    """
    db = connection()
    with (atomic := transaction.atomic(using=db.alias)):
        if outer := _open_block(db):
            yield
            outer.write()
            return
        block = _Block(db, atomic)
        db.execute_wrappers.append(block)
        try:
            yield
            block.write()
        finally:
            db.execute_wrappers.remove(block)  # not by execute_wrapper(), which removes the last one, whosever it is


class _Waiting(NamedTuple):
    delivery: Delivery
    given: dict[str, Any]
    delay: float
    told: Told


class _Savepoint(NamedTuple):
    """How many had been sent when it was made, and how many of those were written."""

    name: str
    sent: int
    written: int


# whatever comments other wrappers add, before it or after it
_SAVEPOINT = re.compile(
    r"(?:\s|/\*(?:[^*]|\*(?!/))*\*/)*"
    r"(SAVEPOINT|RELEASE|ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO)\s+(?:SAVEPOINT\s+)?([^\s;/]+)",
    re.IGNORECASE,
)


class _Block:
    """What is sent in a ``bulk()`` block. It belongs to a connection, as the transaction does, and not to a context.

    Among the connection's wrappers it sees each savepoint. A statement may write, within a savepoint, what was sent
    before it; that is kept, to be written again if the savepoint is rolled back.
    """

    def __init__(self, db: BaseDatabaseWrapper, atomic: transaction.Atomic) -> None:
        self.db = db
        self.atomic = atomic  # one that was never left, by a receiver for instance, ends with its transaction
        self._sent: list[_Waiting] = []
        self._written = 0  # so many of these, from the first
        self._size = 0
        self._savepoints: list[_Savepoint] = []

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        text = sql if isinstance(sql, str) else sql.as_string(None) if hasattr(sql, "as_string") else ""
        if found := _SAVEPOINT.match(text):
            self._follow(found[1].upper(), found[2].strip('"').lower())
        return result

    def _follow(self, word: str, name: str) -> None:
        if word == "SAVEPOINT":
            self._savepoints.append(_Savepoint(name, len(self._sent), self._written))
            return
        while self._savepoints and self._savepoints[-1].name != name:
            self._savepoints.pop()
        if word == "RELEASE":
            del self._savepoints[-1:]
            self._forget()
            return
        _, sent, self._written = self._savepoints[-1] if self._savepoints else ("", 0, 0)
        del self._sent[sent:]

    def add(self, one: _Waiting) -> None:
        """Take a delivery. Raises what an INSERT would in a broken transaction, and what writing the others raises."""
        self.db.validate_no_broken_transaction()
        self._sent.append(one)
        self._size += len(one.delivery.payload)
        is_full = len(self._sent) - self._written >= BATCH or self._size > LARGE
        if is_full or database(self.db).is_aborted(self.db.connection):
            try:
                self.write()
            except Error:
                self._sent.pop()  # its sender gets the error; the others are tried again
                raise

    def write(self) -> None:
        """Write what waits, unless its transaction is to be rolled back anyway."""
        batch = self._sent[self._written :]
        if not batch or self.db.needs_rollback:
            return
        now = datetime.now(self.db.timezone)
        rows = [(one.given, one.delay) for one in batch]
        try:
            written = database(self.db).insert_many(self.db, _INSERT, _INSERT_MANY, rows, now)
        except Error as error:
            error.add_note(_said(batch))
            raise
        self._written, self._size = len(self._sent), 0
        self._forget()
        for one, each in zip(batch, written, strict=True):
            _complete(one.delivery, self.db.alias, each)
            one.told(one.delivery)

    def _forget(self) -> None:
        """Keep, of what is written, only what was sent before the last savepoint."""
        kept = self._savepoints[-1].sent if self._savepoints else 0
        if self._written > kept:
            del self._sent[kept : self._written]
            self._written = kept


def _said(batch: list[_Waiting]) -> str:
    """Return whose deliveries a statement could not write."""
    counted = Counter(
        f"{one.delivery.signal or 'a signal without a name'} for {one.delivery.receiver}" for one in batch
    )
    named = "; ".join(f"{count:,} of {name}" for name, count in counted.most_common(5))
    others = f"; {len(counted) - 5:,} other pairs" if len(counted) > 5 else ""
    return f"bulk() could not write these deliveries: {named}{others}."


def _open_block(db: BaseDatabaseWrapper) -> _Block | None:
    for wrapper in db.execute_wrappers:
        if isinstance(wrapper, _Block) and db.in_atomic_block and wrapper.atomic in db.atomic_blocks:
            return wrapper
    return None
