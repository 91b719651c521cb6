"""Claims beside a backlog and a history, which are written by SQL and not by a million sends, for want of time."""

import time
from typing import Any

from django.db import connection, transaction

from signals_app import ledger

ROW = """INSERT INTO signals_app_delivery (emission, signal, sender, receiver, queue, priority, payload, state, due_at,
    enqueued_at, attempts, max_attempts, owner, token, started_at, finished_at, progress_done, progress_total,
    unroutable)
SELECT {uuid}, 'tests.bench.signals.placed', '', 'tests.bench.with_signals_app.nothing', 'bench', %(priority)s,
    '{{"arguments": {{"number": 1, "label": "bench"}}}}', %(state)s, {due}, {past}, %(attempts)s, 5, %(owner)s,
    %(attempts)s, {ran}, {ran}, 0, 0, {false} FROM {numbers}"""

VENDORS = {
    "sqlite": {
        "uuid": "lower(hex(randomblob(16)))",
        "past": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || i || ' seconds')",
        "later": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+1 day', '+' || i || ' seconds')",
        "false": "0",
        "numbers": "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %(count)s) "
        "SELECT i FROM n)",
    },
    "postgresql": {
        "uuid": "gen_random_uuid()",
        "past": "now() - i * interval '1 second'",
        "later": "now() + interval '1 day' + i * interval '1 second'",
        "false": "false",
        "numbers": "generate_series(1, %(count)s) AS n (i)",
    },
}


def prepare(*, waiting: int = 0, finished: int = 0, later: int = 0) -> dict[str, Any]:
    """Write so many rows of each kind; ``later`` ones wait for tomorrow, in a higher priority."""
    with connection.cursor() as cursor:
        _insert(cursor, finished, state="SUCCESSFUL")
        _insert(cursor, waiting, state="READY")
        _insert(cursor, later, state="READY", priority=9, due="later")
        if connection.vendor == "postgresql":  # as its autovacuum would
            cursor.execute("VACUUM ANALYZE signals_app_delivery")
            cursor.execute("CHECKPOINT")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {}


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


def _insert(cursor: Any, count: int, *, state: str, priority: int = 0, due: str = "past") -> None:
    if count <= 0:
        return
    words = VENDORS[connection.vendor]
    done = state == "SUCCESSFUL"
    sql = ROW.format(**words, due=words[due], ran=words["past"] if done else "NULL")
    owner = "bench/boot/1/1" if done else ""
    cursor.execute(sql, {"count": count, "state": state, "priority": priority, "attempts": int(done), "owner": owner})
