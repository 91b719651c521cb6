"""Places where an attempt waits until its test lets it go on: files beside the journal."""

import os
import time
from pathlib import Path

from tests.cluster import PATIENCE, wait_until
from tests.faults import journal


def wait(delivery: int, attempt: int) -> None:
    """In an attempt: say that it has come to its gate, and wait."""
    beside = Path(os.environ[journal.VARIABLE])
    name = f"{delivery}.{attempt}"
    _gate(beside, name, "reached").touch()
    end = time.monotonic() + PATIENCE
    while not _gate(beside, name, "open").exists() and time.monotonic() < end:
        time.sleep(0.01)


def reached(beside: Path, delivery: int, attempt: int) -> None:
    """In a test: wait until an attempt has come to its gate; ``beside`` is the journal."""
    wait_until(_gate(beside, f"{delivery}.{attempt}", "reached").exists, f"attempt {attempt} at its gate")


def let_through(beside: Path, delivery: int, attempt: int) -> None:
    """In a test: let an attempt go on, now or when it comes."""
    _gate(beside, f"{delivery}.{attempt}", "open").touch()


def _gate(beside: Path, name: str, what: str) -> Path:
    return beside.with_name(f"{beside.name}.{name}.{what}")
