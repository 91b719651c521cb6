"""The app's loggers. Text from outside, such as an error's message, cannot pass for a record of its own in a log.

Its line ends are followed by a mark, its control characters and those that change the direction of writing become
escapes, and its secrets are masked. This is done to the record itself, so it holds under any formatter.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import traceback
from concurrent import futures
from typing import Any

import asgiref

from signals_app.redaction import beginning, ending

LONGEST = 20_000  # characters kept of a text, and of a traceback

UNPRINTABLE = "(an error that cannot be printed)"

# files of whatever stands between a worker and its receiver; those of libraries where that is a coroutine
_CALLERS = (
    os.path.join(os.path.dirname(os.path.dirname(__file__)), "worker", ""),
    *(os.path.join(module.__path__[0], "") for module in (asyncio, asgiref, futures)),
)
_LINE_END = re.compile(r"\r?\n(?!  \| )")
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


def one_record(text: str) -> str:
    """Return text whose lines after the first begin with ``  | `` and whose control characters are escapes."""
    return without_controls(_LINE_END.sub("\n  | ", text))


def one_line(text: str) -> str:
    """Return text on one line: what is not printable, such as a line end, becomes an escape."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def without_controls(text: str) -> str:
    """Return text that is safe to print in a terminal: control characters but line ends and tabs become escapes."""
    return _CONTROLS.sub(lambda found: _escaped(found[0]), text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def get_logger(name: str) -> logging.Logger:
    """Return a logger of the app; any text that it logs stays within its record."""
    logger = logging.getLogger(name)
    logger.addFilter(_keep_within)
    return logger


def _keep_within(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_harmless, record.args))
    elif record.args:  # one mapping, for a line that names its fields
        record.args = {name: _harmless(value) for name, value in record.args.items()}
    if record.exc_info and not record.exc_text:  # a formatter takes the text that is there already
        error = record.exc_info[1]
        written = traceback_of(error) if error else ""
        record.exc_text = one_record(f"\n{written.rstrip()}").lstrip("\n")
    return True


def traceback_of(error: BaseException) -> str:
    """Return the end of an error's traceback, which says what happened, secrets masked.

    It begins at the receiver, where the error is one's, and not at the worker that called it. It has no values of
    variables, so none that ``sensitive_variables`` names. Printing the error may raise anything, even what is no
    Exception.
    """
    begin = error.__traceback__
    while begin and begin.tb_frame.f_code.co_filename.startswith(_CALLERS):
        begin = begin.tb_next
    begin = begin or error.__traceback__
    try:
        text = "".join(traceback.format_exception(type(error), error, begin))
    except BaseException:
        text = "".join([*traceback.format_tb(begin), UNPRINTABLE])
    return ending(text, LONGEST)


def _harmless(value: Any) -> Any:
    if not issubclass(type(value), str | BaseException):
        return value
    try:
        text = "".join((str(value),))
    except BaseException:
        text = UNPRINTABLE
    return one_record(beginning(text, LONGEST))
