"""``manage.py signals``: the signals map in a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from signals_app.console.signals_map.graph import Mark, signals_map
from signals_app.console.signals_map.output import as_json, lines
from signals_app.console.terminal import Terminal


class Command(BaseCommand):
    """Look at the signals of this process and at the record, and print both."""

    help = "Prints every signal of the project, its receivers, and the last day's deliveries of those that are queued."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what the page in the admin takes."""
        marks = [mark.value for mark in Mark]
        parser.add_argument("--show", choices=marks, help="only what is marked so")
        parser.add_argument("--all", action="store_true", help="also signals that only libraries send and hear")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead, with everything")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the map, or the part of it that bears a mark."""
        with Terminal.of(self) as terminal:
            found = signals_map()
            if options["show"]:
                found = found.marked(Mark(options["show"]))
            if options["json"]:
                terminal.json(as_json(found))
                return
            if options["show"] and not found.count(Mark(options["show"])):
                terminal.line(f"Nothing is marked as {options['show']}.")
            for line in lines(found, with_foreign=options["all"]):
                terminal.line(line)
