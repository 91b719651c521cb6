"""A PostgreSQL server of the tests' own: to be stopped, starved and cut off, which the shared one must not be."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from tests.ports import free_port

MISSING = "PostgreSQL's initdb is missing: install the package postgresql, or put its programs on the PATH."

SMALL = ("--no-sync", "--wal-segsize=1")  # megabytes
# without fsync, for here the server crashes and not the kernel, which has what was written
QUICK = {"fsync": "off", "min_wal_size": "2MB", "max_wal_size": "8MB"}


class Server:
    """A cluster of databases in a directory, on a free port of the loopback device.

    PostgreSQL refuses to run as root; its programs are then run as the user ``postgres``.
    """

    def __init__(self, directory: Path, programs: Path) -> None:
        self.directory = directory
        self.host, self.port = "127.0.0.1", free_port()
        self._programs = programs

    @classmethod
    @contextmanager
    def made(cls, **settings: object) -> Iterator[Self]:
        """Make and start one, in a new directory; nothing of it is left after the block.

        Skips the test, saying what to install, where PostgreSQL's programs are missing.
        """
        if not (found := programs()):
            pytest.skip(MISSING)
        server = cls(Path(tempfile.mkdtemp(prefix="sigdemo-postgresql-")), found)
        try:
            server.create(**settings)
            server.start()
            yield server
        finally:
            if server.is_running():
                server.stop("immediate")
            shutil.rmtree(server.directory)

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.directory / "data"

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.directory / "log").read_text(errors="replace")

    def url(self, name: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        return f"postgres://postgres@{self.host}:{self.port}/{name}"

    def create(self, **settings: object) -> None:
        """Make its files; ``settings`` are lines of ``postgresql.conf``."""
        self.own(self.directory)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", *SMALL)
        settings |= {"listen_addresses": self.host, "port": self.port, "unix_socket_directories": ""}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in (QUICK | settings).items())

    def own(self, directory: Path) -> None:
        """Give a directory to the user that the server runs as."""
        if os.getuid() == 0:
            shutil.chown(directory, "postgres")

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(self.directory / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is a crash: nothing is written, and the next start recovers."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self.data), "-m", mode)

    def listen(self, address: str, network: str) -> None:
        """Be reached at one more address, from one more network."""
        self.execute(f"ALTER SYSTEM SET listen_addresses = '{self.host},{address}'")
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {network} trust\n")
        self.stop()
        self.start()

    def move_log(self, directory: Path | None) -> None:
        """Keep the write-ahead log in another directory; None is for where it belongs."""
        home = self.data / "pg_wal"
        if self.is_running():
            self.stop()
        if directory:
            subprocess.run(["mv", home, directory / "pg_wal"], check=True)
            home.symlink_to(directory / "pg_wal")
        else:
            moved = home.readlink()
            home.unlink()
            subprocess.run(["mv", moved, home], check=True)
        self.start()

    def is_running(self) -> bool:
        """Tell whether its first process lives."""
        return self._call("pg_ctl", "status", "-D", str(self.data)).returncode == 0

    def execute(self, query: str, *, name: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a query as its superuser, in a transaction of its own, and return the rows."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def check(self, name: str) -> None:
        """Have PostgreSQL look for damage in a database, table by table and index by index."""
        self.execute("CREATE EXTENSION IF NOT EXISTS amcheck", name=name)
        self._run("pg_amcheck", "-h", self.host, "-p", str(self.port), "-U", "postgres", "-d", name, "--heapallindexed")

    def _run(self, program: str, *arguments: str) -> None:
        ran = self._call(program, *arguments)
        assert ran.returncode == 0, f"{program} failed: {ran.stdout}"

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        user = "postgres" if os.getuid() == 0 else None
        with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as the server that pg_ctl starts
            ran = subprocess.run(
                [self._programs / program, *arguments],
                cwd="/",
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(ran.args, ran.returncode, stdout=output.read())


def programs() -> Path | None:
    """Return where the newest initdb is, with PostgreSQL's other programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        return None
    return (found[-1] if found else Path(str(on_path)).resolve()).parent
