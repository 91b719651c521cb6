"""Processes that die at every point of every path through the ledger: nothing is lost, nothing is done twice."""

import json
import math
import re
from functools import partial
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from signals_app import ledger
from signals_app.ledger import claims
from signals_app.models import Delivery
from tests.faults.conftest import FULL, Holds
from tests.faults.failpoints import Passed, die_at, pass_through
from tests.faults.paths import PATHS, recover
from tests.forks import in_child
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

# what a function of the ledger reads is as it was when its process dies
READERS = {
    "awaits",
    "clusters",
    "connection",
    "count_ready",
    "due",
    "ended_by_minute",
    "recently_failed",
    "current_stats",
    "recently_enqueued",
    "is_paused",
    "is_successful",
    "has_failed",
    "database",
    "newest_runs",
    "oldest_waits",
    "pauses",
    "queues_with_work",
    "read_stat",
    "read_stats",
    "read_tallies",
    "seconds_to_next",
    "short_lock_timeout",
    "receiver_stats",
    "wait_for_writer",
}
ELSEWHERE = {"sqlite": {"_SLEEP"}, "postgresql": set()}


@pytest.mark.short
@pytest.mark.fault(10, "processes that end at every point of the ledger")
def test_a_process_may_die_before_and_after_each_statement_and_commit(
    invariant: Holds, tmp_path: Path, record_property: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 0
    monkeypatch.setattr(claims, "SLOW", math.inf)  # or the next claim of a slow machine is another statement
    with override_settings(
        SIGNALS_APP={"TIME_SLICE": 60, "METRICS_TOKEN": "counted, too, and kept secret"}
    ):  # so that a step is the same each time
        passed = {name: learn(name, tmp_path / "notes") for name in PATHS}
        for name, path in PATHS.items():
            for point in chosen(passed[name].points):
                queue = f"{name} {point}"
                path.prepare(queue)
                assert die_at(partial(path.step, queue), point), f"{name}: {passed[name].points[point]}"
                deaths += 1
        assert in_child(recover) == 0
    invariant()
    record_property("paths", len(passed))
    record_property("points", sum(len(one.points) for one in passed.values()))
    record_property("deaths", deaths)
    names = [json.loads(one)["arguments"].get("name") for one in Delivery.objects.values_list("payload", flat=True)]
    assert sorted(filter(None, names)) == sorted(Thing.objects.values_list("name", flat=True))
    assert_complete(list(passed.values()))


def chosen(points: list[str]) -> list[int]:
    """Return the points to die at; the short form leaves out those after which nothing happens before the next."""
    return [n for n, name in enumerate(points) if FULL or name.startswith("before") or n == len(points) - 1]


def learn(name: str, notes: Path) -> Passed:
    """Run a path once and return what it passes."""
    PATHS[name].prepare(name)
    return pass_through(partial(PATHS[name].step, name), notes)


def assert_complete(passed: list[Passed]) -> None:
    """Assert that the paths call each function of the ledger that writes, and execute each of its statements."""
    functions = {name for name, one in vars(ledger).items() if isfunction(one)} - READERS
    called = {name for one in passed for name in one.functions}
    assert functions - called == set(), "no path of tests.faults.paths calls these"
    executed = [statement for one in passed for statement in one.statements]
    unseen = {
        name
        for name, text in written_statements().items()
        if not any(re.split("{rows}|{repairs}", text)[0] in statement for statement in executed)
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
