"""A contender's measuring process, run by the benchmark as ``python -m tests.bench.child``.

It sends signals, watches the queue that they fill, and takes the receivers' reports at a port that it says first. Then
it answers requests, a line each: the name of a measure in ``do``, and its arguments. It ends with its input.
"""

import json
import os
import random
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, transaction

from tests.bench.work import DATAGRAM, asked, placed

PATIENCE = 30.0  # seconds until something that ought to happen has not
GAPS = (0.03, 0.17)  # seconds between two sends to an idle cluster

mailbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where a contender keeps its work, by ends of a SELECT; with literals, so that partial indexes answer."""

    tables: tuple[str, ...]
    unfinished: tuple[str, ...]
    finished: str

    def clear(self) -> None:
        """Forget everything queued and recorded."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"TRUNCATE {', '.join(self.tables)}")
            else:
                for table in self.tables:
                    cursor.execute(f"DELETE FROM {table}")

    def count_unfinished(self) -> int:
        return sum(_ask(f"count(*) FROM {where}") for where in self.unfinished)

    def is_any_unfinished(self) -> bool:
        return bool(_ask(" OR ".join(f"EXISTS (SELECT 1 FROM {where})" for where in self.unfinished)))

    def count_finished(self) -> int:
        """Return how many are on record; django-q2 keeps ``save_limit``, none when it is -1."""
        return _ask(f"count(*) FROM {self.finished}")


def _ask(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {query}")
        return int(cursor.fetchone()[0])


WAITING = "signals_app_delivery WHERE queue = 'bench' AND state = "
OURS = Queue(
    tables=("signals_app_attempt", "signals_app_delivery"),
    unfinished=(f"{WAITING}'READY'", f"{WAITING}'RUNNING'"),
    finished="signals_app_delivery WHERE state = 'SUCCESSFUL'",
)
# its monitor deletes a task's row once the task ran and was saved
DJANGO_QS = Queue(tables=("django_q_ormq", "django_q_task"), unfinished=("django_q_ormq",), finished="django_q_task")
QUEUE = OURS if os.environ["BENCH_CONTENDER"] == "signals_app" else DJANGO_QS


def migrate() -> dict[str, Any]:
    call_command("migrate", verbosity=0, stdout=sys.stderr)
    return {}


def clear() -> dict[str, Any]:
    QUEUE.clear()
    return {}


def send(count: int, in_transaction: bool) -> dict[str, Any]:
    """Time single sends, each in autocommit or in an open transaction of its own; the commit is then not counted."""
    seconds = []
    for number in range(count):
        with transaction.atomic() if in_transaction else nullcontext():
            began = time.perf_counter()
            placed.send(sender=None, number=number, label="bench")
            seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def fill(count: int) -> dict[str, Any]:
    """Queue work by real sends, and let PostgreSQL count it, as its autovacuum would."""
    with transaction.atomic():
        for number in range(count):
            placed.send(sender=None, number=number, label="bench")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return {}


def watch(queued: int, window: float) -> dict[str, Any]:
    """Time a starting cluster from the first work that it has finished and recorded to the last, or for a window."""
    deadline = time.monotonic() + PATIENCE
    while (before := QUEUE.count_unfinished()) == queued:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The cluster finished nothing within {PATIENCE:g} s.")
        time.sleep(0.005)
    first = time.monotonic()
    while QUEUE.is_any_unfinished() and time.monotonic() - first < window:
        time.sleep(0.01)
    last = time.monotonic()
    after = QUEUE.count_unfinished()
    return {"finished": before - after, "seconds": last - first, "left": after, "records": QUEUE.count_finished()}


def ask(count: int, warm_up: int) -> dict[str, Any]:
    """Time sends to an idle cluster, at random moments, until their receivers begin."""
    seconds = []
    for number in range(count + warm_up):
        time.sleep(random.uniform(*GAPS))
        began = time.monotonic()
        asked.send(sender=None, number=number, label="bench")
        while (report := DATAGRAM.unpack(mailbox.recv(64)))[0] != number:
            pass
        seconds.append(report[1] - began)
    return {"seconds": seconds[warm_up:]}


SAYS = {
    "sqlite": "PRAGMA journal_mode synchronous cache_size",
    "postgresql": "SHOW server_version fsync synchronous_commit shared_buffers full_page_writes",
}


def database() -> dict[str, Any]:
    """Return what the database says of itself."""
    word, *names = SAYS[connection.vendor].split()
    facts = {"sqlite_version": sqlite3.sqlite_version} if word == "PRAGMA" else {}
    with connection.cursor() as cursor:
        for name in names:
            facts[name] = cursor.execute(f"{word} {name}").fetchone()[0]
    options: dict[str, Any] = connection.settings_dict["OPTIONS"]
    return facts | options


def main() -> None:
    django.setup()
    measures: list[Callable[..., dict[str, Any]]] = [migrate, clear, send, fill, watch, ask, database]
    if QUEUE is OURS:
        from tests.bench import bulk, claims, lanes  # what only this side can load

        measures += [bulk.send_many, claims.prepare, claims.claim, lanes.put_in_lanes]
    mailbox.bind(("127.0.0.1", 0))
    mailbox.settimeout(PATIENCE)
    print(json.dumps({"port": mailbox.getsockname()[1]}), flush=True)
    by_name = {measure.__name__: measure for measure in measures}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(by_name[request.pop("do")](**request), default=str), flush=True)


if __name__ == "__main__":
    main()
