"""What stands on the terminal, and asking there."""

from __future__ import annotations

import getpass
import io
import json
import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TextIO

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import Error
from django.utils import timezone

from signals_app.console.operations import Operator
from signals_app.exceptions import OperationRefused
from signals_app.redaction.records import one_line, without_controls

Options = Mapping[str, Any]

_TYPED = str.maketrans("\N{NO-BREAK SPACE}\N{EN DASH}", " -")  # what every terminal can show
_MOST_WRAPPED = 2  # lines of a terminal that a row of a table may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One of ``manage.py deliveries``. ``run`` may raise CommandError and OperationRefused."""

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Options, Terminal], None]


class Terminal:
    """Where a subcommand prints and asks. What it prints holds no control characters, whoever wrote it."""

    def __init__(self, out: OutputWrapper, asks: OutputWrapper, source: TextIO) -> None:
        self._out = out
        self._asks = asks
        self._source = source

    @classmethod
    @contextmanager
    def of(cls, command: BaseCommand) -> Iterator[Terminal]:
        """Give a command its terminal. What it cannot do is one sentence; whoever reads along may go at any time."""
        stream = command.stdout._out
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        try:
            yield cls(command.stdout, command.stderr, sys.stdin)
            command.stdout.flush()
        except OperationRefused as error:
            raise CommandError(str(error)) from None
        except UnicodeEncodeError as error:
            if not any("\ud800" <= sign <= "\udfff" for sign in error.object):
                raise
            # bytes on the command line
            raise CommandError(f"{error.object!a} is not UTF-8, so no name in the database is like it.") from None
        except Error as error:
            raise CommandError(f"The database does not answer as it should: {str(error).strip()}") from error
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
            sys.exit(1)

    @property
    def is_live(self) -> bool:
        """Whether somebody looks at it, rather than a pipe or a file."""
        return self._out.isatty()

    def line(self, text: str = "") -> None:
        """Print one line, whatever names are in it."""
        self._out.write(_line(text))

    def text(self, text: str) -> None:
        """Print a text of several lines."""
        self._out.write(without_controls(text).translate(_TYPED))

    def json(self, value: object) -> None:
        """Print a value as JSON, in ASCII; moments are ISO 8601, durations are in seconds."""
        self._out.write(json.dumps(value, indent=2, default=_plain))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table."""
        for line in self.fitted(heads, rows):
            self.line(line)

    def fitted(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
        """Return the lines of a table; where it is much wider than the terminal, a line for each cell."""
        lines = table(heads, rows)
        if self.is_live and max(map(len, lines)) > _MOST_WRAPPED * shutil.get_terminal_size().columns:
            return list(_cells(heads, rows))
        return lines

    def agree(self, question: str) -> bool:
        """Ask whether to go on, beside what is printed. Raises CommandError where nobody can be asked."""
        if not self._source.isatty():
            raise CommandError("Nobody can be asked here. Say --yes to do it, or --dry-run to see what would be done.")
        self._asks.write(_line(f"{question} [y/N] "), str, ending="")
        self._asks.flush()
        agreed = self._source.readline().strip().lower() in ("y", "yes")
        if not agreed:
            self._asks.write("Nothing was changed.", str)
        return agreed


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _line(text: str) -> str:
    return one_line(text.translate(_TYPED))


def stamp(moment: datetime) -> str:
    """Return a moment to the second, in the project's time zone."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return f"{local:%Y-%m-%d %H:%M:%S}"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table; numbers stand to the right."""
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
    """Take ``--dry-run`` and ``--yes``."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can be asked")


def add_operator(parser: ArgumentParser) -> None:
    """Take ``--as``."""
    parser.add_argument("--as", dest="user", default="", metavar="USER", help="who does it, for the admin's history")


def assented(options: Options, terminal: Terminal, question: str) -> bool:
    """Tell whether to go on: because ``--yes`` was said, or whoever sits here says so."""
    return bool(options["yes"]) or terminal.agree(question)


def operator_of(options: Options, permission: str) -> Operator:
    """Return the user that ``--as`` names.

    Raises CommandError where there is none, or the user may not do it in the admin either. A project without the admin
    has no history that a user would be entered in; there ``--as`` may be left out.
    """
    if not options["user"]:
        if apps.is_installed("django.contrib.admin"):
            raise CommandError("Say who does it with --as USER: every change is entered in the admin's history.")
        return Operator(name=_login())
    user = _user(options["user"])
    if not user.is_active or not user.has_perm(permission):  # type: ignore[attr-defined]
        raise CommandError(f"{options['user']} may not do that: it takes the permission {permission}.")
    return Operator.of(user)


def _user(name: str) -> AbstractBaseUser:
    try:
        user: AbstractBaseUser = get_user_model()._default_manager.get_by_natural_key(name)
    except ImproperlyConfigured:
        raise CommandError("This project has no users: leave out --as.") from None
    except ObjectDoesNotExist:
        raise CommandError(f"There is no user {name!r}.") from None
    return user


def _login() -> str:
    try:
        return f"{getpass.getuser()} at a terminal"
    except (KeyError, OSError):  # a container may run under a user that has no name
        return "somebody at a terminal"
