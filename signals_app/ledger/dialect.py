"""What differs between databases in the ledger's SQL: the clock, and how a claim picks its rows.

Times that are compared between hosts are the database's. SQLite is one host, so its clock is the process's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connections, router
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
    among_due: str  # the condition that an id is one of those that a claim may take

    def sql(self, template: str) -> str:
        """Fill ``{table}``, ``{now}``, ``{later}``, ``{earlier}`` and ``{among_due}`` into a statement."""
        among_due = self.among_due.format(table=TABLE, now=self.now)
        return template.format(table=TABLE, now=self.now, later=self.later, earlier=self.earlier, among_due=among_due)

    def bind(self, db: BaseDatabaseWrapper, **params: Any) -> dict[str, Any]:
        """Return the parameters of a statement, with the process's clock where the database has none of its own."""
        if self.vendor == "sqlite":
            # naive, in the connection's zone: that is how Django stores times in SQLite
            now = datetime.now(db.timezone).replace(tzinfo=None)
            params["now"] = str(now)
            if "delay" in params:
                params["later"] = str(now + timedelta(seconds=params["delay"]))
            if "ago" in params:
                params["earlier"] = str(now - timedelta(seconds=params["ago"]))
        return params

    def uuid(self, value: Any) -> Any:
        """Return a UUID as this database stores it."""
        return value.hex if self.vendor == "sqlite" else value


def to_datetime(db: BaseDatabaseWrapper, value: datetime | str) -> datetime:
    """Return a time as the ORM would have read it; SQLite answers raw SQL with text, or without a zone."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return timezone.make_aware(read, db.timezone) if settings.USE_TZ and not read.tzinfo else read


# Why not the ORM: it cannot say UPDATE … RETURNING, nor pick rows band by band. "ORDER BY priority DESC, due_at"
# alone would walk over every delivery that waits for later in a higher band; here each band is one index range.
_BANDS = """
WITH RECURSIVE band(priority) AS (
    SELECT max(priority) FROM {table} WHERE queue = %(queue)s AND state = 'READY'
    UNION ALL
    SELECT (SELECT max(d.priority) FROM {table} d
            WHERE d.queue = %(queue)s AND d.state = 'READY' AND d.priority < band.priority)
    FROM band WHERE band.priority IS NOT NULL
)"""

_OF_BAND = """
    SELECT d.id, d.priority, d.due_at FROM {table} d
    WHERE d.queue = %(queue)s AND d.state = 'READY' AND d.priority = band.priority AND d.due_at <= {now}
    ORDER BY d.due_at, d.id LIMIT %(limit)s"""

SQLITE = Dialect(
    vendor="sqlite",
    now="%(now)s",
    later="%(later)s",
    earlier="%(earlier)s",
    among_due="IN ("
    + _BANDS
    + " SELECT t.id FROM band CROSS JOIN {table} t WHERE t.id IN (SELECT id FROM ("
    + _OF_BAND
    + ")) ORDER BY t.priority DESC, t.due_at, t.id LIMIT %(limit)s)",
)

POSTGRESQL = Dialect(
    vendor="postgresql",
    # stable within a statement, so it can bound an index scan; clock_timestamp() could not
    now="statement_timestamp()",
    later="(statement_timestamp() + %(delay)s * interval '1 second')",
    earlier="(statement_timestamp() - %(ago)s * interval '1 second')",
    # an array is made once; a plan may run a subquery of IN again, and lock and take more rows than its limit
    among_due="= ANY (ARRAY("
    + _BANDS
    + " SELECT picked.id FROM band CROSS JOIN LATERAL ("
    + _OF_BAND
    + " FOR UPDATE SKIP LOCKED) picked ORDER BY picked.priority DESC, picked.due_at, picked.id LIMIT %(limit)s))",
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


@cache
def statement(template: str, vendor: str) -> str:
    """Return a statement's text for a vendor, filled in once per process."""
    return _DIALECTS[vendor].sql(template)


def execute(template: str, **params: Any) -> Any:
    """Run one statement of the ledger and return its cursor, open."""
    db = connection()
    speech = dialect(db)
    cursor = db.cursor()
    cursor.execute(statement(template, speech.vendor), speech.bind(db, **params))
    return cursor
