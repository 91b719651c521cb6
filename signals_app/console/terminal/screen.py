"""What is printed, and asking at a terminal."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import Error

from signals_app import ledger
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery
from signals_app.redaction.logs import one_line, without_controls

Options = Mapping[str, Any]

_TYPED = str.maketrans("\N{NO-BREAK SPACE}\N{EN DASH}", " -")  # what every terminal can show
_MOST_WRAPPED = 2  # lines of a terminal that a row of a table may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One of ``manage.py deliveries``. ``run`` may raise CommandError and OperationRefused; all take ``--json``."""

    name: str
    help: str
    run: Callable[[Options, Terminal], None]
    add_arguments: Callable[[ArgumentParser], None] = lambda parser: None


class Text(str):
    """What is printed as it is, in several lines; any other string is one line, whatever names are in it."""

    __slots__ = ()


class Terminal:
    """Where a subcommand prints and asks. What it prints holds no control characters, whoever wrote it."""

    def __init__(self, out: OutputWrapper, asks: OutputWrapper, *, as_json: bool) -> None:
        self._out, self._asks, self._as_json = out, asks, as_json

    @classmethod
    @contextmanager
    def of(cls, command: BaseCommand, *, as_json: bool) -> Iterator[Terminal]:
        """Give a command its terminal. Errors are told in one sentence; whoever reads along may go at any time."""
        stream = command.stdout._out
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        try:
            yield cls(command.stdout, command.stderr, as_json=as_json)
            command.stdout.flush()
        except OperationRefused as error:
            raise CommandError(str(error)) from None
        except UnicodeEncodeError as error:
            if not any("\ud800" <= sign <= "\udfff" for sign in error.object):
                raise
            # bytes on the command line
            raise CommandError(f"{error.object!a} is not UTF-8, so no name in the database is like it.") from None
        except Error as error:
            if missing := ledger.missing_tables(Delivery):
                raise CommandError(missing) from None
            raise CommandError(f"The database does not answer as it should: {str(error).strip()}") from error
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
            sys.exit(1)

    def tell(self, facts: Callable[[], object], lines: Callable[[], Iterable[str]]) -> None:
        """Print facts as JSON, in ASCII, where ``--json`` asks for that, and lines elsewhere."""
        if self._as_json:
            self._out.write(json.dumps(facts(), indent=2, default=plain))
        else:
            for line in lines():
                is_text = isinstance(line, Text)
                self._out.write(without_controls(line).translate(_TYPED) if is_text else _line(line))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
        """Return the lines of a table; where it is much wider than the terminal, a line for each cell."""
        lines = _table(heads, rows)
        if self._out.isatty() and max(map(len, lines)) > _MOST_WRAPPED * shutil.get_terminal_size().columns:
            return list(_cells(heads, rows))
        return lines

    def agrees(self, options: Options, question: str) -> bool:
        """Tell whether to go on: by ``--yes``, or by an answer, which is asked for beside what is printed.

        Raises CommandError where there is no terminal to ask at.
        """
        if options["yes"]:
            return True
        if not sys.stdin.isatty():
            raise CommandError("Not a terminal. Say --yes to do it, or --dry-run to see what would be done.")
        self._asks.write(_line(f"{question} [y/N] "), str, ending="")
        self._asks.flush()
        agreed = sys.stdin.readline().strip().lower() in ("y", "yes")
        if not agreed:
            self._asks.write("Nothing was changed.", str)
        return agreed


def plain(value: object) -> object:
    """Return what JSON has for a value: ISO 8601 for a moment, seconds for a duration."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _line(text: str) -> str:
    return one_line(text.translate(_TYPED))


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [heads, *([_line(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(heads))]
    right = {n for n in range(len(heads)) if rows and all(isinstance(row[n], int) for row in rows)}
    return [
        "  ".join(
            cell.rjust(width) if n in right else cell.ljust(width) for n, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in cells)
    ]


def _cells(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    width = max(map(len, heads))
    for row in rows:
        yield str(row[0])
        yield from (f"  {head:<{width}}  {cell}" for head, cell in zip(heads[1:], row[1:], strict=True))


def add_assent(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
