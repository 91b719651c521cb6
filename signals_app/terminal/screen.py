"""What the subcommands are, and what they print to: lines, tables, JSON, a question, a screen that is drawn anew."""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from signals_app.logs import without_controls

Options = Mapping[str, Any]

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the other screen, without a cursor; and back
_TOP, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One of ``manage.py deliveries``. ``run`` may raise CommandError and OperationRefused."""

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Options, Terminal], None]


class Terminal:
    """Where a subcommand prints and asks. What it prints holds no control characters, whoever wrote it."""

    def __init__(self, out: OutputWrapper, source: TextIO) -> None:
        self._out = out
        self._source = source

    @property
    def is_live(self) -> bool:
        """Whether somebody looks at it, rather than a pipe or a file."""
        return self._out.isatty()

    def line(self, text: str = "") -> None:
        """Print a line, or several."""
        self._out.write(without_controls(text))

    def json(self, value: object) -> None:
        """Print a value as JSON, in ASCII."""
        self._out.write(json.dumps(value, indent=2, default=str))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table."""
        for line in table(heads, rows):
            self.line(line)

    def agree(self, question: str) -> bool:
        """Ask a question that is to be answered with yes or no. Raises CommandError where nobody can be asked."""
        if not self._source.isatty():
            raise CommandError("Nobody can be asked here. Say --yes to do it, or --dry-run to see what would be done.")
        self._out.write(without_controls(f"{question} [y/N] "), ending="")
        self._out.flush()
        return self._source.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def drawing(self) -> Iterator[Callable[[Sequence[str]], None]]:
        """Give a function that shows lines in place of the last ones; without a live terminal, below them."""
        if not self.is_live:
            yield lambda lines: self.line("\n".join(lines))
            return
        self._raw(_ENTER)
        try:
            yield self._draw
        finally:
            self._raw(_LEAVE)

    def _draw(self, lines: Sequence[str]) -> None:
        width, height = shutil.get_terminal_size()
        shown = [without_controls(line)[:width] for line in lines[: height - 1]]
        self._raw(_TOP + "".join(f"{line}{_REST_OF_LINE}\n" for line in shown) + _REST)

    def _raw(self, text: str) -> None:
        self._out.write(text, ending="")
        self._out.flush()


def stamp(moment: datetime) -> str:
    """Return a moment to the second, in the project's time zone."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return f"{local:%Y-%m-%d %H:%M:%S}"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table; numbers stand to the right."""
    cells = [heads, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(heads))]
    right = {n for n in range(len(heads)) if rows and all(isinstance(row[n], int) for row in rows)}
    return [
        "  ".join(
            cell.rjust(width) if n in right else cell.ljust(width) for n, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in cells)
    ]
