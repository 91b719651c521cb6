"""Code that is broken on purpose, in a copy: the tests notice."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ROOT
from tests.faults.conftest import FULL
from tests.faults.mutations import FIRST, MORE, Mutation

pytestmark = pytest.mark.database
PARTS = ("signals_app", "sigdemo", "receivers", "tests", "manage.py", "pyproject.toml")
OWN = ("TEST_RUN", "FAULT", "PYTEST_")  # how variables of this run of the tests begin; the copy's has its own


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code and its tests."""
    root = tmp_path_factory.mktemp("copy")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def mutated(copy: Path, mutation: Mutation) -> Iterator[Path]:
    """The copy, broken until the test ends."""
    whole = {name: (copy / "signals_app" / name).read_text() for name, _, _ in mutation.edits}
    for name, text, replacement in mutation.edits:
        file = copy / "signals_app" / name
        assert text in file.read_text(), f"signals_app/{name} says it differently by now; mend the mutation"
        file.write_text(file.read_text().replace(text, replacement))
    yield copy
    for name, text in whole.items():
        (copy / "signals_app" / name).write_text(text)


def run(root: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy, on the database of this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=root / "tests" / "signals_app",
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def chosen() -> list[Mutation]:
    vendor = "postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"
    return [one for one in FIRST + MORE * FULL if vendor in one.vendors]


@pytest.mark.fault(23, "code broken on purpose, noticed")
@pytest.mark.parametrize("mutation", chosen(), ids=lambda mutation: mutation.without)
def test_a_test_fails_without(mutation: Mutation, mutated: Path, record_property: Any) -> None:
    record_property(mutation.without, "without")
    asked = run(mutated, mutation.test)
    assert asked.returncode == pytest.ExitCode.TESTS_FAILED, asked.stdout + asked.stderr
    assert f"{mutation.test.rpartition('/')[2]}" in asked.stdout.rpartition("short test summary")[2], asked.stdout


def test_none_fails_in_a_copy_that_is_whole(copy: Path) -> None:
    asked = run(copy, *sorted({one.test for one in chosen()}))
    assert asked.returncode == pytest.ExitCode.OK, asked.stdout + asked.stderr
