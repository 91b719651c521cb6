"""Rows that cannot be read, because somebody wrote to the table or its file is damaged: each is set aside by itself.

Nothing in such a row is believed. It becomes FAILED, with an attempt that says what stood where, and its columns are
given values that can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import Error, models, transaction

from signals_app.ledger.endings import follow
from signals_app.ledger.sql import connection, rows, write
from signals_app.models import FIRST, LAST, YEARS, Delivery
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.ledger")

CENTURY = 36_500 * 86_400.0  # seconds; no lease and no task was ever meant to end later
MOST = 2**30  # attempts; as many again fit into the column, for a retry
END = 2**31 - 1  # the column's last number; a token that has it can grow no more
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

# an expression, because SQLite's driver converts a bare column by its declared type, whatever stands in it
_COLUMN = "SELECT coalesce({column}, NULL) FROM {table} WHERE id = %(id)s"
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
    """Make a delivery FAILED if anything in its row cannot be read. False when all of it can, or it has ended.

    Call it in a transaction that has locked the row.
    """
    found = {field: text for field in Delivery._meta.concrete_fields[1:] if (text := _damage(one, field))}
    if not found:
        return False
    decided = ("state", "finished_at", "lease_until")
    repairs = "".join(f", {field.attname} = {_kind(field)[1]}" for field in found if field.attname not in decided)
    if not write(_SET_ASIDE.replace("{repairs}", repairs), id=one):
        return False
    what = "; ".join(f"{field.attname} {text}" for field, text in found.items())
    message = f"This row could not be read and was set aside: {what}"
    follow([one])
    write(_RECORD, id=one, message=f"{message}. It was mended so far that it can be looked at and retried.")
    logger.error("Delivery %d is FAILED. %s.", one, message)
    return True


def set_aside_among(where: str, **params: Any) -> int:
    """Set aside those rows that a condition finds and that cannot be read; return how many there were."""
    with transaction.atomic(using=connection().alias):
        found = rows(f"SELECT id FROM {{table}} WHERE {where} {{skip_locked}}", **params)
        return sum(set_aside(one) for (one,) in found)


def moment(value: object) -> datetime | None:
    """Return a time that a statement answered, on SQLite as text; None where it cannot be read."""
    try:
        read: Any = datetime.fromisoformat(value) if isinstance(value, str) else value
        # Django writes no zone into text, and what has one cannot be compared with the others
        is_readable = YEARS[0] <= read.year < YEARS[1] and not (isinstance(value, str) and read.tzinfo)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    return read if is_readable else None


def seconds(earlier: object, later: object) -> float | None:
    """Return the time between two moments that one statement answered; None where either cannot be read."""
    begin, end = moment(earlier), moment(later)
    return (end - begin).total_seconds() if begin and end else None


def readable(column: str) -> str:
    """Return the SQL of a time, or of NULL where it cannot be read."""
    return f"CASE WHEN {column} BETWEEN {FIRST} AND {LAST} THEN {column} END"


def is_uuid(value: object) -> bool:
    """Tell whether a value that SQL answered is a UUID."""
    if isinstance(value, str) and _HEX(value):
        return True
    try:
        return isinstance(value, UUID) or bool(UUID(str(value)))
    except ValueError:
        return False


def _damage(one: int, field: models.Field[Any, Any]) -> str:
    """Say what is wrong with one column of a delivery; "" when nothing is. Each is read alone: reading may fail."""
    try:
        found = rows(_COLUMN.replace("{column}", field.attname), id=one)
    except (Error, ValueError, OverflowError) as error:
        return f"cannot be read ({str(error)[:LONGEST_SHOWN]})"
    is_readable, _ = _kind(field)
    return "".join(
        f"was {_shown(value)}" for (value,) in found if not (field.null if value is None else is_readable(value))
    )


def _kind(field: models.Field[Any, Any]) -> tuple[Callable[[Any], bool], str]:
    """Return what tells whether a value can be read, and the SQL of what takes the place of one that cannot."""
    match field:
        case models.DateTimeField():
            return lambda value: moment(value) is not None, "NULL" if field.null else "{now}"
        case models.UUIDField():
            return is_uuid, f"'{UUID(int=0).hex}'"
        case models.BooleanField():
            return lambda value: value in (0, 1), "FALSE"
        case models.IntegerField():
            least, most = RANGES.get(field.attname, (0, 2**63 - 1))
            # a token that no worker ever had, and the one attempt that this is
            repair = {"token": str(MOST), "attempts": "1"}.get(field.attname, "NULL" if field.null else "0")
            return lambda value: type(value) is int and least <= value <= most, repair
    return lambda value: isinstance(value, str), "''"


def _shown(value: Any) -> str:
    text = repr(value[:LONGEST_SHOWN] if isinstance(value, str | bytes) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
