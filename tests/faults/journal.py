"""What really ran, in a file beside the database: one line for each attempt that a receiver began.

The line is written by one ``write()`` in append mode, so that lines of many processes do not mix and a line is there
even when its process is killed by the next instruction.
"""

import os
import time
from pathlib import Path

from signals_app.dispatcher import current_delivery
from signals_app.dispatcher.current import CurrentDelivery

VARIABLE = "FAULT_JOURNAL"
COMMITS = ".commits"


def begin(delivery: int, attempt: int) -> None:
    """Note that an attempt begins, where the environment names a journal."""
    _note(os.environ.get(VARIABLE), delivery, attempt)


def attempt() -> CurrentDelivery:
    """In a receiver: note that this attempt of it begins; return its delivery."""
    current = current_delivery()
    begin(current.id, current.attempt)
    return current


def commit(delivery: int, attempt: int) -> None:
    """Note that an attempt has committed, in a file of its own."""
    path = os.environ.get(VARIABLE)
    _note(path and path + COMMITS, delivery, attempt)


def runners(path: Path) -> set[tuple[int, int]]:
    """Return which delivery was begun by which process, as pairs of id and pid, by the journal ``path``."""
    return {(int(delivery), int(pid)) for delivery, _, pid, _ in map(str.split, path.read_text().splitlines())}


def commits(path: Path) -> list[tuple[int, int]]:
    """Return the deliveries and attempts that have committed, by the journal ``path``."""
    lines = path.with_name(path.name + COMMITS).read_text().splitlines()
    return [(int(delivery), int(attempt)) for delivery, attempt, *_ in map(str.split, lines)]


def _note(path: str | None, delivery: int, attempt: int) -> None:
    if not path:
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{delivery} {attempt} {os.getpid()} {time.time():.6f}\n".encode())
    finally:
        os.close(file)
