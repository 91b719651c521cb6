"""``manage.py deliveries``: watch and operate from a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from signals_app.console.terminal import SUBCOMMANDS, Terminal


class Command(BaseCommand):
    help = "Shows deliveries, changes them, pauses queues and receivers, and checks that work is getting done."

    def add_arguments(self, parser: CommandParser) -> None:
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        for one in SUBCOMMANDS.values():
            added = subparsers.add_parser(one.name, help=one.help, description=one.help)
            one.add_arguments(added)
            added.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with Terminal.of(self, as_json=options["json"]) as terminal:
            SUBCOMMANDS[options["subcommand"]].run(options, terminal)
