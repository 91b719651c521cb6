"""What is wrong with the database that keeps the deliveries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import Error as DatabaseError
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app import ledger
from signals_app.models import Delivery

# what a new connection costs (docs/benchmark.md), and what to set instead
REOPENED = {
    "sqlite": ("1 ms", '"CONN_MAX_AGE": None'),
    "postgresql": ("10 ms", '"CONN_MAX_AGE": 600 and "CONN_HEALTH_CHECKS": True'),
}

READ_COMMITTED = 2  # psycopg.IsolationLevel, which is not installed where nobody uses PostgreSQL


@register("signals_app")
def check_database(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that the database of the deliveries can be claimed from, without opening it."""
    alias = router.db_for_write(Delivery)
    if alias not in connections:
        yield Error(
            f"Deliveries are routed to the database {alias!r}, which DATABASES does not configure.",
            hint="Correct the router in DATABASE_ROUTERS.",
            id="signals_app.E015",
        )
        return
    db: Any = connections[alias]
    if db.vendor not in REOPENED:
        yield Error(
            f"The database {alias!r} is {db.vendor}; deliveries are kept in SQLite or PostgreSQL.",
            hint="Route signals_app to one of those with DATABASE_ROUTERS.",
            id="signals_app.E007",
        )
        return
    given = db.settings_dict
    yield from _sqlite(db) if db.vendor == "sqlite" else _postgresql(db)
    if not given["AUTOCOMMIT"]:
        yield Error(
            f"The database {alias!r} has AUTOCOMMIT off, so nothing that a worker writes is ever committed.",
            hint='Remove "AUTOCOMMIT": False from DATABASES[...].',
            id="signals_app.E019",
        )
    if given["CONN_MAX_AGE"] == 0 and not given["OPTIONS"].get("pool"):
        cost, cure = REOPENED[db.vendor]
        yield CheckWarning(
            f"The database {alias!r} has CONN_MAX_AGE 0, so a worker connects anew each time it is woken, which "
            f"takes about {cost}.",
            hint=f"Write {cure} in DATABASES[...].",
            id="signals_app.W004",
        )


def _sqlite(db: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    if str(db.settings_dict["OPTIONS"].get("transaction_mode")).upper() != "IMMEDIATE":
        yield Error(
            f"The SQLite database {db.alias!r} does not begin its transactions IMMEDIATE, so concurrent ones fail "
            "with 'database is locked'.",
            hint='Set DATABASES[...]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
            id="signals_app.E008",
        )
    zone = db.timezone_name
    if not _is_steady(zone):
        yield Error(
            f"The SQLite database {db.alias!r} keeps its times in those of {zone}, whose clocks are put back and "
            "forward: across such a change deliveries come due an hour late, and leases run out too late or too early.",
            hint='Set USE_TZ = True. Where it is, remove "TIME_ZONE" from DATABASES[...].',
            id="signals_app.E022",
        )


def _is_steady(zone: str) -> bool:
    """Tell whether the clocks of a time zone keep their distance from UTC all through the year that comes."""
    now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
    weeks = (now + timedelta(weeks=week) for week in range(53))
    return len({week.replace(tzinfo=ZoneInfo(zone)).utcoffset() for week in weeks}) == 1


def _postgresql(db: Any) -> Iterator[CheckMessage]:
    name, version = db.Database.__name__, db.Database.__version__
    if name != "psycopg" or [int(part) for part in re.findall(r"\d+", version)[:2]] < [3, 2]:
        yield Error(
            f"The database {db.alias!r} is reached by {name} {version.split()[0]}, whose notifications a sleeping "
            "cluster cannot wait for.",
            hint='Install psycopg 3: python -m pip install "psycopg[binary]>=3.2".',
            id="signals_app.E017",
        )
    level = db.settings_dict["OPTIONS"].get("isolation_level")
    if level and level > READ_COMMITTED:
        yield Error(
            f"The transactions of the database {db.alias!r} are stricter than READ COMMITTED: an atomic receiver of "
            "more than a second fails, for its lease was renewed meanwhile, and claims fail beside others.",
            hint='Remove "isolation_level" from DATABASES[...]["OPTIONS"].',
            id="signals_app.E018",
        )


@register(Tags.database)
def check_journal(*, databases: Sequence[str] | None = None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Check that a SQLite database is in WAL mode, which only the database itself can tell.

    It is opened only where ``databases`` asks for that: ``migrate``, ``qcluster`` and ``check --database`` do.
    """
    alias = router.db_for_write(Delivery)
    if alias not in (databases or ()) or alias not in connections:
        return
    try:
        mode = ledger.database(connections[alias]).journal_mode(connections[alias])
    except DatabaseError:
        return  # whoever needs the database will say so
    if mode not in (None, "wal"):
        yield Error(
            f"The SQLite database {alias!r} is in journal mode {mode!r}, in which readers and writers lock each "
            "other out: clusters and senders fail with 'database is locked'.",
            hint='Set DATABASES[...]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL;". If it is, the file '
            "stands on a file system that cannot do WAL; move it to a local disk.",
            id="signals_app.E016",
        )
