"""Run the comparison and print it: ``python -m tests.bench.peers [--quick] [--only NAME] [--json PATH]``.

Queues whose store is not installed are skipped by name. Nothing here is a test: it measures and says what it saw.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.peers.peers import PEERS, WORKERS, Peer
from tests.faults.server import Server, programs
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
FULL = {"sends": 300, "drained": 2_000, "asked": 60, "idle": 60.0, "rerun": 180.0}
QUICK = {"sends": 30, "drained": 100, "asked": 5, "idle": 3.0, "rerun": 15.0}


@contextmanager
def redis() -> Iterator[str | None]:
    """Start a Redis that keeps its log on disk, as a queue's should; None where it is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = str(free_port())
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", port, "--dir", directory, "--appendonly", "yes", "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            time.sleep(1)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def postgresql() -> Iterator[Server | None]:
    """Start a PostgreSQL with its own defaults; None where it is not installed."""
    if programs() is None:
        yield None
        return
    with Server.made(fsync="on", min_wal_size="80MB", max_wal_size="1GB") as server:
        yield server


def measured(name: str, *, store: str, size: dict[str, float]) -> dict[str, Any]:
    """Return a queue's figures, or what went wrong."""
    with tempfile.TemporaryDirectory() as directory:
        database = store if PEERS[name].store == "postgresql" else f"sqlite:///{directory}/bench.sqlite3"
        journal, log = Path(directory, "journal"), Path(directory, "log")
        journal.touch()
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.bench.peers.settings",
            "PEER": name,
            "PEER_DATABASE": database,
            "PEER_STORE": database if PEERS[name].store == "sqlite" else store,
            "PEER_JOURNAL": str(journal),
            "PEER_LOG": str(log),
        }
        ran = subprocess.run(
            [sys.executable, "-m", "tests.bench.peers.measure", json.dumps(size)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode == 0:
            figures: dict[str, Any] = json.loads(ran.stdout)
            return figures
        said = log.read_text(errors="replace") if log.exists() else ""
        return {"error": f"{ran.stderr[-1500:]}{said[-1500:]}"}


def row(peer: Peer, figures: dict[str, Any]) -> str:
    """Return a line of the table."""
    packages = ", ".join(f"{name} {version(name)}" if name != "signals-app" else "this" for name in peer.packages)
    again = f"again after {figures['again']:.1f} s" if figures["again"] is not None else "not again"
    cells = [
        f"{peer.title}, {peer.store}",
        packages,
        f"{figures['send'] * 1e6:,.0f}",
        f"{figures['drain']:,.0f}" + (f" ({figures['left']:,} left)" if "left" in figures else ""),
        f"{figures['p50'] * 1e3:.1f} / {figures['p95'] * 1e3:.1f}",
        f"{figures['idle']:.2%}",
        f"{figures['memory']:.0f}",
        peer.record,
        again,
        peer.how,
    ]
    return f"| {' | '.join(cells)} |"


HEAD = [
    "queue",
    "versions",
    "send, µs",
    "drained /s",
    "idle p50 / p95, ms",
    "idle CPU",
    "memory, MB",
    "keeps a record of",
    "after `kill -9` of its worker a run is made",
    "set up",
]


def main() -> None:
    """Measure, and print a table that can stand in the documentation."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description="signals_app beside other queues")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it works; they say little")
    parser.add_argument("--only", action="append", choices=PEERS, help="measure this one; may be repeated")
    parser.add_argument("--json", metavar="PATH", help="also write everything measured to a file")
    options = parser.parse_args()
    table, everything = [], {}
    with redis() as redis_url, postgresql() as server:
        for number, name in enumerate(options.only or PEERS):
            store = PEERS[name].store
            where = redis_url if store == "redis" else "here"
            if store == "postgresql" and server is not None:
                server.execute(f"CREATE DATABASE peers_{number}")
                where = server.url(f"peers_{number}")
            elif store == "postgresql":
                where = None
            if where is None:
                print(f"{name}: skipped, {store} is not installed.", file=sys.stderr)
                continue
            print(f"{name} …", file=sys.stderr)
            figures = everything[name] = measured(name, store=where, size=QUICK if options.quick else FULL)
            if "error" in figures:
                print(f"{name} failed:\n{figures['error']}", file=sys.stderr)
            else:
                table.append(row(PEERS[name], figures))
    today, python = f"{datetime.now(UTC):%Y-%m-%d}", sys.version.split()[0]
    print(f"{today}, Python {python}, {os.cpu_count()} cores, {WORKERS} workers each\n")
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}", *table, sep="\n")
    if options.json:
        Path(options.json).write_text(json.dumps(everything, indent=1))
    if len(table) < len(everything):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
