"""``manage.py lab_sandbox``: a process of the crash test, which starts it and kills it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sigdemo.lab import sandbox


class Command(BaseCommand):
    """Work in a thread like a web process, or for a queue like a worker, until killed."""

    help = "Internal: a process that the lab's crash test starts and kills."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take either a lane or a queue."""
        role = parser.add_mutually_exclusive_group(required=True)
        role.add_argument("--lane", type=int, help="start this lane's work in a thread")
        role.add_argument("--queue", help="work for this queue")

    def handle(self, *args: Any, **options: Any) -> None:
        """Never return."""
        if options["lane"] is not None:
            sandbox.answer_like_a_web_process(options["lane"])
        else:
            sandbox.drain_forever(options["queue"])
