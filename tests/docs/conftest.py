"""The tutorial, followed once; the other pages go on from the project that it built."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.docs.reader import Reader
from tests.docs.terminal import clean_environment

SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "signals_app")
DEPENDENCIES = sysconfig.get_path("purelib")

BakeryReader = Callable[[], Reader]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bakery:
    """The tutorial's directory, with the variables of a shell that has its environment activated."""

    directory: Path
    environment: dict[str, str]


def environment(tools: Path) -> dict[str, str]:
    """Return the variables of a new shell on a machine where python3 is the tests' own Python.

    What ``pip install`` would download is found among the tests' packages, so that no network is needed.
    """
    return {
        "PATH": f"{tools}:{os.path.dirname(sys.executable)}:{clean_environment()['PATH']}",
        "PYTHONPATH": DEPENDENCIES,
        "PYTHONUNBUFFERED": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as "no isolation"
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.fixture(scope="session")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Bakery:
    """Follow the tutorial to its end."""
    directory, desk = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("desk")
    (directory / "sigdemo").mkdir()
    for name in SOURCES:
        source, copy = ROOT / name, directory / "sigdemo" / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    tools = desk / "bin"
    tools.mkdir()
    (tools / "python3").symlink_to(sys.executable)
    with Reader(directory, environment(tools), desk=desk) as reader:
        reader.follow(ROOT / "docs" / "tutorial.md")
        path = reader.run('printf %s "$PATH"')
    return Bakery(directory=directory / "bakery", environment={**environment(tools), "PATH": path})


@pytest.fixture
def reader(bakery: Bakery, tmp_path: Path) -> Iterator[Reader]:
    """Somebody who has followed the tutorial, in a copy of its project."""
    desk = tmp_path / "desk"
    desk.mkdir()
    shutil.copytree(bakery.directory, tmp_path / "bakery")
    with Reader(tmp_path, bakery.environment, at="bakery", desk=desk) as somebody:
        yield somebody
