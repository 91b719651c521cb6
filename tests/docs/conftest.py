"""The tutorial, followed once; the other pages go on from the project that it built."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.docs.reader import Reader
from tests.docs.terminal import clean_environment

SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "signals_app")
DEPENDENCIES = sysconfig.get_path("purelib")


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
def bakery(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Follow the tutorial to its end; return its project, and the variables of a shell that has its environment."""
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
    return directory / "bakery", environment(tools) | {"PATH": path}


@pytest.fixture
def reader(bakery: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Reader]:
    """Somebody who has followed the tutorial, in a copy of its project."""
    project, variables = bakery
    desk = tmp_path / "desk"
    desk.mkdir()
    shutil.copytree(project, tmp_path / "bakery")
    with Reader(tmp_path, variables, at="bakery", desk=desk) as somebody:
        yield somebody
