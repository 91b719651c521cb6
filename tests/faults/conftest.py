"""The journal, clusters, a server to break, and the ledger that a run of the fault tests prints at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.cluster import Cluster
from tests.faults import journal
from tests.faults.harness import FAULTS, FULL, VENDOR, Fault
from tests.faults.server import Server

if not FULL:
    # Hypothesis also draws numbers and texts that stand in the project's modules, in those that are loaded. So what a
    # derandomized test does would depend on which others are run along with it.
    _none = SimpleNamespace(set_for_type=lambda kind: ())
    patch("hypothesis.internal.conjecture.providers._get_local_constants", lambda: _none, create=True).start()


@pytest.fixture(scope="module")
def journal_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The journal of a module's receivers; ask for it before a cluster is started.

    Ids of deliveries never recur on a server; a module keeps to this run's or to ``own_server``.
    """
    path = tmp_path_factory.mktemp("journal") / "journal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(journal.VARIABLE, str(path))
        yield path


@pytest.fixture(scope="module")
def cluster(journal_file: Path, cluster: Cluster) -> Cluster:
    """The cluster of a module, which writes to its journal."""
    return cluster


@pytest.fixture
def fault(transactional_db: None, journal_file: Path, tmp_path: Path, record_property: Any) -> Fault:
    """What a test does its harm with."""
    return Fault(tmp_path, journal_file, record_property)


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """A PostgreSQL of the tests' own, with the tables of the site; see ``own_server``."""
    with Server.made(synchronous_commit="local") as own:  # the same, unless a test names a standby
        own.execute(f'CREATE DATABASE "{connection.settings_dict["NAME"]}"')
        with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), pointed_at(own, patch):
            call_command("migrate", verbosity=0)
        yield own


@pytest.fixture
def own_server(server: Server, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A PostgreSQL that is this test's to break: its default database and that of the clusters which it starts."""
    with pointed_at(server, monkeypatch):
        yield server
        if not server.is_running():
            server.start()
        connection.close()
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
        call_command("flush", verbosity=0, interactive=False, reset_sequences=False)


@contextmanager
def pointed_at(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use a server's database instead of the one of this run, whose name it has, in this process and its children."""
    settings = connection.settings_dict
    usual = {key: settings[key] for key in ("HOST", "PORT", "USER", "PASSWORD")}
    connection.close()
    settings.update(HOST=server.host, PORT=server.port, USER="postgres", PASSWORD="")
    monkeypatch.setenv("DATABASE_URL", server.url())
    try:
        yield
    finally:
        connection.close()
        settings.update(usual)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the faults that are not for this size and database, and let each report carry its fault."""
    left_out = [] if FAULTS else [item for item in items if not _is_short(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    for item in items:
        for mark in item.iter_markers("fault"):
            item.user_properties.append(("fault", mark.args))


def _is_short(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("short")
    if mark is None:
        return item.get_closest_marker("fault") is None
    return not mark.args or VENDOR in mark.args


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the ledger: each fault, how it went, and the figures that its test noted."""
    if lines := Counter(_lines(terminalreporter)):
        database = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[VENDOR]
        terminalreporter.section(f"faults on {database}, {'full size' if FULL else 'short form'}")
        for (number, line), times in sorted(lines.items()):
            terminalreporter.line(f"{number:>3}  {line}{f' ({times} times)' if times > 1 else ''}")


def _lines(terminalreporter: Any) -> Iterator[tuple[int, str]]:
    for outcome, words in (("passed", "holds "), ("failed", "BROKEN")):
        for report in terminalreporter.stats.get(outcome, []):
            noted = dict(getattr(report, "user_properties", []))
            if "fault" in noted:
                number, what = noted.pop("fault")
                figures = ", ".join(f"{value} {name}" for name, value in noted.items())
                yield number, f"{words}  {what}{': ' if figures else ''}{figures}"
