"""``list``: deliveries, newest first."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime

from django.utils import timezone

from signals_app import ledger
from signals_app.models import Delivery, Pause, State
from signals_app.operations.durations import ran, until, waited, written
from signals_app.terminal.choosing import add_filters, number, selection_of
from signals_app.terminal.facts import facts_of, is_paused
from signals_app.terminal.screen import Options, Subcommand, Terminal, stamp

HEADS = ("delivery", "state", "queue", "receiver", "attempts", "waited", "ran", "handed off")


def _add_arguments(parser: ArgumentParser) -> None:
    add_filters(parser)
    parser.add_argument("--limit", type=number, default=20, metavar="N", help="how many, the newest; 20 by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(options: Options, terminal: Terminal) -> None:
    limit, now, pauses = options["limit"], timezone.now(), ledger.pauses()
    found = list(selection_of(options).newest().defer("payload")[: limit + 1])
    shown, more = found[:limit], len(found) > limit
    if options["json"]:
        terminal.json({"deliveries": [facts_of(one, pauses, now=now) for one in shown], "more": more})
        return
    if not found:
        terminal.line("No delivery matches.")
        return
    terminal.table(HEADS, [_row(one, pauses, now) for one in shown])
    if more:
        terminal.line(f"There are more than these {limit}; --limit shows more.")


def _row(one: Delivery, pauses: list[Pause], now: datetime) -> tuple[str, ...]:
    marks = [" paused"] if is_paused(one, pauses) else []
    marks += [" unroutable"] if one.unroutable else []
    is_later = one.state == State.READY and one.due_at > now
    return (
        f"#{one.pk}",
        one.state + "".join(marks),
        one.queue,
        one.receiver,
        f"{one.attempts}/{one.max_attempts}",
        until(one.due_at, now) if is_later else written(waited(one, now)),
        written(ran(one, now)),
        stamp(one.enqueued_at),
    )


LIST = Subcommand(name="list", help="print deliveries, newest first", add_arguments=_add_arguments, run=_run)
