"""Many sends at once, whose deliveries are written together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.dispatch import Signal

from signals_app.ledger import BATCH, bulk

__all__ = ["bulk", "send_each", "send_for"]

Progress = Callable[[int], object]


def send_each(
    signal: Signal, sender: object, arguments: Iterable[Mapping[str, Any]], *, progress: Progress | None = None
) -> int:
    """Send a signal once with each of these arguments, all in one ``bulk()``; return how often.

    What is passed is read as it is sent and not kept: a generator of a million takes no more memory than one of a
    thousand. ``progress`` is called with the number of sends so far, every 500 and at the end.
    """
    return _send(signal, ((sender, one) for one in arguments), progress)


def send_for(
    instances: QuerySet[Any] | Iterable[Model],
    signal: Signal,
    *,
    name: str = "instance",
    progress: Progress | None = None,
) -> int:
    """Send a signal for each of these instances: its class is the sender, and it is the argument ``name``.

    ``bulk_create()`` and ``update()`` send nothing by themselves. A queryset is read in parts, whether or not it was
    read before. Returns how often it sent.
    """
    found = instances.iterator(chunk_size=BATCH) if isinstance(instances, QuerySet) else instances
    return _send(signal, ((type(one), {name: one}) for one in found), progress)


def _send(signal: Signal, calls: Iterable[tuple[Any, Mapping[str, Any]]], progress: Progress | None) -> int:
    done = 0
    with bulk():
        for sender, arguments in calls:
            try:
                signal.send(sender, **arguments)
            except Exception as error:
                error.add_note(f"send_each() and send_for() send all or none; this was number {done + 1:,}.")
                raise
            done += 1
            if progress and not done % BATCH:
                progress(done)
    if progress and done % BATCH:
        progress(done)
    return done
