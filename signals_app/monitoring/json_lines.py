"""Log records as JSON, one object in one line, for whatever collects logs.

Our own forty lines: a library for it would be another dependency of every project, for what ``json.dumps`` does.
"""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from typing import Any

from signals_app.redaction import masked, masked_text

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes ``time`` (UTC), ``level``, ``logger``, ``process``, ``message``, and each field given as ``extra``.

    Everything but ASCII is escaped, so no text in it can end the line, begin another or steer a terminal, and secrets
    are masked. An exception is in ``exception``, as text. What JSON does not have is written as its ``str()``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": masked_text(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                fields.setdefault(name, masked(_plain(value), name=name))
        if record.exc_info:
            fields["exception"] = masked_text(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack"] = masked_text(self.formatStack(record.stack_info))
        return json.dumps(fields)


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
