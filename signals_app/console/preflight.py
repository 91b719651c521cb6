"""Whether this code can run what waits, found out without running it."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

from signals_app import ledger, payloads
from signals_app.dispatcher import registry
from signals_app.dispatcher.context import read_context
from signals_app.exceptions import PayloadError
from signals_app.models import Delivery, State
from signals_app.payloads import names
from signals_app.redaction import masked_text

BATCH = 500  # deliveries that one query reads, each with a payload
NAMED = 5  # deliveries of each kind of break, the first
MOST = 1_000  # kinds of break that are told apart; beyond, those at one place of one receiver are one

_WAITING = (State.READY, State.RUNNING)
_STEPS = re.compile(r"\[[^\]]*\]")  # which item it is differs from payload to payload


@dataclass(slots=True, kw_only=True)
class Break:
    """What deliveries of one receiver have in common that this code cannot run; ``path`` is that of the first."""

    receiver: str
    path: str
    problem: str
    count: int = 0
    ids: list[int] = field(default_factory=list)


def preflight() -> tuple[int, list[Break]]:
    """Check everything that waits or runs; return how much that is, and what does not fit, the most frequent first.

    Runs no receiver, and fetches no object that a payload refers to. Only the first break of a delivery is told.
    """
    rows, checked = Delivery.objects.using(ledger.connection().alias), 0
    found: dict[tuple[str, ...], Break] = {}
    signals = cache(names.find_signal)
    # the ids first: by the indexes of what waits, whatever lies between them that is done
    each = (rows.filter(state=state).order_by().values_list("pk", flat=True).iterator() for state in _WAITING)
    ids = array("q", sorted(chain.from_iterable(each)))
    columns = ("pk", "receiver", "signal", "payload", "context")
    for start in range(0, len(ids), BATCH):
        batch = rows.filter(pk__in=ids[start : start + BATCH], state__in=_WAITING).order_by("pk")
        for pk, receiver, signal, payload, context in batch.values_list(*columns):
            checked += 1
            if wrong := _wrong(receiver, signal, payload, context, signals):
                _add(found, pk, receiver, *wrong)
    return checked, sorted(found.values(), key=lambda one: (-one.count, one.receiver, one.path))


def _wrong(key: str, signal: str, payload: Any, context: Any, signals: Any) -> tuple[str, str] | None:
    """Return where in a delivery something does not fit, and what; None where all does."""
    receiver = registry.get(key)
    if receiver is None:
        return "receiver", "No receiver here has this key. Keep the old one, or reassign the deliveries."
    if signal and signals(signal) is None:
        return "signal", f"There is no signal {signal}, and the receiver gets None for it."
    try:
        if context:
            read_context(context)
    except Exception as error:  # whatever the import of the project's context raises
        return "context", str(error)
    try:
        arguments = payloads.decode_arguments(payload, only_check=True).arguments
    except PayloadError as error:
        return error.path or "payload", str(error).removeprefix(f"The payload is malformed: {error.path} ")
    except Exception as error:  # of a row that holds no text, or from the code of a field
        return "payload", f"{type(error).__name__}: {error}"
    if name := receiver.lacks(arguments):
        has = ", ".join(arguments) or "none"
        return name, f"The parameter has no default value, and the delivery has no such argument. It has: {has}."
    return None


def _add(found: dict[tuple[str, ...], Break], pk: int, receiver: str, path: str, problem: str) -> None:
    place, kind = _STEPS.sub("[]", path), _STEPS.sub("[]", problem)
    key = (receiver, place, kind)
    if key not in found and len(found) >= MOST:
        key = (receiver, place, "")
    if key not in found:
        found[key] = Break(receiver=receiver, path=path, problem=masked_text(problem))
    one = found[key]
    one.count += 1
    if len(one.ids) < NAMED:
        one.ids.append(pk)
