"""The databases that the contenders share: each is made for the run and goes away with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/postgres"


def available() -> list[str]:
    """Return the vendors that can be measured here: PostgreSQL where ``BENCH_DATABASE_URL`` answers."""
    try:
        with psycopg.connect(_server(), connect_timeout=3):
            return ["sqlite", "postgresql"]
    except psycopg.OperationalError:
        return ["sqlite"]


@contextmanager
def made(vendor: str, directory: Path) -> Iterator[str]:
    """Make an empty database and give its URL; delete it afterwards."""
    if vendor == "sqlite":
        with tempfile.TemporaryDirectory(dir=directory) as own:
            yield f"sqlite:///{quote(own)}/bench.sqlite3"
        return
    name = f"sigdemo_bench_{os.getpid()}"
    with psycopg.connect(_server(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(_server())._replace(path=f"/{name}"))
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _server() -> str:
    return os.environ.get("BENCH_DATABASE_URL") or DEFAULT_URL
