"""The subcommands that list deliveries and show one."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from signals_app import ledger
from signals_app.console.formatting import (
    process_name,
    ran,
    readable_name,
    readable_payload,
    trace_id,
    until,
    waited,
    written,
)
from signals_app.console.queries import Selection
from signals_app.console.terminal.choosing import add_filters, delivery_id, number, selection_of
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, stamp
from signals_app.models import Attempt, Delivery, Pause, PauseKind, State
from signals_app.redaction import masked, masked_text
from signals_app.redaction.records import one_record

_TEXTS = ("state", "receiver", "signal", "queue", "priority", "attempts", "max_attempts", "losses")
_MOMENTS = ("enqueued_at", "due_at", "started_at", "finished_at", "lease_until")


def facts_of(delivery: Delivery, pauses: list[Pause], *, now: datetime) -> dict[str, Any]:
    """Return what there is to know of a delivery, but its payload and attempts; durations are in seconds."""
    return {
        "id": delivery.pk,
        "emission": str(delivery.emission),
        "trace_id": trace_id(delivery.trace),
        **{name: getattr(delivery, name) for name in _TEXTS},
        "sender": readable_name(delivery.sender),
        "sent_by": delivery.sent_by,
        "sent_from": readable_name(delivery.sent_from),
        "depth": delivery.depth,
        "context": readable_payload(delivery.context, indent=None),
        **{name: _iso(getattr(delivery, name)) for name in _MOMENTS},
        "waited": _seconds(waited(delivery, now)),
        "ran": _seconds(ran(delivery, now)),
        "progress": [delivery.progress_done, delivery.progress_total],
        "process": process_name(delivery.owner),
        "unroutable": delivery.unroutable,
        "paused": is_paused(delivery, pauses),
    }


def payload_of(delivery: Delivery) -> Any:
    """Return the payload with its secrets masked; as text, where it is no JSON."""
    try:
        return masked(json.loads(delivery.payload))
    except (ValueError, RecursionError):
        return masked_text(delivery.payload)


def attempt_facts(attempt: Attempt) -> dict[str, Any]:
    """Return what there is to know of an attempt that ended badly, with secrets masked."""
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "process": process_name(attempt.owner),
        "started_at": _iso(attempt.started_at),
        "finished_at": _iso(attempt.finished_at),
        "error_class": attempt.error_class,
        "message": masked_text(attempt.message),
        "traceback": masked_text(attempt.traceback),
    }


def is_paused(delivery: Delivery, pauses: list[Pause]) -> bool:
    """Tell whether a delivery waits for the end of a pause."""
    names = {(PauseKind.QUEUE.value, delivery.queue), (PauseKind.RECEIVER.value, delivery.receiver)}
    return delivery.state == State.READY and any((pause.kind, pause.name) in names for pause in pauses)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


HEADS = ("delivery", "state", "queue", "receiver", "attempts", "waited", "ran", "handed off")


def _add_list_arguments(parser: ArgumentParser) -> None:
    add_filters(parser)
    parser.add_argument("--limit", type=number, default=20, metavar="N", help="how many, the newest; 20 by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _list(options: Options, terminal: Terminal) -> None:
    limit, now, pauses = options["limit"], timezone.now(), ledger.pauses()
    found = list(selection_of(options).newest().defer("payload")[: limit + 1])
    shown, more = found[:limit], len(found) > limit
    if options["json"]:
        terminal.json({"deliveries": [facts_of(one, pauses, now=now) for one in shown], "more": more})
        return
    if not found:
        terminal.line("No delivery matches.")
        return
    terminal.table(HEADS, [_row(one, pauses, now) for one in shown])
    if more:
        terminal.line(f"There are more than these {limit}; --limit shows more.")


def _row(one: Delivery, pauses: list[Pause], now: datetime) -> tuple[str, ...]:
    marks = [" paused"] if is_paused(one, pauses) else []
    marks += [" unroutable"] if one.unroutable else []
    is_later = one.state == State.READY and one.due_at > now
    return (
        f"#{one.pk}",
        one.state + "".join(marks),
        one.queue,
        one.receiver,
        f"{one.attempts}/{one.max_attempts}",
        until(one.due_at, now) if is_later else written(waited(one, now)),
        written(ran(one, now)),
        stamp(one.enqueued_at),
    )


LIST = Subcommand(name="list", help="print deliveries, newest first", add_arguments=_add_list_arguments, run=_list)


SHOWN = 25  # attempts, and other deliveries of the emission


def _add_show_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=delivery_id, metavar="ID", help="a delivery: 42 or #42")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _show(options: Options, terminal: Terminal) -> None:
    delivery = Selection(ids=(options["id"],)).rows().first()
    if delivery is None:
        raise CommandError(f"There is no delivery #{options['id']}.")
    alias = delivery._state.db  # not a replica, which may be behind
    attempts = list(delivery.failed_attempts.using(alias).order_by("-number", "-pk")[:SHOWN])[::-1]
    others = Delivery.objects.using(alias).filter(emission=delivery.emission).exclude(pk=delivery.pk)
    siblings = list(others.defer("payload").order_by("pk")[:SHOWN])
    facts = facts_of(delivery, ledger.pauses(), now=timezone.now())
    if options["json"]:
        facts |= {"payload": payload_of(delivery), "failed_attempts": [attempt_facts(one) for one in attempts]}
        facts["same_emission"] = [{"id": one.pk, "receiver": one.receiver, "state": one.state} for one in siblings]
        terminal.json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        terminal.line(f"{name.replace('_', ' '):<{width}}  {_said(value)}")
    terminal.line()
    terminal.text(readable_payload(delivery.payload))
    for attempt in attempts:
        _tell(attempt, terminal)
    for one in siblings:
        terminal.line()
        terminal.line(f"Of the same emission: #{one.pk} {one.receiver} {one.state}")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "/".join(map(str, value))
    return "-" if value in (None, "") else str(value)


def _tell(attempt: Attempt, terminal: Terminal) -> None:
    process = process_name(attempt.owner)
    terminal.line()
    terminal.line(f"Attempt {attempt.number}: {attempt.outcome} {attempt.error_class} ({process})")
    for text in filter(None, (attempt.message, attempt.traceback)):
        terminal.text(one_record(f"\n{masked_text(text.rstrip())}").lstrip("\n"))


SHOW = Subcommand(name="show", help="print all of one delivery", add_arguments=_add_show_arguments, run=_show)
