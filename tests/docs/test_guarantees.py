"""The page of guarantees and the tests of faults tell of the same things."""

import re
from importlib import import_module
from typing import Any

import pytest

from tests.docs.markdown import ROOT, table

PAGE = ROOT / "docs" / "guarantees.md"
FAULTS = ROOT / "tests" / "faults"
_NAMED = re.compile(r"`(test_\w+)`\]\(\.\./(tests/[\w/]+)\.py\)")

PROMISES = {cells[0]: cells[-1] for cells in table(PAGE, heading="The promises") if "test_" in cells[-1]}
ROWS = [cells for cells in table(PAGE, heading="The faults") if cells[0].isdigit()]


def functions(text: str) -> list[Any]:
    """Return the tests that a text names."""
    return [getattr(import_module(path.replace("/", ".")), name) for name, path in _NAMED.findall(text)]


def marks(test: Any, name: str) -> list[pytest.Mark]:
    return [mark for mark in getattr(test, "pytestmark", []) if mark.name == name]


@pytest.mark.parametrize("promise", PROMISES)
def test_make_test_tries_to_break_each_promise(promise: str) -> None:
    """By a fault that is marked short; where none is named, by tests that always run."""
    faults = [test for test in functions(PROMISES[promise]) if marks(test, "fault")]
    assert not faults or any(marks(test, "short") for test in faults), [test.__name__ for test in faults]
    assert faults or functions(PROMISES[promise])


def test_each_fault_is_in_its_row_of_the_page() -> None:
    named = {(int(cells[0]), test.__name__) for cells in ROWS for test in functions(cells[3]) if marks(test, "fault")}
    there = {
        (mark.args[0], name)
        for file in FAULTS.glob("test_*.py")
        for name, test in vars(import_module(f"tests.faults.{file.stem}")).items()
        if name.startswith("test_")
        for mark in marks(test, "fault")
    }
    assert named == there
