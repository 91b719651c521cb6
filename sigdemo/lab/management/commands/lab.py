"""``manage.py lab``: the same work sent seven ways, in a terminal."""

import json
import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sigdemo.lab import limits, requests
from sigdemo.lab.clock import Moment, duration
from sigdemo.lab.facts import Facts, Lane, Work, facts_of
from sigdemo.lab.forms import LabForm
from sigdemo.lab.kinds import LONGEST, MOST_RECEIVERS, SHORTEST, Kind, Plan, Way
from sigdemo.lab.models import LabRun
from sigdemo.lab.verdict import said

LOOK_EVERY = 0.05  # seconds
HEADS = ("way", "answer after", "waited", "worked", "total", "pid", "thread", "outcome")
NOT_OVER = (
    "The work of these ways is not over after {timeout:g} s each: {ways}. If no cluster is running, start one with: "
    "python manage.py qcluster. What is queued waits for it in the database."
)


class Command(BaseCommand):
    """Run the lanes in this process, wait for their work and print what was measured."""

    help = "Sends the same work seven ways and prints what was measured."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--way", action="append", choices=[way.value for way in Way], help="repeatable (all seven)")
        parser.add_argument("--kind", choices=[kind.value for kind in Kind], default=Kind.WAIT.value, help="of work")
        parser.add_argument("--seconds", type=float, default=0.5, help=f"of work, {SHORTEST:g} to {LONGEST:g} (0.5)")
        parser.add_argument("--fan-out", type=int, default=1, help=f"receivers, 1 to {MOST_RECEIVERS} (1)")
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for each way's work (60)")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")

    def handle(self, *args: Any, timeout: float, **options: Any) -> None:
        """Run and print. A ``CommandError`` says what is missing when some work is not over."""
        form = LabForm({**options, "ways": options["way"] or list(Way)})
        if not form.is_valid():
            raise CommandError(" ".join(str(message) for messages in form.errors.values() for message in messages))
        if not 0 <= timeout < float("inf"):
            raise CommandError("--timeout must be a number of seconds, 0 or more.")
        facts = self._run(form.plan(), timeout)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(facts), indent=2))
        else:
            for line in _lines(facts):
                self.stdout.write(line)
        if late := [lane.way.value for lane in facts.lanes if not lane.is_over]:
            raise CommandError(NOT_OVER.format(timeout=timeout, ways=", ".join(late)))

    def _run(self, plan: Plan, timeout: float) -> Facts:
        """Run the lanes one after another. Nobody is asked for a slot: a terminal is the operator's."""
        new = limits.write(plan)
        for position, lane in enumerate(new.lanes.select_related("run").order_by("position")):
            since = Moment.now()
            requests.begin(lane, since)
            error = requests.send(lane)
            requests.answered(lane, since, error=error)
            _wait(new, position, timeout)
        return facts_of(new)


def _wait(run: LabRun, position: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not facts_of(run).lanes[position].is_over:
        time.sleep(LOOK_EVERY)


def _lines(facts: Facts) -> Iterator[str]:
    yield from map(said, facts.lanes)
    yield ""
    rows = [HEADS, *(_row(lane, work) for lane in facts.lanes for work in lane.works)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(lane: Lane, work: Work) -> tuple[str, ...]:
    return (
        f"{lane.way.label} {work.seat}.{work.attempt}",
        "" if lane.answered_after is None else duration(lane.answered_after),
        duration(work.waited),
        "" if work.worked is None else duration(work.worked),
        "" if work.worked is None else duration(work.end),
        str(work.pid),
        work.thread,
        work.result,
    )


def _as_json(facts: Facts) -> dict[str, Any]:
    """Return the figures, in seconds, for a program to read."""
    run, names = facts.run, ("attempt", "start", "waited", "worked", "pid", "thread", "same_process")
    lanes = [
        {
            "way": lane.way.value,
            "answered_after": lane.answered_after,
            "pid": lane.row.pid,
            "over": lane.is_over,
            "sentence": said(lane),
            "works": [
                {"receiver": work.seat, "outcome": work.result} | {name: getattr(work, name) for name in names}
                for work in lane.works
            ],
        }
        for lane in facts.lanes
    ]
    setting = {"kind": run.kind, "seconds": run.seconds, "fan_out": run.fan_out}
    return {"run": str(run.public_id), **setting, "lanes": lanes}
