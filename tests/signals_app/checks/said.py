"""What a check said, in a form that tests can compare."""

from __future__ import annotations

from collections.abc import Iterable

from django.core import checks
from django.core.checks import CheckMessage


def said(messages: Iterable[CheckMessage]) -> list[tuple[str, str, str | None]]:
    """Return id, message and hint of each; its id tells whether it is an error or a warning."""
    found = list(messages)
    for message in found:
        assert (
            type(message) is {"E": checks.Error, "W": checks.Warning}[str(message.id).removeprefix("signals_app.")[0]]
        )
    return [(str(message.id), message.msg, message.hint) for message in found]
