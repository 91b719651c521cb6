"""Claims beside a backlog and a history, which are written by SQL and not by a million sends, for want of time."""

import time
from typing import Any

from django.db import connection, transaction

from signals_app import ledger
from signals_app.models import Delivery
from tests.bench.work import placed

VENDORS = {
    "sqlite": {
        "uuid": "lower(hex(randomblob(16)))",
        "past": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || i || ' seconds')",
        "later": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+1 day', '+' || i || ' seconds')",
        "numbers": "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %(count)s) "
        "SELECT i FROM n)",
    },
    "postgresql": {
        "uuid": "gen_random_uuid()",
        "past": "now() - i * interval '1 second'",
        "later": "now() + interval '1 day' + i * interval '1 second'",
        "numbers": "generate_series(1, %(count)s) AS n (i)",
    },
}


def prepare(*, waiting: int = 0, finished: int = 0, later: int = 0) -> dict[str, Any]:
    """Write so many rows of each kind, copies of one that a send left; ``later`` ones wait in a higher priority."""
    words = VENDORS[connection.vendor]
    old = {"enqueued_at": words["past"], "due_at": words["past"]}
    ran = {"attempts": "1", "token": "1", "owner": "'bench'", "started_at": words["past"], "finished_at": words["past"]}
    placed.send(sender=None, number=1, label="bench")
    seed = Delivery.objects.latest("id")
    with connection.cursor() as cursor:
        _copy(cursor, seed, finished, {**old, **ran, "state": "'SUCCESSFUL'"})
        _copy(cursor, seed, waiting, old)
        _copy(cursor, seed, later, {**old, "priority": "9", "due_at": words["later"]})
        cursor.execute("DELETE FROM signals_app_delivery WHERE id = %s", [seed.id])
        if connection.vendor == "postgresql":  # as its autovacuum would
            cursor.execute("VACUUM ANALYZE signals_app_delivery")
            cursor.execute("CHECKPOINT")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {}


def _copy(cursor: Any, seed: Delivery, count: int, changed: dict[str, str]) -> None:
    """Copy a row so many times, with some columns ``changed`` to an expression of the copy's number ``i``."""
    words = VENDORS[connection.vendor]
    columns = [str(field.column) for field in Delivery._meta.local_concrete_fields if not field.primary_key]
    changed = {"emission": words["uuid"], **changed}
    values = ", ".join(changed.get(column, column) for column in columns)
    if count:
        cursor.execute(
            f"INSERT INTO signals_app_delivery ({', '.join(columns)}) SELECT {values} FROM {words['numbers']} "
            "CROSS JOIN (SELECT * FROM signals_app_delivery WHERE id = %(seed)s) AS seed",
            {"count": count, "seed": seed.id},
        )


def claim(count: int) -> dict[str, Any]:
    """Time claims of one delivery.

    ``statement`` is the claim alone, in a transaction that is rolled back; ``committed`` is what a worker waits for,
    its commit included, and is given back; ``look`` is the pusher's question whether anything is due.
    """
    statement, committed, looks = [], [], []
    for _ in range(count):
        with transaction.atomic():
            statement.append(_timed_claim())
            transaction.set_rollback(True)
    for _ in range(count):
        committed.append(_timed_claim(give_back=True))
        began = time.perf_counter()
        ledger.due("bench", limit=2)
        looks.append(time.perf_counter() - began)
    return {"statement": statement, "committed": committed, "look": looks}


def _timed_claim(*, give_back: bool = False) -> float:
    began = time.perf_counter()
    claimed = ledger.claim("bench", owner="bench", limit=1, lease=30.0)
    seconds = time.perf_counter() - began
    if len(claimed) != 1:
        raise RuntimeError(f"A claim of one delivery took {len(claimed)}.")
    if give_back:
        ledger.give_back(claimed)
    return seconds
