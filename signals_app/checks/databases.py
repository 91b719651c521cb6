"""What is wrong with the database that keeps the deliveries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import Error as DatabaseError
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app import ledger
from signals_app.conf import conf, is_test_run
from signals_app.models import Delivery

READ_COMMITTED = 2  # psycopg.IsolationLevel, which is not installed where nobody uses PostgreSQL


@register("signals_app")
def check_database(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that the database of the deliveries can be claimed from, without opening it."""
    alias = router.db_for_write(Delivery)
    if alias not in connections:
        yield Error(
            f"Deliveries are routed to the database {alias!r}, which DATABASES does not configure.",
            hint=f"Have the DATABASE_ROUTERS answer one of {', '.join(sorted(connections))} for signals_app.Delivery.",
            id="signals_app.E015",
        )
        return
    db = connections[alias]
    place = f'DATABASES["{alias}"]'
    if db.vendor == "sqlite":
        yield from _sqlite(db, place)
    elif db.vendor == "postgresql":
        yield from _postgresql(db, place)
    else:
        yield Error(
            f"The database {alias!r} is {db.vendor}; deliveries are kept in SQLite or PostgreSQL.",
            hint="Add one of those to DATABASES, and have the DATABASE_ROUTERS answer it for signals_app.Delivery.",
            id="signals_app.E007",
        )
        return
    if not db.settings_dict["AUTOCOMMIT"]:
        yield Error(
            f"The database {alias!r} has AUTOCOMMIT off, so nothing that a worker writes is ever committed.",
            hint=f'Write {place}["AUTOCOMMIT"] = True.',
            id="signals_app.E019",
        )


def _sqlite(db: BaseDatabaseWrapper, place: str) -> Iterator[CheckMessage]:
    options = db.settings_dict["OPTIONS"]
    is_left_out = conf.prepare_sqlite and "transaction_mode" not in options
    if not is_left_out and str(options.get("transaction_mode")).upper() != "IMMEDIATE":
        yield Error(
            f"The SQLite database {db.alias!r} does not begin its transactions IMMEDIATE, so concurrent ones fail "
            "with 'database is locked'.",
            hint=f'Write {place}.setdefault("OPTIONS", {{}})["transaction_mode"] = "IMMEDIATE".',
            id="signals_app.E008",
        )
    zone = db.timezone_name
    if not _is_steady(zone):
        yield Error(
            f"The SQLite database {db.alias!r} stores times as the clocks of {zone} show them, and they change in the "
            "coming year: then deliveries come due an hour late, and leases run out too late or too early.",
            hint=f'Write {place}["TIME_ZONE"] = None.' if settings.USE_TZ else "Write USE_TZ = True.",
            id="signals_app.E022",
        )


def _is_steady(zone: str) -> bool:
    """Return whether a time zone keeps its offset from UTC for the whole coming year."""
    now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
    weeks = (now + timedelta(weeks=week) for week in range(53))
    return len({week.replace(tzinfo=ZoneInfo(zone)).utcoffset() for week in weeks}) == 1


def _postgresql(db: Any, place: str) -> Iterator[CheckMessage]:
    name, version = db.Database.__name__, db.Database.__version__
    if name != "psycopg" or [int(part) for part in re.findall(r"\d+", version)[:2]] < [3, 2]:
        yield Error(
            f"The database {db.alias!r} is reached by {name} {version.split()[0]}, whose notifications a sleeping "
            "cluster cannot wait for.",
            hint='Install psycopg 3: python -m pip install "psycopg[binary]>=3.2,<4".',
            id="signals_app.E017",
        )
    level = db.settings_dict["OPTIONS"].get("isolation_level")
    if level and level > READ_COMMITTED:
        yield Error(
            f"The transactions of the database {db.alias!r} are stricter than READ COMMITTED: an atomic receiver that "
            "takes more than a second fails because its lease is renewed meanwhile, and concurrent claims fail.",
            hint=f'Write del {place}["OPTIONS"]["isolation_level"].',
            id="signals_app.E018",
        )


@register(Tags.database)
def check_journal(*, databases: Sequence[str] | None = None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Check that a SQLite database is in WAL mode, which only the file itself can tell.

    It is opened only where ``databases`` names it, as ``migrate``, ``qcluster`` and ``check --database`` do.
    """
    alias = router.db_for_write(Delivery)
    if alias not in (databases or ()) or alias not in connections or is_test_run():
        return
    db = connections[alias]
    try:
        mode = ledger.database(db).journal_mode(db)
    except DatabaseError:
        return  # what needs the database will say so
    if mode in (None, "wal"):
        return
    if conf.prepare_sqlite and "journal_mode" not in str(db.settings_dict["OPTIONS"].get("init_command")).lower():
        hint = f"Move {db.settings_dict['NAME']} to a local disk where it can be written: it takes no WAL where it is."
    else:
        hint = f'Write DATABASES["{alias}"].setdefault("OPTIONS", {{}})["init_command"] = "PRAGMA journal_mode=WAL".'
    yield Error(
        f"The SQLite database {alias!r} is in journal mode {mode!r}, in which readers and writers lock each "
        "other out: clusters and senders fail with 'database is locked'.",
        hint=hint,
        id="signals_app.E016",
    )
