"""What really ran, in a file beside the database, and gates where an attempt waits until its test lets it go on.

The journal has a line for each attempt that a receiver began. It is written by one ``write()`` in append mode, so that
lines of many processes do not mix and a line is there even when its process is killed by the next instruction.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from signals_app.dispatcher import current_delivery
from signals_app.dispatcher.current import CurrentDelivery
from tests.cluster import PATIENCE, wait_until

VARIABLE = "FAULT_JOURNAL"
COMMITS = ".commits"
CROWDS = ".crowds"


def attempt() -> CurrentDelivery:
    """In a receiver: note that this attempt of it begins; return its delivery."""
    current = current_delivery()
    begin(current.id, current.attempt)
    return current


def begin(delivery: int, attempt: int) -> None:
    """Note that an attempt begins, where the environment names a journal."""
    _note("", delivery, attempt)


def commit(delivery: int, attempt: int) -> None:
    """Note that an attempt has committed, in a file of its own."""
    _note(COMMITS, delivery, attempt)


@contextmanager
def alone(what: str, places: int = 1) -> Iterator[None]:
    """In a receiver: note whether more than so many are within such a block; one ends with its process."""
    with ExitStack() as stack:
        for place in range(places):
            file = stack.enter_context(open(f"{os.environ[VARIABLE]}.{what}.{place}", "w"))
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        else:
            current = current_delivery()
            _note(CROWDS, current.id, current.attempt)
        yield


def crowds(path: Path) -> list[str]:
    """Return what was run where too many of its kind were running, by the journal ``path``."""
    file = path.with_name(path.name + CROWDS)
    return file.read_text().splitlines() if file.exists() else []


def begun(path: Path) -> list[int]:
    """Return the deliveries as their attempts began, by the journal ``path``."""
    return [int(line.split()[0]) for line in path.read_text().splitlines()]


def runners(path: Path) -> set[tuple[int, int]]:
    """Return which delivery was begun by which process, as pairs of id and pid, by the journal ``path``."""
    return {(int(delivery), int(pid)) for delivery, _, pid, _ in map(str.split, path.read_text().splitlines())}


def commits(path: Path) -> list[tuple[int, int]]:
    """Return the deliveries and attempts that have committed, by the journal ``path``."""
    lines = path.with_name(path.name + COMMITS).read_text().splitlines()
    return [(int(delivery), int(attempt)) for delivery, attempt, *_ in map(str.split, lines)]


def wait_at_gate(delivery: int, attempt: int) -> None:
    """In an attempt: say that it has come to its gate, and wait until ``open_gate``."""
    beside = Path(os.environ[VARIABLE])
    _gate(beside, delivery, attempt, "reached").touch()
    end = time.monotonic() + PATIENCE
    while not _gate(beside, delivery, attempt, "open").exists() and time.monotonic() < end:
        time.sleep(0.01)


def wait_for_gate(beside: Path, delivery: int, attempt: int) -> None:
    """In a test: wait until an attempt has come to its gate; ``beside`` is the journal."""
    wait_until(_gate(beside, delivery, attempt, "reached").exists, f"attempt {attempt} at its gate")


def open_gate(beside: Path, delivery: int, attempt: int) -> None:
    """In a test: let an attempt go on, now or when it comes."""
    _gate(beside, delivery, attempt, "open").touch()


def _gate(beside: Path, delivery: int, attempt: int, what: str) -> Path:
    return beside.with_name(f"{beside.name}.{delivery}.{attempt}.{what}")


def _note(suffix: str, delivery: int, attempt: int) -> None:
    if not (path := os.environ.get(VARIABLE)):
        return
    file = os.open(path + suffix, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{delivery} {attempt} {os.getpid()} {time.time():.6f}\n".encode())
    finally:
        os.close(file)
