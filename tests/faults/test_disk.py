"""The disk is full: whoever wants to write is told, nothing is damaged, and it goes on when there is room again."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import Error, connection
from django.db.models import QuerySet

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, wait_for_all, wait_until
from tests.faults.harness import Fault, enqueue_many, quiet, size
from tests.faults.receivers import effect
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.database("sqlite")
@pytest.mark.fault(24, "SQLite on a full disk")
def test_sqlite_on_a_full_disk_says_so_and_recovers(fault: Fault) -> None:
    with small_disk(megabytes=8) as disk, moved_to(disk), fault.cluster() as cluster:
        refusal = fill_up(disk, cluster, fault, "database or disk is full")
    assert refusal == "database or disk is full"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        assert cursor.fetchall() == [("ok",)]
    fault.invariant()


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
def test_postgresql_whose_tables_are_on_a_full_disk_says_so_and_recovers(own_server: Server, fault: Fault) -> None:
    with small_disk(megabytes=16) as disk, tables_in(disk, own_server), fault.cluster() as cluster:
        refusal = fill_up(disk, cluster, fault, "No space left on device")
    assert "No space left on device" in refusal
    assert own_server.is_running()
    own_server.check(connection.settings_dict["NAME"])
    fault.invariant()


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
def test_postgresql_that_a_full_disk_has_stopped_has_lost_nothing(own_server: Server, fault: Fault) -> None:
    with small_disk(megabytes=24) as disk, log_in(disk, own_server), fault.cluster() as cluster:
        fill_up(disk, cluster, fault, "cannot reach the database", server=own_server)
    assert "PANIC" in own_server.log
    own_server.check(connection.settings_dict["NAME"])
    fault.invariant()


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


def fill_up(disk: Path, cluster: Cluster, fault: Fault, said: str, *, server: Server | None = None) -> str:
    """Have the disk run full in the middle of work, and give it room when the cluster has said so; see all work done.

    Return what a sender was told. A server that the disk has stopped is started again.
    """
    family = cluster.family()
    enqueue_many(size(40, 500), before=0.02)
    unfinished: QuerySet[Delivery] = Delivery.objects.exclude(state__in=FINAL_STATES)
    wait_until(lambda: unfinished.count() < size(30, 480), "work on it")
    with filled(disk):
        refusal = enqueue_until_refused()
        wait_until(lambda: said in cluster.log.read_text(), "the cluster's word for it")
        with quiet(cluster, fault):
            time.sleep(size(1, 10))  # the fault itself
    if server and not server.is_running():
        server.start()
    wait_for_all(seconds=120)
    assert cluster.family() == family
    fault.note(deliveries=Delivery.objects.count())
    return refusal


def enqueue_until_refused() -> str:
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


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size in memory. Skips the test where that is not allowed."""
    directory = Path(tempfile.mkdtemp(prefix="sigdemo-disk-"))
    directory.chmod(0o755)
    try:
        if os.getuid() or _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "disk", str(directory)):
            pytest.skip("A small disk cannot be mounted here: that takes root.")
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))
        directory.rmdir()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Take every byte that is left of a disk while the block runs."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
        yield
    finally:
        filler.unlink()


def _run(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode
