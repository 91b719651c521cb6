"""A database connection for those who would rather have no answer than a late one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app.ledger.dialect import connection


@contextmanager
def hurried(seconds: float) -> Iterator[None]:
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
