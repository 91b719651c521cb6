"""A database that is away."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection


@pytest.fixture
def lost_database(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Let new connections go where no database answers: ``gone``, or ``silent`` where somebody takes the call."""
    settings = connection.settings_dict
    kept = {key: settings[key] for key in ("NAME", "HOST", "PORT", "OPTIONS")}
    held: list[Any] = []

    def lose(way: str) -> None:
        if connection.vendor == "sqlite":
            file = tmp_path / "db" if way == "silent" else tmp_path / "no" / "such" / "directory"
            if way == "silent":
                held.append(sqlite3.connect(file))
                held[0].execute("CREATE TABLE signals_app_delivery (queue, state, due_at)")
                held[0].execute("BEGIN EXCLUSIVE")
            # a connection whose first command fails is left open by Django
            options = {name: value for name, value in settings["OPTIONS"].items() if name != "init_command"}
            settings.update(NAME=str(file), OPTIONS=options)
        else:
            held.append(socket.create_server(("127.0.0.1", 0)))
            settings.update(HOST="127.0.0.1", PORT=held[0].getsockname()[1])
            if way == "gone":
                held[0].close()

    yield lose
    settings.update(kept)
    for one in held:
        one.close()
