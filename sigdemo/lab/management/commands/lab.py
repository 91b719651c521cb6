"""``manage.py lab``: the same work sent six ways, in a terminal."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sigdemo.lab import terminal
from sigdemo.lab.facts import Facts
from sigdemo.lab.kinds import LONGEST, MOST_RECEIVERS, SHORTEST, Kind, Plan, Way
from sigdemo.lab.models import LabLane

NOT_OVER = (
    "The work of these ways is not over after {timeout:g} s each: {ways}. If no cluster is running, start one with: "
    "python manage.py qcluster. What is queued waits for it in the database."
)


class Command(BaseCommand):
    """Run the lanes in this process, wait for their work and draw what was measured."""

    help = "Sends the same work six ways and prints a timeline and a table of what was measured."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what the lab's form takes."""
        parser.add_argument("--way", action="append", choices=[way.value for way in Way], help="repeatable (all six)")
        parser.add_argument("--kind", choices=[kind.value for kind in Kind], default=Kind.WAIT.value, help="of work")
        parser.add_argument("--seconds", type=float, default=0.5, help=f"of work, {SHORTEST:g} to {LONGEST:g} (0.5)")
        parser.add_argument("--fan-out", type=int, default=1, help=f"receivers, 1 to {MOST_RECEIVERS} (1)")
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for each way's work (60)")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run and print. A ``CommandError`` says what is missing when some work is not over."""
        plan = self._plan(options)
        report = self._announce if not options["json"] else lambda lane: None
        facts = terminal.run(plan, timeout=options["timeout"], report=report)
        if options["json"]:
            self.stdout.write(json.dumps(terminal.as_json(facts), indent=2))
        else:
            self._draw(facts)
        open_ways = [lane.way.value for lane in facts.lanes if not lane.is_over]
        if open_ways:
            raise CommandError(NOT_OVER.format(timeout=options["timeout"], ways=", ".join(open_ways)))

    def _plan(self, options: dict[str, Any]) -> Plan:
        seconds, fan_out = options["seconds"], options["fan_out"]
        if not SHORTEST <= seconds <= LONGEST:
            raise CommandError(f"--seconds must be a number from {SHORTEST:g} to {LONGEST:g}, not {seconds:g}.")
        if not 1 <= fan_out <= MOST_RECEIVERS:
            raise CommandError(f"--fan-out must be a number from 1 to {MOST_RECEIVERS}, not {fan_out}.")
        if not 0 <= options["timeout"] < float("inf"):
            raise CommandError("--timeout must be a number of seconds, 0 or more.")
        chosen = set(options["way"] or [way.value for way in Way])
        ways = [way for way in Way if way.value in chosen]
        return Plan(kind=Kind(options["kind"]), seconds=seconds, fan_out=fan_out, ways=ways)

    def _announce(self, lane: LabLane) -> None:
        self.stdout.write(f"{lane.get_way_display()} …")

    def _draw(self, facts: Facts) -> None:
        self.stdout.write("")
        for line in (*terminal.chart(facts), "", *terminal.table(facts)):
            self.stdout.write(line)
