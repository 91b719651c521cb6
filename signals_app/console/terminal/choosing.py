"""Which deliveries a subcommand is about: ids and the filters of the admin's list."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from signals_app.console import queries
from signals_app.console.operations import QUEUE, RECEIVER
from signals_app.console.queries import Selection, Waiting, row_number
from signals_app.console.terminal.screen import Options
from signals_app.models import State

_AGE = re.compile(r"([0-9]+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_filters(parser: ArgumentParser) -> None:
    """Take what ``selection_of`` reads, under the names of Selection's fields."""
    take = parser.add_argument
    states = [state.value for state in State]
    take("ids", nargs="*", type=delivery_id, metavar="ID", help="a delivery: 42 or #42")
    take("--state", dest="states", action="append", default=[], type=str.upper, choices=states, help="repeatable")
    take("--receiver", default="", help="by its key")
    take("--signal", default="", help="by its name")
    take("--queue", default="", help="by its name")
    take("--error", dest="error_class", default="", metavar="CLASS", help="of its last attempt: builtins.ValueError")
    take("--attempts", type=count, default=0, metavar="N", help="made at least so many")
    take("--since", type=moment, metavar="WHEN", help="enqueued then or later: 2h, 3d, 2026-11-23T12:00")
    take("--until", type=moment, metavar="WHEN", help="enqueued before")
    take("--ended", type=moment, metavar="WHEN", help="ended then or later")
    take("--search", default="", metavar="TEXT", help="what the admin's search finds")
    take("--waiting", default="", choices=Waiting.values, help="ready, and has not begun for this reason")
    take("--unroutable", action="store_true", help="waits for a receiver that no worker knows")
    take("--blocking", action="store_true", help="has failed, and its lane waits for it")
    take("--batch", default=0, type=delivery_id, metavar="N", help="a member of that batch")
    take("--long", action="store_true", help="has been running for over a minute")


def selection_of(options: Options) -> Selection:
    """Read a selection. Raises OperationRefused for a queue or a receiver that nobody and no delivery knows."""
    for target, column in ((QUEUE, "queue"), (RECEIVER, "receiver")):
        name = options[column]
        if name and name not in target.names() and not Selection(**{column: name}).rows().exists():
            target.require(name)
    given: dict[str, Any] = {field.name: options[field.name] for field in fields(Selection)}
    return Selection(**given | {name: tuple(value) for name, value in given.items() if isinstance(value, list)})


def delivery_id(text: str) -> int:
    found = row_number(text.removeprefix("#"))
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not the id of a delivery, such as 42 or #42.")
    return found


def moment(text: str) -> datetime:
    """Read an age, or a date and perhaps a time in the project's time zone."""
    read = queries.moment(text)
    with suppress(ArgumentTypeError, OverflowError):
        read = timezone.now() - span(text)
    if read is None:
        raise ArgumentTypeError(
            f"{text!r} is neither an age such as 15m, 2h or 3d nor a date such as 2026-11-23T12:00."
        )
    return read


def span(text: str) -> timedelta:
    if age := _AGE.fullmatch(text):
        with suppress(OverflowError):
            return timedelta(**{_UNITS[age[2]]: int(age[1])})
    raise ArgumentTypeError(f"{text!r} is no span of time such as 15m, 2h or 3d.")


def count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ArgumentTypeError(f"{text!r} is not a whole number.")
    return int(text)


def number(text: str) -> int:
    if not (counted := count(text)):
        raise ArgumentTypeError(f"{text!r} is not 1 or more.")
    return counted


def percent(text: str) -> int:
    if (read := count(text)) > 100:
        raise ArgumentTypeError(f"{text!r} is more than 100 percent.")
    return read
