"""A contender's measuring process, run by the benchmark as ``python -m tests.bench.child``.

It sends signals, watches the queue that they fill, and takes the receivers' reports at a port that it says first.
"""

import random
import socket
import sys
import time
from contextlib import nullcontext
from importlib import import_module
from typing import Any, cast

import django
from django.core.management import call_command
from django.db import connection, transaction

from tests.bench.apps import side
from tests.bench.serving import serve
from tests.bench.signals import asked, placed
from tests.bench.work import DATAGRAM

PATIENCE = 30.0  # seconds until something that ought to happen has not
GAPS = (0.03, 0.17)  # seconds between two sends to an idle cluster

mailbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def migrate() -> dict[str, Any]:
    """Make the tables."""
    call_command("migrate", verbosity=0, stdout=sys.stderr)
    return {}


def clear() -> dict[str, Any]:
    """Forget everything queued and recorded."""
    side().clear()
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
    return {"unfinished": side().unfinished()}


def watch(queued: int, window: float) -> dict[str, Any]:
    """Time a starting cluster from the first work that it has finished and recorded to the last, or for a window."""
    queue = side()
    deadline = time.monotonic() + PATIENCE
    while (before := queue.unfinished()) == queued:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The cluster finished nothing within {PATIENCE:g} s.")
        time.sleep(0.005)
    first = time.monotonic()
    while queue.is_any_unfinished() and time.monotonic() - first < window:
        time.sleep(0.01)
    last = time.monotonic()
    after = queue.unfinished()
    return {"finished": before - after, "seconds": last - first, "left": after, "records": queue.records()}


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


def prepare(**rows: int) -> dict[str, Any]:
    """Write rows; see ``claims``, which only the side of signals_app can load."""
    return cast(dict[str, Any], import_module("tests.bench.claims").prepare(**rows))


def claim(count: int) -> dict[str, Any]:
    """Time claims; see ``claims``."""
    return cast(dict[str, Any], import_module("tests.bench.claims").claim(count))


def database() -> dict[str, Any]:
    """Return what the database says of itself."""
    questions = {
        "sqlite": ("sqlite_version()", ("journal_mode", "synchronous", "cache_size")),
        "postgresql": (
            "current_setting('server_version')",
            ("fsync", "synchronous_commit", "shared_buffers", "full_page_writes"),
        ),
    }
    version, names = questions[connection.vendor]
    word = "PRAGMA" if connection.vendor == "sqlite" else "SHOW"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {version}")
        facts = {"version": cursor.fetchone()[0]}
        for name in names:
            cursor.execute(f"{word} {name}")
            facts[name] = cursor.fetchone()[0]
    options: dict[str, Any] = connection.settings_dict["OPTIONS"]
    return facts | options


if __name__ == "__main__":
    django.setup()
    mailbox.bind(("127.0.0.1", 0))
    mailbox.settimeout(PATIENCE)
    serve(migrate, clear, send, fill, watch, ask, prepare, claim, database, port=mailbox.getsockname()[1])
