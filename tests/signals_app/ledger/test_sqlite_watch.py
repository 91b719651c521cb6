"""Hearing of commits to a SQLite file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from signals_app.ledger.sqlite_watch import MISSES, FileWatch, Naps, watch

LONG = 60  # seconds, in which any write is heard of


def opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.sqlite3"


@pytest.fixture(params=["WAL", "DELETE"])
def database(file: Path, request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    with closing(opened(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {request.param}")
        connection.execute("CREATE TABLE line (text)")
        yield connection


def insert(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO line VALUES ('x')")


def test_each_commit_is_heard_of_once_and_what_other_files_do_is_not(database: sqlite3.Connection, file: Path) -> None:
    listening = FileWatch(str(file))
    for _ in range(3):
        insert(database)
        assert listening.hears(LONG)
        while listening.hears(0.1):
            pass
        file.with_name("other").write_text("x")
        assert not listening.hears(0.1)


def test_a_log_that_was_begun_again_or_made_anew_is_heard_of(file: Path) -> None:
    with closing(opened(file)) as first:
        first.execute("PRAGMA journal_mode = WAL")
        first.execute("CREATE TABLE line (text)")
        listening = FileWatch(str(file))
        insert(first)
        first.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        while listening.hears(0.1):
            pass
        insert(first)
        assert listening.hears(LONG)
    assert not file.with_name("some.sqlite3-wal").exists()
    while listening.hears(0.1):
        pass
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, file, "INSERT INTO line VALUES ('x')"], check=True)
    assert listening.hears(LONG)


def test_where_nothing_can_be_heard_it_naps(tmp_path: Path) -> None:
    assert type(watch(str(tmp_path / "some.sqlite3"))) is FileWatch
    assert type(watch("")) is Naps  # in memory
    assert type(watch(str(tmp_path / "missing" / "some.sqlite3"))) is Naps


def test_a_watch_that_hears_of_commits_is_relied_on(database: sqlite3.Connection, file: Path) -> None:
    listening = FileWatch(str(file))
    for _ in range(2 * MISSES):
        while listening.hears(0.05):
            pass
        listening.sleep(0.3, ())  # in vain
        insert(database)
        listening.sleep(LONG, ())
        listening.found()
    assert not listening._misses


def test_a_watch_that_misses_commits_is_not_relied_on(file: Path) -> None:
    listening = FileWatch(str(file))
    slept: list[float] = []
    for _ in range(MISSES):
        listening.sleep(0.01, ())
        listening.found()
    listening.hears = slept.append  # type: ignore[method-assign,assignment]
    listening.sleep(LONG, ())
    assert not slept  # it napped
