"""Points where a process may die: before and after each statement and each commit of its connection.

A step is run once to learn which points it passes, and then again for each of them, in a process that ends there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isfunction
from pathlib import Path
from types import FrameType
from typing import Any

from signals_app import ledger
from signals_app.ledger import sql
from tests.forks import in_child

EXIT = 77
Step = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What one run of a step went through: its points in order, the ledger's statements and its functions."""

    points: list[str]
    statements: list[str]
    functions: list[str]


def pass_through(step: Step, notes: Path) -> Passed:
    """Run a step to its end, in a process of its own that writes to the file ``notes``."""

    def run() -> None:
        with _points() as points, _statements() as statements, _functions() as functions:
            step()
        passed = {"points": points, "statements": sorted(statements), "functions": sorted(functions)}
        notes.write_text(json.dumps(passed))

    assert in_child(run) == 0
    return Passed(**json.loads(notes.read_text()))


def die_at(step: Step, point: int) -> bool:
    """Run a step in a process that ends at a point, by its place in the order; False when it never came there."""

    def run() -> None:
        with _points(end_at=point):
            step()

    status = in_child(run)
    assert status in (0, EXIT), f"the step ended with {status} before it came to its point"
    return status == EXIT


@contextmanager
def _points(end_at: int = -1) -> Iterator[list[str]]:
    """Yield the points that this thread's connection passes in the block; end the process at one of them."""
    passed: list[str] = []
    db: Any = ledger.connection()
    commit = db._commit

    def passing(name: str) -> None:
        if len(passed) == end_at:
            os._exit(EXIT)
        passed.append(name)

    def around(execute: Callable[..., Any], query: str, params: Any, many: bool, context: Any) -> Any:
        name = " ".join(query.split())[:60]
        passing(f"before {name}")
        result = execute(query, params, many, context)
        passing(f"after {name}")
        return result

    def around_commit() -> None:
        passing("before COMMIT")
        commit()
        passing("after COMMIT")

    db._commit = around_commit
    with db.execute_wrapper(around):
        yield passed
    db._commit = commit


@contextmanager
def _statements() -> Iterator[set[str]]:
    """Yield the templates of the statements that the ledger executes in the block."""
    seen: set[str] = set()
    statement = sql.statement

    def note(template: str, vendor: str) -> str:
        seen.add(template)
        return statement(template, vendor)

    sql.statement = note  # type: ignore[assignment]
    yield seen
    sql.statement = statement


@contextmanager
def _functions() -> Iterator[set[str]]:
    """Yield the names of the ledger's own functions that are called in the block."""
    names = {one.__code__: name for name, one in vars(ledger).items() if isfunction(one)}
    seen: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in names:
            seen.add(names[frame.f_code])

    sys.setprofile(note)
    yield seen
    sys.setprofile(None)
