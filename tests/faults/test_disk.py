"""The disk is full: whoever wants to write is told, nothing is damaged, and it goes on when there is room again."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.db.models import QuerySet

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, wait_until
from tests.faults import disk
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect
from tests.faults.server import Server
from tests.faults.spinning import quiet
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.database("sqlite")
@pytest.mark.fault(24, "SQLite on a full disk")
def test_sqlite_on_a_full_disk_says_so_and_recovers(
    transactional_db: None, invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    with disk.mounted(megabytes=8) as small, moved_to(small), Cluster(tmp_path / "log") as cluster:
        refusal = fill_up(small, cluster, "database or disk is full", record_property)
    assert refusal == "database or disk is full"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        assert cursor.fetchall() == [("ok",)]
    invariant()


@contextmanager
def moved_to(directory: Path) -> Iterator[None]:
    """Keep SQLite's file somewhere else while the block runs, with its log beside it, and a link where it was."""
    file = Path(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # what earlier tests left of free pages may be more than the disk holds
    connection.close()
    shutil.move(file, directory / file.name)
    file.symlink_to(directory / file.name)
    try:
        yield
    finally:
        connection.close()
        file.unlink()
        shutil.move(directory / file.name, file)


@pytest.mark.database("postgresql")
@pytest.mark.fault(24, "PostgreSQL's tables on a full disk")
def test_postgresql_whose_tables_are_on_a_full_disk_says_so_and_recovers(
    own_server: Server, invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    with disk.mounted(megabytes=16) as small, tables_in(small, own_server), Cluster(tmp_path / "log") as cluster:
        refusal = fill_up(small, cluster, "No space left on device", record_property)
    assert "No space left on device" in refusal
    assert own_server.is_running()
    own_server.check(connection.settings_dict["NAME"])
    invariant()


@contextmanager
def tables_in(directory: Path, server: Server) -> Iterator[None]:
    """Keep the tables and indexes of PostgreSQL somewhere else while the block runs; its log stays."""
    server.own(directory)
    server.execute(f"CREATE TABLESPACE small LOCATION '{directory}'")
    _move(server, "pg_default", "small")
    try:
        yield
    finally:
        connection.close()
        _move(server, "small", "pg_default")
        server.execute("DROP TABLESPACE small")


def _move(server: Server, source: str, target: str) -> None:
    for kind in ("TABLE", "INDEX"):
        command = f"ALTER {kind} ALL IN TABLESPACE {source} SET TABLESPACE {target}"
        server.execute(command, name=connection.settings_dict["NAME"])


@pytest.mark.database("postgresql")
@pytest.mark.fault(24, "PostgreSQL's write-ahead log on a full disk")
def test_postgresql_that_a_full_disk_has_stopped_has_lost_nothing(
    own_server: Server, invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    with disk.mounted(megabytes=24) as small, log_in(small, own_server), Cluster(tmp_path / "log") as cluster:
        fill_up(small, cluster, "cannot reach the database", record_property, server=own_server)
    assert "PANIC" in own_server.log
    own_server.check(connection.settings_dict["NAME"])
    invariant()


@contextmanager
def log_in(directory: Path, server: Server) -> Iterator[None]:
    """Keep PostgreSQL's write-ahead log somewhere else while the block runs; without room for it the server ends."""
    connection.close()
    server.move_log(directory)
    try:
        yield
    finally:
        connection.close()
        server.move_log(None)


def fill_up(small: Path, cluster: Cluster, said: str, record_property: Any, *, server: Server | None = None) -> str:
    """Have the disk run full in the middle of work, and give it room when the cluster has said so; see all work done.

    Return what a sender was told. A server that the disk has stopped is started again.
    """
    family = cluster.family()
    with transaction.atomic():
        for _ in range(size(40, 500)):
            enqueue(effect, before=0.02)
    wait_until(lambda: unfinished().count() < size(30, 480), "work on it")
    with disk.full(small):
        refusal = hand_off_until_refused()
        wait_until(lambda: said in cluster.log.read_text(), "the cluster's word for it")
        with quiet(cluster, record_property):
            time.sleep(size(1, 10))  # the fault itself
    if server and not server.is_running():
        server.start()
    wait_until(lambda: not unfinished().exists(), "the end of every delivery", seconds=120)
    assert cluster.family() == family
    record_property("deliveries", Delivery.objects.count())
    return refusal


def unfinished() -> QuerySet[Delivery]:
    return Delivery.objects.exclude(state__in=FINAL_STATES)


def hand_off_until_refused() -> str:
    """Hand off until the database takes no more, not even the smallest; return what it says."""
    said = ""
    for length in (30_000, 300, 1):
        said = ""
        for _ in range(10_000):
            try:
                enqueue(effect, text=secrets.token_hex(length))
            except Error as error:
                said = str(error)
                connection.close()
                break
    assert said, "The disk is not full."
    return said
