"""What merging does not do, and why: ``TEST_DATABASE_URL=postgres://... python -m tests.coalescing`` shows both.

Two ways to run many sends as one would be shorter than ours, which merges at the claim
(``signals_app/ledger/coalescing.py``). Each is played here on tables of its own, by sessions side by side.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg.errors import DeadlockDetected

SCHEMA = "signals_app_comparison"
TABLES = f"""
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.product (stock int);
CREATE TABLE {SCHEMA}.delivery (id serial, key text, state text DEFAULT 'READY');
INSERT INTO {SCHEMA}.product VALUES (5);
"""
INSERT = "INSERT INTO delivery (key) VALUES ('product 1')"
UNLESS_ONE_WAITS = (
    "INSERT INTO delivery (key) SELECT 'product 1' "
    "WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE key = 'product 1' AND state = 'READY')"
)
UPSERT = "INSERT INTO delivery (key) VALUES (%s) ON CONFLICT (key) WHERE state = 'READY' DO UPDATE SET state = 'READY'"
CLAIM = "UPDATE delivery SET state = 'RUNNING' WHERE state = 'READY'"
WAITING = "SELECT count(*) FROM delivery WHERE state = 'READY'"


@contextmanager
def sessions(url: str, number: int = 2) -> Iterator[list[psycopg.Connection]]:
    """Yield so many sessions, on tables that are new and go again."""
    with psycopg.connect(url, autocommit=True) as db, ExitStack() as stack:
        db.execute(TABLES)
        path = f"-c search_path={SCHEMA}"
        yield [stack.enter_context(psycopg.connect(url, options=path)) for _ in range(number)]
        stack.close()
        db.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def one(db: psycopg.Connection, query: str) -> int:
    row = db.execute(query).fetchone()
    assert row
    return int(row[0])


def sell_while_a_worker_begins(url: str, insert: str) -> tuple[int, int, int]:
    """Sell a piece in a transaction that is open while a worker claims and reads.

    Return what that worker saw, the stock in the end, and how many deliveries wait for another run.
    """
    with sessions(url) as (sender, worker):
        worker.execute(INSERT)
        worker.commit()  # one waits
        sender.execute("UPDATE product SET stock = stock - 1")
        sender.execute(insert)
        worker.execute(CLAIM)
        worker.commit()
        saw = one(worker, "SELECT stock FROM product")
        sender.commit()  # too late for that worker
        worker.commit()
        return saw, one(worker, "SELECT stock FROM product"), one(worker, WAITING)


def send_two_keys_in_opposite_order(url: str, insert: str) -> int:
    """Have two transactions send for the same two keys; return how many of them the database ended as deadlocked."""
    ended: list[int] = []
    turn = threading.Barrier(2)

    def send(db: psycopg.Connection, *keys: str) -> None:
        try:
            db.execute(insert, [keys[0]])
            turn.wait()
            db.execute(insert, [keys[1]])
            db.commit()
        except DeadlockDetected:
            ended.append(1)

    with sessions(url) as (first, second):
        first.execute(
            "CREATE UNIQUE INDEX ON delivery (key) WHERE state = 'READY'" if "CONFLICT" in insert else "SELECT"
        )
        first.commit()
        keys = ("product 1", "product 2")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(send, (first, second), keys, reversed(keys)))
    return len(ended)


def main(url: str) -> list[str]:
    """Return the lines that say what was seen."""
    lines = []
    for what, insert in (("Insert nothing if one waits", UNLESS_ONE_WAITS), ("Insert always", INSERT)):
        saw, stock, waiting = sell_while_a_worker_begins(url, insert)
        lost = " The update is lost." if saw != stock and not waiting else ""
        lines.append(f"{what}: the run saw a stock of {saw}, it is {stock}, and {waiting} more will run.{lost}")
    for what, insert in (("ON CONFLICT DO UPDATE", UPSERT), ("Insert always", INSERT.replace("'product 1'", "%s"))):
        ended = send_two_keys_in_opposite_order(url, insert)
        lines.append(f"{what}: of two senders of two keys in opposite order, {ended} ended in a deadlock.")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(main(os.environ["TEST_DATABASE_URL"])) + "\n")
