"""``status``: what waits, runs and has ended, by queue."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta

from signals_app import ledger
from signals_app.console.formatting import written
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, stamp
from signals_app.ledger import Figures

Rows = Sequence[Sequence[object]]

HEADS = ("queue", "clusters", "waiting", "due", "retrying", "unroutable", "paused", "oldest", "running", "long")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(options: Options, terminal: Terminal) -> None:
    found, alive = ledger.figures(), living_clusters()
    if options["json"]:
        terminal.json(as_json(found, alive))
        return
    for line in lines(found, alive, terminal.fitted):
        terminal.line(line)


def living_clusters() -> Counter[str]:
    """Return how many clusters of each queue live."""
    return Counter(one.queue for one in ledger.clusters() if one.is_alive)


def lines(found: Figures, alive: Counter[str], table: Callable[[Sequence[str], Rows], list[str]]) -> list[str]:
    """Return the figures as people read them; ``table`` makes lines of heads and rows."""
    queues = {queue.name: queue for queue in found.queues}
    rows: list[Sequence[object]] = []
    for name in sorted(queues.keys() | alive.keys()):
        queue = queues.get(name) or ledger.QueueFigures(name=name)
        counts = (queue.waiting, queue.due, queue.retrying, queue.unroutable, queue.paused)
        oldest = written(timedelta(seconds=queue.oldest_wait)) if queue.due else "-"
        rows.append((name, alive[name], *counts, oldest, queue.running, queue.long_running))
    told = table(HEADS, rows) if rows else ["No queue has work, and no cluster was heard of."]
    ended = f"{found.succeeded} successful, {found.failed} failed, {found.cancelled} cancelled"
    told += ["", f"In the last hour: {ended}, {found.lost} lost {'attempt' if found.lost == 1 else 'attempts'}."]
    for pause in found.pauses:
        told.append(f"Paused since {stamp(pause.since)} by {pause.by or 'somebody'}: {pause}.")
    return told


def as_json(found: Figures, alive: Counter[str]) -> dict[str, object]:
    """Return the figures for a program; times are in seconds."""
    queues = {queue.name: queue for queue in found.queues}
    names = sorted(queues.keys() | alive.keys())
    return {
        "queues": [
            {**asdict(queues.get(name) or ledger.QueueFigures(name=name)), "clusters": alive[name]} for name in names
        ],
        "oldest_wait": found.oldest_wait,
        "last_hour": {name: getattr(found, name) for name in ("succeeded", "failed", "cancelled", "lost")},
        "pauses": [
            {"kind": pause.kind, "name": pause.name, "since": pause.since.isoformat(), "by": pause.by}
            for pause in found.pauses
        ],
    }


STATUS = Subcommand(name="status", help="print what waits, runs and has ended", add_arguments=_add_arguments, run=_run)
