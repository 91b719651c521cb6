"""The subcommands that change nothing, from ``status`` to ``preflight``."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import Error
from django.utils import timezone

from signals_app import ledger
from signals_app.conf import conf
from signals_app.console.explaining import explain, last_failed
from signals_app.console.formatting import (
    pause_words,
    paused_by,
    process_name,
    ran,
    readable_name,
    readable_payload,
    stamp,
    standing,
    trace_id,
    waited,
    written,
)
from signals_app.console.preflight import preflight
from signals_app.console.queries import Selection, Waiting, ahead_of
from signals_app.console.terminal.choosing import add_filters, count, delivery_id, number, percent, selection_of
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, Text, plain
from signals_app.models import Attempt, Delivery, Pause, PauseKind, State
from signals_app.monitoring.health import failing, look, unroutable
from signals_app.redaction import masked, masked_text
from signals_app.redaction.logs import one_record

_ENDED = ("succeeded", "failed", "cancelled", "merged", "lost")
_OF_PAUSES = ("kind", "name", "since", "by", "reason", "until")


def _status(options: Options, terminal: Terminal) -> None:
    found, alive = ledger.current_stats(), Counter(one.queue for one in ledger.clusters() if one.is_alive)
    known = {queue.name: queue for queue in found.queues}
    queues = [known.get(name) or ledger.QueueStats(name=name) for name in sorted(known.keys() | alive.keys())]

    def as_json() -> dict[str, Any]:
        return {
            "queues": [asdict(queue) | {"clusters": alive[queue.name]} for queue in queues],
            "oldest_wait": found.oldest_wait,
            "last_hour": {name: getattr(found, name) for name in _ENDED},
            "pauses": [{name: getattr(pause, name) for name in _OF_PAUSES} for pause in found.pauses],
        }

    def lines() -> Iterator[str]:
        rows = []
        for one in queues:
            counts = (one.waiting, *(getattr(one, reason) for reason in Waiting.values))
            oldest = written(one.oldest_wait or None)
            rows.append((one.name, alive[one.name], *counts, oldest, one.running, one.long_running))
        heads = ("queue", "clusters", "waiting", *Waiting.values, "oldest", "running", "long")
        yield from terminal.table(heads, rows) if rows else ["No queue has work, and no cluster was seen."]
        yield ""
        ended = f"{found.succeeded} successful, {found.failed} failed, {found.cancelled} cancelled, "
        ended += f"{found.merged} merged"
        yield f"In the last hour: {ended}, {found.lost} lost {'attempt' if found.lost == 1 else 'attempts'}."
        for pause in found.pauses:
            yield f"Paused since {stamp(pause.since)}: {pause} {pause_words(pause)}".rstrip()

    terminal.tell(as_json, lines)


_TEXTS = (
    *("state", "merged_into", "receiver", "signal", "queue", "priority", "lane", "blocks_lane"),
    *("attempts", "max_attempts", "losses", "deferrals", "batch"),
)
_MOMENTS = ("enqueued_at", "waiting_since", "due_at", "started_at", "finished_at", "lease_until")


def _as_json(delivery: Delivery, pauses: list[Pause], now: datetime) -> dict[str, Any]:
    """Return what there is to know of a delivery, but its payload and attempts, with secrets masked."""
    return {
        "id": delivery.pk,
        "emission": str(delivery.emission),
        "trace_id": trace_id(delivery.trace),
        **{name: getattr(delivery, name) for name in _TEXTS},
        "coalesce_key": readable_name(delivery.coalesce_key),
        "sender": readable_name(delivery.sender),
        "sent_by": delivery.sent_by,
        "sent_from": readable_name(delivery.sent_from),
        "depth": delivery.depth,
        "context": readable_payload(delivery.context, indent=None),
        **{name: getattr(delivery, name) for name in _MOMENTS},
        "waited": waited(delivery, now),
        "ran": ran(delivery, now),
        "progress": [delivery.progress_done, delivery.progress_total],
        "process": process_name(delivery.owner),
        "unroutable": delivery.unroutable,
        "bucket": readable_name(delivery.bucket),
        "booked": delivery.booked,
        "paused": (waiting := Waiting.of(delivery, pauses, now)) == Waiting.PAUSED,
        "waiting": waiting,
    }


def _attempt_as_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "process": process_name(attempt.owner),
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "error_class": attempt.error_class,
        "message": masked_text(attempt.message),
        "traceback": masked_text(attempt.traceback),
    }


def _masked_json(text: str) -> Any:
    """Return a payload or a result with its secrets masked; as text, where it is no JSON."""
    try:
        return masked(json.loads(text))
    except (ValueError, RecursionError):
        return masked_text(text)


def _standing(delivery: Delivery, pauses: list[Pause], now: datetime) -> str:
    return f"{standing(delivery, pauses, now)[1]} {paused_by(delivery, pauses)}".strip()


def _add_list_arguments(parser: ArgumentParser) -> None:
    add_filters(parser)
    parser.add_argument("--limit", type=number, default=20, metavar="N", help="how many, the newest; 20 by default")


def _list(options: Options, terminal: Terminal) -> None:
    limit, now, pauses = options["limit"], timezone.now(), ledger.pauses()
    found = list(selection_of(options).newest().defer("payload", "result")[: limit + 1])
    shown, more = found[:limit], len(found) > limit

    def lines() -> Iterator[str]:
        heads = ("delivery", "state", "queue", "receiver", "attempts", "waited", "ran", "enqueued")
        rows = [
            (
                f"#{one.pk}",
                _standing(one, pauses, now),
                one.queue,
                one.receiver,
                f"{one.attempts}/{one.max_attempts}",
                written(waited(one, now)),
                written(ran(one, now)),
                stamp(one.enqueued_at),
            )
            for one in shown
        ]
        yield from terminal.table(heads, rows) if shown else ["No delivery matches."]
        if more:
            yield f"There are more than these {limit}; --limit shows more."

    terminal.tell(lambda: {"deliveries": [_as_json(one, pauses, now) for one in shown], "more": more}, lines)


SHOWN = 25  # attempts, and other deliveries of the emission


def _add_id(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=delivery_id, metavar="ID", help="a delivery: 42 or #42")


def _named(options: Options) -> tuple[Delivery, list[Attempt]]:
    """Return the delivery of an id and its newest attempts. Raises CommandError where there is none."""
    delivery = Selection(ids=(options["id"],)).rows().first()
    if delivery is None:
        raise CommandError(f"There is no delivery #{options['id']}.")
    alias = delivery._state.db  # not a replica, which may be behind
    return delivery, list(delivery.failed_attempts.using(alias).order_by("-number", "-pk")[:SHOWN])


def _explain(options: Options, terminal: Terminal) -> None:
    delivery, attempts = _named(options)
    pauses, now = ledger.pauses(), timezone.now()
    why = explain(delivery, pauses=pauses, last=last_failed(attempts), now=now)
    facts = {"id": delivery.pk, "state": delivery.state, "waiting": Waiting.of(delivery, pauses, now)}
    terminal.tell(lambda: facts | {"explanation": why}, lambda: [why])


def _show(options: Options, terminal: Terminal) -> None:
    delivery, newest = _named(options)
    alias, attempts = delivery._state.db, newest[::-1]
    others = Delivery.objects.using(alias).filter(emission=delivery.emission).exclude(pk=delivery.pk)
    siblings = list(others.defer("payload", "result").order_by("pk")[:SHOWN])
    pauses, now = ledger.pauses(), timezone.now()
    merged = Delivery.objects.using(alias).filter(merged_into=delivery.pk).count() if delivery.waiting_since else 0
    ahead = ahead_of(delivery) if delivery.behind else None
    facts = _as_json(delivery, pauses, now) | {"merged": merged, "ahead": ahead and ahead.pk}

    def as_json() -> dict[str, Any]:
        return facts | {
            "payload": _masked_json(delivery.payload),
            "result": _masked_json(delivery.result) if delivery.result else None,
            "failed_attempts": [_attempt_as_json(one) for one in attempts],
            "same_emission": [{"id": one.pk, "receiver": one.receiver, "state": one.state} for one in siblings],
        }

    def lines() -> Iterator[str]:
        width = max(map(len, facts))
        for name, value in {"id": delivery.pk, "standing": _standing(delivery, pauses, now), **facts}.items():
            yield f"{name.replace('_', ' '):<{width}}  {_said(value)}"
        yield ""
        yield Text(readable_payload(delivery.payload))
        if delivery.result:
            yield Text(f"Result: {readable_payload(delivery.result)}")
        for attempt in attempts:
            yield ""
            ended = " ".join(filter(None, (attempt.outcome, attempt.error_class)))
            yield f"Attempt {attempt.number}: {ended} ({process_name(attempt.owner)})"
            for text in filter(None, (attempt.message, attempt.traceback)):
                yield Text(one_record(f"\n{masked_text(text.rstrip())}").lstrip("\n"))
        if siblings:
            yield ""
        for one in siblings:
            yield f"Of the same emission: #{one.pk} {one.receiver} {_standing(one, pauses, now)}"

    terminal.tell(as_json, lines)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "/".join(map(str, value))
    return "-" if value in (None, "") else str(plain(value))


def _add_check_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--max-wait",
        type=count,
        metavar="SECONDS",
        help='the longest that a due delivery may wait; SIGNALS_APP["HEALTH_MAX_WAIT"] by default',
    )
    parser.add_argument(
        "--max-failing",
        type=percent,
        metavar="PERCENT",
        help="how many of a receiver's attempts of the last 5 minutes may fail; "
        'SIGNALS_APP["HEALTH_MAX_FAILING"] by default, and 100 allows all',
    )
    parser.add_argument("--max-failed", type=count, metavar="N", help="how many may have failed in the last hour")


def _check(options: Options, terminal: Terminal) -> None:
    missing, most = ledger.missing_tables(Delivery), options["max_failed"]
    wait = conf.health_max_wait if options["max_wait"] is None else options["max_wait"]
    share = conf.health_max_failing if options["max_failing"] is None else options["max_failing"]
    problems = [missing] if missing else look(max_wait=wait).problems()
    try:
        problems += [*unroutable(max_wait=wait), *failing(ledger.recent_attempts(), max_failing=share).values()]
        if most is not None and (failed := ledger.recently_ended()[State.FAILED]) > most:
            problems.append(f"Failed in the last hour: {failed}, more than {most}.")
    except Error:
        pass  # that the database does not answer has been said
    attempts = f"of its attempts of the last {ledger.RECENT / 60:g} minutes"
    fails = f"no receiver fails in more than {share:g}% {attempts}" if share < 100 else "failing is not looked at"
    well = f"All is well: no due delivery has waited for more than {wait:g} s, and {fails}."
    limits = {"max_wait": wait, "max_failing": share, "max_failed": most}
    terminal.tell(lambda: {"ok": not problems, "problems": problems, "limits": limits}, lambda: problems or [well])
    if problems:
        sys.exit(1)


def _schedules(options: Options, terminal: Terminal) -> None:
    paused = {pause.name for pause in ledger.pauses() if pause.kind == PauseKind.SCHEDULE}

    def as_json() -> dict[str, Any]:
        facts = ("key", "definition", "next_at", "last_at")
        rows = ledger.schedules_on_record()
        return {
            "schedules": [{name: getattr(one, name) for name in facts} | {"paused": one.key in paused} for one in rows]
        }

    def lines() -> list[str]:
        rows = []
        for one in ledger.schedules_on_record():
            last = stamp(one.last_at) if one.last_at else "-"
            rows.append((one.key, one.definition, stamp(one.next_at), last, "paused" if one.key in paused else ""))
        if not rows:
            return ["There is no schedule. One is on the record once a cluster has started with it."]
        return terminal.table(("schedule", "when", "next", "last", ""), rows)

    terminal.tell(as_json, lines)


def _preflight(options: Options, terminal: Terminal) -> None:
    checked, breaks = preflight()
    some = f"{checked:,} waiting {'delivery' if checked == 1 else 'deliveries'}"

    def lines() -> Iterator[str]:
        for one in breaks:
            first = ", ".join(f"#{pk}" for pk in one.ids) + (" ..." if one.count > len(one.ids) else "")
            yield f"{one.count:,} of {one.receiver} ({first}): {one.path}: {one.problem}"
        broken = sum(one.count for one in breaks)
        yield f"Of {some} this code cannot run {broken:,}." if broken else f"This code can run what waits: {some}."

    terminal.tell(lambda: {"ok": not breaks, "checked": checked, "breaks": [asdict(one) for one in breaks]}, lines)
    if breaks:
        sys.exit(1)


SHOWS = (
    Subcommand(name="status", help="print what waits, runs and has ended", run=_status),
    Subcommand(name="list", help="print deliveries, newest first", add_arguments=_add_list_arguments, run=_list),
    Subcommand(name="show", help="print all of one delivery", add_arguments=_add_id, run=_show),
    Subcommand(name="schedules", help="print when signals are sent by the clock", run=_schedules),
    Subcommand(name="explain", help="say why a delivery waits, in a sentence", add_arguments=_add_id, run=_explain),
    Subcommand(
        name="check",
        help="exit with 1 when something is wrong: for cron and health checks",
        add_arguments=_add_check_arguments,
        run=_check,
    ),
    Subcommand(
        name="preflight",
        help="exit with 1 when this code cannot run what waits: before a deploy",
        run=_preflight,
    ),
)
