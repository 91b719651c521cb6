"""What a check said."""

from __future__ import annotations

from collections.abc import Iterable

from django.core import checks
from django.core.checks import CheckMessage


def assert_said(found: Iterable[CheckMessage], identity: str, *parts: str) -> None:
    """Assert that it is one message, an error or a warning by its id, with a hint, and that these parts are in it."""
    (message,) = found
    assert message.id == f"signals_app.{identity}"
    assert type(message) is {"E": checks.Error, "W": checks.Warning}[identity[0]]
    assert message.hint
    for part in parts:
        assert part in f"{message.msg} {message.hint}"
