"""Work of the app's own that one process of all the clusters does at a time.

A pusher that finds a chore due offers it to a worker, by a hint; the first worker that comes begins it. An offer that
is lost, and a worker that dies, cost the chore its turn: it is due again when the lease has run out.
"""

from __future__ import annotations

from signals_app.ledger.damage import CENTURY
from signals_app.ledger.dialect import execute

_TABLE = "signals_app_chore"
_IS_DUE = f"SELECT NOT (next_at > {{now}} AND next_at < {{later}}) FROM {_TABLE} WHERE name = %(name)s"
# what would be due in a hundred years was written by nobody who does chores
_MEND = f"UPDATE {_TABLE} SET next_at = {{now}} WHERE name = %(name)s AND NOT next_at < {{later}}"
_ENTER = (
    f"INSERT INTO {_TABLE} (name, next_at, owner) VALUES (%(name)s, {{later}}, %(owner)s) ON CONFLICT (name) DO NOTHING"
)
_OFFER = f"UPDATE {_TABLE} SET next_at = {{later}}, owner = '' WHERE name = %(name)s AND next_at <= {{now}}"
_BEGIN = (
    f"UPDATE {_TABLE} SET next_at = {{later}}, owner = %(owner)s "
    "WHERE name = %(name)s AND (owner IN ('', %(owner)s) OR next_at <= {now})"
)
_END = f"UPDATE {_TABLE} SET next_at = {{later}}, owner = '' WHERE name = %(name)s AND owner = %(owner)s"


def offer_chore(name: str, *, first: float, lease: float) -> bool:
    """Take note that a due chore is offered, for ``lease`` seconds; False when it is not due.

    A chore that was never heard of is due in ``first`` seconds.
    """
    with execute(_IS_DUE, name=name, delay=CENTURY) as cursor:
        row = cursor.fetchone()
    if row is None:
        _write(_ENTER, name=name, owner="", delay=first)
        return False
    if not row[0]:
        return False
    _write(_MEND, name=name, delay=CENTURY)
    return _write(_OFFER, name=name, delay=lease)


def begin_chore(name: str, *, owner: str, lease: float) -> bool:
    """Begin a chore, or go on with it, for ``lease`` seconds. False while another process is at it."""
    if _write(_BEGIN, name=name, owner=owner, delay=lease):
        return True
    return _write(_ENTER, name=name, owner=owner, delay=lease)


def end_chore(name: str, *, owner: str, again: float) -> None:
    """Say that this process is done with a chore, which is due again in so many seconds."""
    _write(_END, name=name, owner=owner, delay=again)


def _write(template: str, **params: object) -> bool:
    with execute(template, **params) as cursor:
        return bool(cursor.rowcount)
