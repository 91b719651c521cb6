"""Rows that cannot be read, because somebody wrote to the table or its file is damaged: each is set aside by itself.

Nothing of such a row is believed. It becomes FAILED, with an attempt that says what stood where; in its columns stands
what everybody can read.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import Error, models, transaction

from signals_app.ledger.sql import connection, dialect, execute, to_datetime
from signals_app.models import FIRST, LAST, YEARS, Delivery
from signals_app.redaction.records import get_logger

logger = get_logger("signals_app.ledger")

CENTURY = 36_500 * 86_400.0  # seconds; what is to come to an end after that was never meant to
MOST = 2**30  # attempts; as many again fit into the column, for whoever retries it
END = 2**31 - 1  # of a column; a token that is at its end can grow no more
RANGES = {
    "priority": (-(2**15), 2**15 - 1),
    "attempts": (0, MOST - 1),
    "losses": (0, MOST - 1),
    "max_attempts": (0, END),
    "token": (0, END - 1),
    "depth": (0, END),
}
LONGEST_SHOWN = 80  # characters of a value
_HEX = re.compile("[0-9a-f]{32}").fullmatch  # as a UUID is written


_COLUMN = "SELECT {column} FROM {table} WHERE id = %(id)s"
_SET_ASIDE = (
    "UPDATE {table} SET state = 'FAILED', finished_at = {now}, lease_until = NULL{repairs} "
    "WHERE id = %(id)s AND state IN ('READY', 'RUNNING')"
)
_RECORD = (
    "INSERT INTO signals_app_attempt "
    "(delivery_id, number, owner, finished_at, outcome, error_class, message, traceback) "
    "SELECT id, attempts, owner, {now}, 'ERROR', 'signals_app.exceptions.PayloadError', %(message)s, '' "
    "FROM {table} WHERE id = %(id)s"
)


def set_aside(one: int) -> bool:
    """Make a delivery FAILED if anything of its row cannot be read. False when all of it can, or it has ended.

    Call it in a transaction in which nobody else writes to the row.
    """
    found = {field: text for field in Delivery._meta.concrete_fields[1:] if (text := _damage(one, field))}
    if not found:
        return False
    decided = ("state", "finished_at", "lease_until")
    repairs = "".join(f", {field.attname} = {_repair(field)}" for field in found if field.attname not in decided)
    with execute(_SET_ASIDE.replace("{repairs}", repairs), id=one) as cursor:
        if not cursor.rowcount:
            return False
    message = "This row could not be read and was set aside: " + "; ".join(
        f"{field.attname} {text}" for field, text in found.items()
    )
    with execute(_RECORD, id=one, message=f"{message}. It was put right so far that it can be looked at and retried."):
        pass
    logger.error("Delivery %d is FAILED. %s.", one, message)
    return True


def set_aside_among(where: str, **params: Any) -> int:
    """Set aside what cannot be read of the rows that a condition finds; return how many there were."""
    db = connection()
    with transaction.atomic(using=db.alias):
        with execute(f"SELECT id FROM {{table}} WHERE {where} {dialect(db).skip_locked}", **params) as cursor:
            ids = [row[0] for row in cursor.fetchall()]
        return sum(map(set_aside, ids))


def moment(value: object) -> datetime | None:
    """Return a time that SQL answered as the ORM would have read it; None where there is none that can be."""
    try:
        db = connection()
        given: Any = datetime.fromisoformat(value) if isinstance(value, str) else value
        if db.vendor == "sqlite" and given.tzinfo:
            return None  # Django writes no zone there, and what has one cannot be compared with the others
        read = to_datetime(db, given)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    return read if YEARS[0] <= read.year < YEARS[1] else None


def is_moment(value: object) -> bool:
    """Tell whether ``moment()`` can read what SQL answered; without a connection, for the rows of each claim."""
    try:
        read: Any = datetime.fromisoformat(value) if isinstance(value, str) else value
        # SQLite alone answers with text
        return YEARS[0] <= read.year < YEARS[1] and not (isinstance(value, str) and read.tzinfo)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return False


def readable(column: str) -> str:
    """Return, as SQL, a time that can be read, or NULL."""
    return f"CASE WHEN {column} BETWEEN {FIRST} AND {LAST} THEN {column} END"


def is_uuid(value: object) -> bool:
    """Tell whether a value that SQL answered is an identity of an emission."""
    if isinstance(value, str) and _HEX(value):
        return True
    try:
        return isinstance(value, UUID) or bool(UUID(str(value)))
    except ValueError:
        return False


def _damage(one: int, field: models.Field[Any, Any]) -> str:
    """Say what is wrong with one column of a delivery; "" when nothing is. Each is read alone: reading may fail."""
    try:
        with execute(_COLUMN.replace("{column}", field.attname), id=one) as cursor:
            row = cursor.fetchone()
    except (Error, ValueError, OverflowError) as error:
        return f"cannot be read ({str(error)[:LONGEST_SHOWN]})"
    value = row[0] if row else None
    if row is None or (value is None and field.null) or _is_readable(field, value):
        return ""
    return f"was {_shown(value)}"


def _is_readable(field: models.Field[Any, Any], value: Any) -> bool:
    match field:
        case models.DateTimeField():
            return moment(value) is not None
        case models.UUIDField():
            return is_uuid(value)
        case models.BooleanField():
            return value in (0, 1)
        case models.IntegerField():
            least, most = RANGES.get(field.attname, (0, 2**63 - 1))
            return type(value) is int and least <= value <= most
    return isinstance(value, str)


def _repair(field: models.Field[Any, Any]) -> str:
    """Return, as SQL, what is put in place of a value that cannot be read."""
    match field:
        case models.DateTimeField():
            return "NULL" if field.null else "{now}"
        case models.UUIDField():
            return f"'{UUID(int=0).hex}'"
        case models.BooleanField():
            return "FALSE"
        case models.IntegerField():
            # a token that no worker ever had, and the one attempt that this is
            return {"token": str(MOST), "attempts": "1"}.get(field.attname, "0")
    return "''"


def _shown(value: Any) -> str:
    text = repr(value[:LONGEST_SHOWN] if isinstance(value, str | bytes) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
