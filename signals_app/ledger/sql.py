"""What differs between databases: statements, the clock, locks and limits of time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from signals_app.exceptions import SignalsAppError
from signals_app.models import Delivery

TABLE = Delivery._meta.db_table


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection to the database that holds the deliveries."""
    return connections[router.db_for_write(Delivery)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """SQL fragments of one database vendor, and the parameters they need."""

    vendor: str
    now: str
    later: str  # now + %(delay)s seconds
    earlier: str  # now - %(ago)s seconds
    due: str  # the query of the ids that are due first, in the order of claims
    among_due: str  # the condition that an id is one of those that a claim may take
    among_ids: str  # the condition that an id is in the list %(ids)s
    # the condition that an id is one of those that the query between the two finds
    among: str
    those: str
    # SQLite takes a partial index where its condition is met to the letter. Of a flag Django 5.2 writes "flag" there,
    # Django 6.1 "flag = 1"; a query says both: flag AND flag = {yes}
    yes: str
    clock: str  # now, and later on in a statement later, where that is of any use
    skip_locked: str  # after a SELECT: locks its rows, and leaves out those that are locked already

    def sql(self, template: str) -> str:
        """Fill ``{table}``, ``{bands}`` and this class's fragments, such as ``{now}``, into a statement."""
        simple = {field.name: getattr(self, field.name) for field in fields(self)}
        made = {"bands": BANDS, "due": self.due, "among_due": self.among_due}
        made = {name: part.format(table=TABLE, now=self.now) for name, part in made.items()}
        return template.format(table=TABLE, **simple | made)

    def bind(self, db: BaseDatabaseWrapper, *, at: datetime | None = None, **params: Any) -> dict[str, Any]:
        """Return the parameters of a statement, with the process's clock where the database has none of its own."""
        if self.vendor == "sqlite":
            # naive, in the connection's zone: that is how Django stores times in SQLite
            now = (at or datetime.now(db.timezone)).replace(tzinfo=None)
            params["now"] = params["later"] = str(now)
            if params.get("delay"):
                params["later"] = str(now + timedelta(seconds=params["delay"]))
            if "ago" in params:
                params["earlier"] = str(now - timedelta(seconds=params["ago"]))
            if "ids" in params:
                params["ids"] = json.dumps(params["ids"])
        return params


def to_datetime(db: BaseDatabaseWrapper, value: datetime | str) -> datetime:
    """Return a time as the ORM would have read it; SQLite answers raw SQL with text, or without a zone."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return timezone.make_aware(read, db.timezone) if settings.USE_TZ and not read.tzinfo else read


def seconds_between(earlier: datetime | str, later: datetime | str) -> float:
    """Return the time between two moments that one statement answered; below 0 where they are in disorder."""
    begin = datetime.fromisoformat(earlier) if isinstance(earlier, str) else earlier
    end = datetime.fromisoformat(later) if isinstance(later, str) else later
    return (end - begin).total_seconds()


# Deliveries that a claim may take, of a queue as a whole and one by one. Both subqueries stand alone and are run once;
# the table is empty unless something is paused.
QUEUE_RUNS = "NOT EXISTS (SELECT 1 FROM signals_app_pause WHERE kind = 'QUEUE' AND name = %(queue)s)"
PAUSED_RECEIVERS = "SELECT name FROM signals_app_pause WHERE kind = 'RECEIVER'"
RECEIVER_RUNS = f"receiver NOT IN ({PAUSED_RECEIVERS})"

# Why not the ORM: it cannot say UPDATE … RETURNING, nor pick rows band by band. "ORDER BY priority DESC, due_at"
# alone would walk over every delivery that waits for later in a higher band; here each band is one index range.
# FALSE is written out: SQLite plans anew at each execution what it chose a partial index for by a parameter.
BANDS = (
    """
WITH RECURSIVE band(priority) AS (
    SELECT max(priority) FROM {table}
    WHERE queue = %(queue)s AND state = 'READY' AND parked = FALSE AND """
    + QUEUE_RUNS
    + """
    UNION ALL
    SELECT (SELECT max(d.priority) FROM {table} d WHERE d.queue = %(queue)s AND d.state = 'READY'
            AND d.parked = FALSE AND d.priority < band.priority)
    FROM band WHERE band.priority IS NOT NULL
)"""
)

_OF_BAND = (
    """
    SELECT d.id, d.priority, d.due_at FROM {table} d
    WHERE d.queue = %(queue)s AND d.state = 'READY' AND d.parked = FALSE AND d.priority = band.priority
    AND d.due_at <= {now} AND d."""
    + RECEIVER_RUNS
    + " ORDER BY d.due_at, d.id LIMIT %(limit)s"
)

_SQLITE_DUE = (
    BANDS
    + " SELECT t.id FROM band CROSS JOIN {table} t WHERE t.id IN (SELECT id FROM ("
    + _OF_BAND
    + ")) ORDER BY t.priority DESC, t.due_at, t.id LIMIT %(limit)s"
)

_POSTGRESQL_DUE = (
    BANDS
    + " SELECT picked.id FROM band CROSS JOIN LATERAL ("
    + _OF_BAND
    + "{lock}) picked ORDER BY picked.priority DESC, picked.due_at, picked.id LIMIT %(limit)s"
)

SQLITE = Dialect(
    vendor="sqlite",
    now="%(now)s",
    later="%(later)s",
    earlier="%(earlier)s",
    due=_SQLITE_DUE,
    among_due=f"IN ({_SQLITE_DUE})",
    among_ids="IN (SELECT value FROM json_each(%(ids)s))",
    among="IN (",
    those=")",
    yes="1",
    clock="%(now)s",
    skip_locked="",  # there is one writer at a time
)

POSTGRESQL = Dialect(
    vendor="postgresql",
    # stable within a statement, so it can bound an index scan; clock_timestamp() could not
    now="statement_timestamp()",
    later="(statement_timestamp() + %(delay)s * interval '1 second')",
    earlier="(statement_timestamp() - %(ago)s * interval '1 second')",
    due=_POSTGRESQL_DUE.replace("{lock}", ""),
    # an array is made once; a plan may run a subquery of IN again for each row, and lock and take more than its limit
    among="= ANY (ARRAY(",
    those="))",
    among_due=f"= ANY (ARRAY({_POSTGRESQL_DUE.replace('{lock}', ' FOR UPDATE SKIP LOCKED')}))",
    among_ids="= ANY (%(ids)s)",
    yes="TRUE",
    clock="clock_timestamp()",
    skip_locked="FOR UPDATE SKIP LOCKED",
)

_DIALECTS = {d.vendor: d for d in (SQLITE, POSTGRESQL)}


def dialect(db: BaseDatabaseWrapper) -> Dialect:
    """Return the dialect of a connection. Raises SignalsAppError for a database we do not speak."""
    try:
        return _DIALECTS[db.vendor]
    except KeyError:
        raise SignalsAppError(
            f"signals_app keeps its deliveries in SQLite or PostgreSQL; {db.alias!r} is {db.vendor}. "
            "Route signals_app to one of those with DATABASE_ROUTERS."
        ) from None


@lru_cache(maxsize=200)  # those with a list of values come in many lengths
def statement(template: str, vendor: str) -> str:
    """Return a statement's text for a vendor; what is used often is filled in once per process."""
    return _DIALECTS[vendor].sql(template)


def execute(template: str, **params: Any) -> Any:
    """Run one statement of the ledger and return its cursor, open."""
    return execute_on(connection(), template, **params)


def execute_on(db: BaseDatabaseWrapper, template: str, **params: Any) -> Any:
    """Run one statement of the ledger on this connection and return its cursor, open."""
    speech = dialect(db)
    cursor = db.cursor()
    cursor.execute(statement(template, speech.vendor), speech.bind(db, **params))
    return cursor


def journal_mode(db: BaseDatabaseWrapper) -> str | None:
    """Return how a SQLite file keeps its transactions safe, such as ``wal``; None for what is no file."""
    if db.vendor != "sqlite" or cast(Any, db).is_in_memory_db():
        return None
    with db.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")  # no ORM form
        return str(cursor.fetchone()[0])


BRIEF = 0.2  # seconds


@contextmanager
def short_lock_timeout(seconds: float = BRIEF) -> Iterator[None]:
    """A transaction that waits a moment only for a lock: a receiver may hold it for long."""
    db = connection()
    with _impatient(db, seconds) if db.vendor == "sqlite" else nullcontext(), transaction.atomic(using=db.alias):
        if db.vendor == "postgresql":
            with db.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {seconds * 1000:.0f}")
        yield


@contextmanager
def _impatient(db: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Have a connection to SQLite wait no longer than that for the write lock while the block runs."""
    with db.cursor() as cursor:
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
    try:
        yield
    finally:
        with db.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {before}")


@contextmanager
def query_deadline(seconds: float) -> Iterator[None]:
    """Let the block read the deliveries over a new connection that waits about ``seconds`` for whatever it needs.

    The thread's own might be broken, or wait for minutes. Raises django.db.Error where the database does not answer.
    Within a transaction, such as a test's, that one is used: another connection would not see what it wrote.
    """
    own = connection()
    if own.in_atomic_block:
        yield
        return
    brief = own.copy()
    _set_limits(brief, seconds)
    connections[own.alias] = brief
    try:
        if brief.vendor == "postgresql":
            # local to a transaction: a pooler would hand any other setting on to its next client
            with transaction.atomic(using=own.alias):
                with brief.cursor() as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = {math.ceil(seconds * 1000)}")
                yield
        else:
            yield
    finally:
        connections[own.alias] = own
        brief.close()


def _set_limits(db: BaseDatabaseWrapper, seconds: float) -> None:
    options = db.settings_dict["OPTIONS"]
    if db.vendor == "sqlite":
        options["timeout"] = seconds
    elif db.vendor == "postgresql":
        options.pop("pool", None)
        options["connect_timeout"] = max(2, math.ceil(seconds))  # libpq takes no less than two
        options["tcp_user_timeout"] = math.ceil(seconds * 1000)
