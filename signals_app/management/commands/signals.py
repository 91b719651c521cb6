"""``manage.py signals``: the signals map in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from signals_app.console.formatting import stamp
from signals_app.console.signals_map.graph import COUNTED, Mark, Row, SignalsMap, signals_map
from signals_app.console.terminal import Terminal


class Command(BaseCommand):
    help = "Prints every signal of the project, its receivers, and the last day's deliveries of those that are queued."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what the page in the admin takes."""
        marks = [mark.value for mark in Mark]
        parser.add_argument("--show", choices=marks, help="only what is marked so")
        parser.add_argument("--all", action="store_true", help="also signals that only libraries send and hear")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead, with everything")

    def handle(self, *args: Any, **options: Any) -> None:
        with Terminal.of(self, as_json=options["json"]) as terminal:
            found, show = signals_map(), options["show"]
            if show:
                found = found.marked(Mark(show))
            terminal.tell(lambda: asdict(found), lambda: _lines(found, show, with_foreign=options["all"]))


_DEEP = " " * 10  # beneath the name of a receiver


def _lines(whole: SignalsMap, show: str | None, *, with_foreign: bool) -> Iterator[str]:
    if show and not whole.count(Mark(show)):
        yield f"Nothing has the mark {show}."
    shown = [signal for signal in whole.signals if with_foreign or not signal.is_foreign]
    for signal in shown:
        yield _spaced(signal.name, signal.place, _brackets(signal.marks))
        yield from (f"  sent by the clock  {text}" for text in signal.schedules)
        for row in signal.receivers:
            name = row.receiver or "a receiver that is gone"
            yield f"  {_spaced(f'{row.kind.value:<6}', name, row.place, _brackets(row.marks))}"
            if how := ", ".join(row.how()):
                yield _DEEP + how
            yield from _queued(row)
        if not signal.receivers:
            yield "  no receiver"
        yield ""
    yield from _loose("Connected to no signal:", whole.unconnected)
    yield from _loose("Deliveries for receivers that are not connected in this process:", whole.unexplained)
    cut = "" if whole.is_whole_day else f", the newest {COUNTED} of the day"
    yield f"Deliveries that ended are counted from {stamp(whole.since)}{cut}."
    if left_out := len(whole.signals) - len(shown):
        yield f"{left_out} signals of libraries are left out; --all shows them."


def _loose(title: str, rows: tuple[Row, ...]) -> Iterator[str]:
    if rows:
        yield title
        for row in rows:
            signal = f"{row.signal} →" if row.signal else ""
            yield f"  {_spaced('queued', signal, row.receiver, row.place, _brackets(row.marks))}"
            yield from _queued(row)
        yield ""


def _queued(row: Row) -> Iterator[str]:
    if given := " ".join(row.texts(given=True)):
        yield _DEEP + given
    if row.counts:
        counted = [f"{number} {name}" for name, number in asdict(row.counts).items() if number]
        yield _DEEP + ", ".join("1 run" if one == "1 runs" else one for one in counted)


def _brackets(marks: Iterable[Mark]) -> str:
    return " ".join(f"[{mark.label}]" for mark in marks)


def _spaced(*parts: object) -> str:
    return "  ".join(str(part) for part in parts if part)
