"""What ``SIGNALS_APP["CONTEXT"]`` carries from a send to its receivers, such as the tenant or the language."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, Protocol

from django.utils.module_loading import import_string

from signals_app.conf import conf
from signals_app.exceptions import PayloadError, PayloadTooLarge, SignalsAppError


class Context(Protocol):
    """What ``SIGNALS_APP["CONTEXT"]`` names: a class that is called without arguments, once in a process."""

    def capture(self) -> Any:
        """Return, at a send, what to remember: None, bool, int, float, str, lists, and dicts whose keys are str."""

    def restore(self, value: Any, /) -> AbstractContextManager[object]:
        """Return, in the worker, what holds for the block in which arguments are fetched and the receiver runs."""


@cache
def context_of(path: str) -> Context:
    """Return the project's context. Raises ImportError where the path leads nowhere."""
    made: Context = import_string(path)()
    return made


def captured() -> str:
    """Return the context of a send as JSON text, "" where the project has none.

    Raises what ``capture()`` raises, and PayloadError for what JSON would not give back as it is.
    """
    path = conf.context
    if not path:
        return ""
    value = context_of(path).capture()
    try:
        text = json.dumps(value, allow_nan=False)
        is_kept = json.loads(text) == value
    except (TypeError, ValueError, RecursionError):
        is_kept = False
    if not is_kept:
        raise PayloadError(
            f"capture() of {path} returned a {type(value).__qualname__} that JSON does not give back as it is. "
            "Return None, bool, int, float, str, or lists and dicts of them, with keys that are str."
        )
    if len(text) > conf.max_payload:
        raise PayloadTooLarge(
            f'capture() of {path} returned {len(text):,} bytes of JSON and SIGNALS_APP["MAX_PAYLOAD"] allows '
            f"{conf.max_payload:,}. Return a key by which restore() finds the rest."
        )
    return text


def restored(text: str) -> AbstractContextManager[object]:
    """Return the context in which a delivery is to run. Raises SignalsAppError where this process cannot enter it."""
    if not text:
        return nullcontext()
    context, value = read_context(text)
    return context.restore(value)


def read_context(text: str) -> tuple[Context, Any]:
    """Return the project's context and what it captured. Raises SignalsAppError, ImportError and ValueError."""
    if not conf.context:
        raise SignalsAppError(
            'This delivery was sent in a context, and SIGNALS_APP["CONTEXT"] names none here. '
            "Give the cluster the settings of the sender, and retry."
        )
    return context_of(conf.context), json.loads(text)
