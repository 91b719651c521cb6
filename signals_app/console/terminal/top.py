"""``top``: the figures, what runs and what failed last, drawn anew every other second."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime

from django.db import Error
from django.utils import timezone

from signals_app import ledger
from signals_app.console.formatting import process_name, ran, written
from signals_app.console.terminal.choosing import number
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, stamp, table
from signals_app.console.terminal.status import as_json, lines, living_clusters
from signals_app.models import Attempt, Delivery, State
from signals_app.redaction import masked_text

RUNNING, FAILURES = 15, 8  # rows of each


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--interval", type=_seconds, default=2.0, metavar="SECONDS", help="2 by default")
    parser.add_argument(
        "--frames", type=number, metavar="N", help="end after so many; until Ctrl-C by default, one in a pipe"
    )
    parser.add_argument("--json", action="store_true", help="print the figures, a JSON object in a line")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600.")
    return seconds


def _run(options: Options, terminal: Terminal) -> None:
    left = options["frames"] or (None if terminal.is_live else 1)
    try:
        if options["json"]:
            while True:
                terminal.line(json.dumps(as_json(ledger.figures(), living_clusters())))
                if (left := _after(left)) == 0:
                    return
                time.sleep(options["interval"])
        with terminal.drawing() as draw:
            while True:
                draw(_frame(timezone.now()))
                if (left := _after(left)) == 0:
                    return
                time.sleep(options["interval"])
    except KeyboardInterrupt:
        return


def _after(left: int | None) -> int | None:
    return None if left is None else left - 1


def _frame(now: datetime) -> list[str]:
    """Return what there is to see; a database that does not answer is told, and asked again."""
    head = stamp(now)
    try:
        return [head, "", *lines(ledger.figures(), living_clusters(), table), "", *_running(now), "", *_failures()]
    except Error as error:
        ledger.connection().close()
        return [head, "", f"The database does not answer: {str(error).strip()}"]


def _running(now: datetime) -> list[str]:
    rows = Delivery.objects.using(ledger.connection().alias).filter(state=State.RUNNING).defer("payload")
    found = list(rows.order_by("started_at")[:RUNNING])
    if not found:
        return ["Nothing is running."]
    heads = ("running", "receiver", "attempt", "for", "progress", "process")
    return table(
        heads,
        [
            (
                f"#{one.pk}",
                one.receiver,
                f"{one.attempts}/{one.max_attempts}",
                written(ran(one, now)),
                f"{one.progress_done}/{one.progress_total}" if one.progress_total else "",
                process_name(one.owner),
            )
            for one in found
        ],
    )


def _failures() -> list[str]:
    rows = Attempt.objects.using(ledger.connection().alias).order_by("-finished_at").defer("traceback")
    found = list(rows.select_related("delivery").defer("delivery__payload", "traceback")[:FAILURES])
    if not found:
        return []
    heads = ("ended badly", "receiver", "outcome", "at", "message")
    return table(
        heads,
        [
            (
                f"#{one.delivery_id}",
                one.delivery.receiver,
                one.outcome,
                stamp(one.finished_at),
                masked_text(one.message).partition("\n")[0][:200],
            )
            for one in found
        ],
    )


TOP = Subcommand(
    name="top", help="show the figures and what runs, again and again", add_arguments=_add_arguments, run=_run
)
