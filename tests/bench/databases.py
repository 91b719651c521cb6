"""The databases that the contenders share: each is made for the run and goes away with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/postgres"

_numbers = count(1)


def available() -> list[str]:
    """Return the vendors that can be measured here: PostgreSQL where ``BENCH_DATABASE_URL`` answers."""
    try:
        with psycopg.connect(_server(), connect_timeout=3):
            return ["sqlite", "postgresql"]
    except psycopg.OperationalError:
        return ["sqlite"]


@contextmanager
def made(vendor: str, directory: Path, *, like: str | None = None) -> Iterator[str]:
    """Make a database and give its URL; delete it afterwards. It is empty, or a copy of one that nobody has open."""
    if vendor == "sqlite":
        with tempfile.TemporaryDirectory(dir=directory) as own:
            if like:
                shutil.copy(unquote(urlsplit(like).path), f"{own}/bench.sqlite3")
            yield f"sqlite:///{quote(own)}/bench.sqlite3"
        return
    name = sql.Identifier(f"sigdemo_bench_{os.getpid()}_{next(_numbers)}")
    template = sql.Identifier(urlsplit(like).path[1:] if like else "template0")
    with psycopg.connect(_server(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template))
    try:
        yield urlunsplit(urlsplit(_server())._replace(path=f"/{name.as_string()[1:-1]}"))
    finally:
        with psycopg.connect(_server(), autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _server() -> str:
    return os.environ.get("BENCH_DATABASE_URL") or DEFAULT_URL
