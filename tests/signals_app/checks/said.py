"""What a check said, and what becomes of settings that its hint is pasted into."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from types import CodeType
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage
from django.test import override_settings

Check = Callable[[], Iterable[CheckMessage]]


def assert_said(found: Iterable[CheckMessage], identity: str, *parts: str) -> None:
    """Assert that it is one message, an error or a warning by its id, with a hint, and that these parts are in it."""
    (message,) = found
    assert message.id == f"signals_app.{identity}"
    assert type(message) is {"E": checks.Error, "W": checks.Warning}[identity[0]]
    assert message.hint
    for part in parts:
        assert part in f"{message.msg} {message.hint}"


def assert_mended(check: Check, settings: dict[str, Any], identity: str, *parts: str) -> None:
    """Assert what a check says of settings, and that it is content once its hint is pasted at their end."""
    mended = deepcopy(settings)
    with override_settings(**settings):
        found = [*check()]
        assert_said(found, identity, *parts)
        paste(found, mended)
    with override_settings(**mended):
        assert [*check()] == []


def paste(found: Iterable[CheckMessage], settings: dict[str, Any]) -> None:
    """Run the line that a message's hint has one write, at the end of these settings."""
    (message,) = found
    exec(_line(message.hint or ""), {}, settings)


def _line(hint: str) -> CodeType:
    """Return the code after the word "write": it ends at the first full stop or the like that leaves it whole."""
    written = re.split("[Ww]rite ", hint, maxsplit=1)[1]
    for end in re.finditer(r"[.,;:](?: |$)| for ", written):
        if "=" in (line := written[: end.start()]) or line.startswith("del "):
            with suppress(SyntaxError):
                return compile(line, "<hint>", "exec")
    raise AssertionError(f"Nothing in this hint can be pasted: {hint}")
