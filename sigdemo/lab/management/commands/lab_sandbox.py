"""``manage.py lab_sandbox``: a process of the crash test, which starts it and kills it.

It obeys its standard input: "exit" ends it as ``os._exit`` does, and so does the end of whoever started it.
"""

import os
import sys
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sigdemo.lab import requests
from sigdemo.lab.clock import Moment
from sigdemo.lab.models import LabLane
from signals_app.worker import loop

EXIT_STATUS = 3
ABANDONED = 4
IDLE = 0.02  # seconds between two looks of the worker at its queue


class Command(BaseCommand):
    """Work in a thread like a web process, or for a queue like a worker, until killed."""

    help = "Internal: a process that the lab's crash test starts and kills."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        role = parser.add_mutually_exclusive_group(required=True)
        role.add_argument("--lane", type=int, help="start this lane's work in a thread")
        role.add_argument("--queue", help="work for this queue")

    def handle(self, *args: Any, lane: int | None, queue: str, **options: Any) -> None:
        """Never return."""
        if lane is not None:
            answer_like_a_web_process(LabLane.objects.select_related("run").get(pk=lane))
            obey()
        threading.Thread(target=obey, daemon=True, name="obey").start()
        while True:
            loop.drain(queue)
            time.sleep(IDLE)


def answer_like_a_web_process(lane: LabLane) -> None:
    """Do what the thread lane's request does: start the work in a thread, and answer."""
    since = Moment.now()
    requests.begin(lane, since)
    requests.send(lane)
    requests.answered(lane, since)


def obey() -> None:
    """Wait for a word of whoever started this process, and end it without further ado."""
    word = sys.stdin.readline().strip()
    os._exit(EXIT_STATUS if word == "exit" else ABANDONED)
