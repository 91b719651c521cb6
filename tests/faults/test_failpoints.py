"""Processes that die at every point of every path through the ledger: nothing is lost, nothing is done twice.

A point is before and after each statement and each commit. A path is run once to learn which points it passes, and then
again for each of them, in a process that ends there.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from pkgutil import iter_modules
from types import FrameType
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from signals_app import ledger
from signals_app.ledger import claims, outcomes, sql
from signals_app.models import Delivery
from signals_app.worker import loop
from tests.faults.harness import FULL, Fault
from tests.faults.paths import PATHS, recover
from tests.forks import in_child
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

# what a function of the ledger reads is as it was when its process dies
READERS = {
    *("age_of", "awaits", "blocked_lanes", "clusters", "connection", "count_ahead", "count_ready", "current_stats"),
    *("database", "due", "due_schedules", "has_failed", "is_anything_aside", "is_deferred", "is_paused"),
    *("is_schedule_paused", "is_successful", "missing_tables", "newest_runs", "oldest_waits", "open_batches", "pace"),
    *("pauses", "queues_with_work", "read_snapshots", "read_stat", "read_stats", "read_tallies", "read_totals"),
    *("receiver_stats", "recent_attempts", "recently_ended", "recently_enqueued", "schedules_on_record"),
    *("seconds_to_first", "sent_and_started", "short_lock_timeout", "this_minute", "unroutable_for"),
    *("wait_for_writer"),
}
ELSEWHERE = {"sqlite": {"_INSERT_MANY", "_SLEEP", "_SUCCEED_AND_BEGIN"}, "postgresql": set()}
EXIT = 77
_WRITES = re.compile(r"before (?!SELECT |SAVEPOINT |RELEASE )")


@pytest.mark.short
@pytest.mark.fault(10, "processes that end at every point of the ledger")
def test_a_process_may_die_before_and_after_each_statement_and_commit(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 0
    monkeypatch.setattr(claims, "SLOW", math.inf)  # or the next claim of a slow machine is another statement
    for module in (ledger, outcomes, loop):  # as may be how many it takes, and what follows in a lane
        monkeypatch.setattr(module, "QUICK", math.inf)
    # so that a step is the same each time
    with override_settings(SIGNALS_APP={"TIME_SLICE": 60}):
        passed = {name: pass_through(name, fault.directory / "notes") for name in PATHS}
        for name, path in PATHS.items():
            for point in chosen(passed[name].points):
                queue = f"{name} {point}"
                path.prepare(queue)
                assert dies_at(partial(path.step, queue), point), f"{name}: {passed[name].points[point]}"
                deaths += 1
        assert in_child(recover) == 0
    fault.invariant()
    fault.note(paths=len(passed), points=sum(len(one.points) for one in passed.values()), deaths=deaths)
    names = [json.loads(one)["arguments"].get("name") for one in Delivery.objects.values_list("payload", flat=True)]
    assert sorted(filter(None, names)) == sorted(Thing.objects.values_list("name", flat=True))
    assert_complete(list(passed.values()))


@pytest.fixture
def server_side() -> Iterator[None]:
    """A connection whose parameters PostgreSQL binds: it types them by itself, and may find them ambiguous."""
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    options["server_side_binding"] = True
    yield
    connection.close()
    del options["server_side_binding"]


@pytest.mark.database("postgresql")
@pytest.mark.usefixtures("server_side")
@pytest.mark.parametrize("name", PATHS)
def test_every_statement_of_the_ledger_says_its_types(name: str) -> None:
    PATHS[name].prepare("bound")
    PATHS[name].step("bound")


def chosen(points: list[str]) -> list[int]:
    """Return the points to die at; the short form leaves out those after which nothing is written before the next."""
    return [n for n, name in enumerate(points) if FULL or _WRITES.match(name) or n == len(points) - 1]


def assert_complete(passed: list[Passed]) -> None:
    """Assert that the paths call each function of the ledger that writes, and execute each of its statements."""
    functions = {name for name, one in vars(ledger).items() if isfunction(one)} - READERS
    called = {name for one in passed for name in one.functions}
    assert functions - called == set(), "no path of tests.faults.paths calls these"
    executed = [statement for one in passed for statement in one.statements]
    unseen = {
        name
        for name, text in written_statements().items()
        if not any(re.split("{rows}|{repairs}|{unsynced}", text)[0] in statement for statement in executed)
    }
    assert unseen == ELSEWHERE[connection.vendor], "no path of tests.faults.paths executes these"


def written_statements() -> dict[str, str]:
    """Return the statements of the ledger that write, by the name of their constant."""
    modules = [import_module(one.name) for one in iter_modules(ledger.__path__, f"{ledger.__name__}.")]
    return {
        name: text
        for module in modules
        for name, text in vars(module).items()
        if isinstance(text, str) and re.search(r"^\s*(WITH .*)?(INSERT INTO|UPDATE|DELETE FROM) \S+ ", text)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What one run of a step went through: its points in order, the ledger's statements and its functions."""

    points: list[str]
    statements: list[str]
    functions: list[str]


def pass_through(name: str, notes: Path) -> Passed:
    """Run a path to its end, in a process of its own that writes to the file ``notes``."""

    def run() -> None:
        with _points() as points, _statements() as statements, _functions() as functions:
            PATHS[name].step(name)
        passed = {"points": points, "statements": sorted(statements), "functions": sorted(functions)}
        notes.write_text(json.dumps(passed))

    PATHS[name].prepare(name)
    assert in_child(run) == 0
    return Passed(**json.loads(notes.read_text()))


def dies_at(step: Callable[[], object], point: int) -> bool:
    """Run a step in a process that ends at a point, by its place in the order; False when it never came there."""

    def run() -> None:
        with _points(end_at=point):
            step()

    status = in_child(run)
    assert status in (0, EXIT), f"the step ended with {status} before it came to its point"
    return status == EXIT


# what follows is undone by nobody: it is of a process that is about to end


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


@contextmanager
def _statements() -> Iterator[set[str]]:
    """Yield the templates of the statements that the ledger executes in the block."""
    seen: set[str] = set()
    statement = sql.statement

    def note(template: str, *where: Any) -> str:
        seen.add(template)
        return statement(template, *where)

    sql.statement = note  # type: ignore[assignment]
    yield seen


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
