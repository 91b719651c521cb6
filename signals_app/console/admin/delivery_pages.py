"""What the page of one delivery and the page of one emission show, each in a fixed number of queries."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby, islice
from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.console import formatting
from signals_app.console.explaining import explain, last_failed
from signals_app.console.formatting import moment, readable_payload, written
from signals_app.console.operations import OPERATIONS, PAUSE_PERMISSION
from signals_app.console.queries import ahead_of, instance_in, model_of, parts_of, pauses_of
from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, State
from signals_app.redaction import MASKED, masked, masked_text
from signals_app.redaction.logs import one_line

SHOWN_ATTEMPTS = 25  # of one delivery, the newest; each may have a traceback of 20,000 characters
SHOWN_SIBLINGS = 100  # deliveries of one emission, the first
SHOWN_MERGED = 10  # of those that were merged into one, the newest
SHOWN_OBJECTS = 50  # of one payload, the first
SHOWN_IN_LANES = 1_000  # attempts of a whole emission, the newest
LEAST = 0.5  # percent of a lane that a step is wide, so that it is seen
TICKS = (
    *((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min")),
    *((3_600, "1 h"), (36_000, "10 h"), (4 * 86_400, "4 d"), (40 * 86_400, "40 d")),
)


def delivery_page(delivery: Delivery, user: Any, *, site: str, now: datetime) -> dict[str, Any]:
    """Return what the page of a delivery in an ``AdminSite`` shows to a user: ten queries at most."""
    alias = delivery._state.db
    newest = list(delivery.failed_attempts.using(alias).order_by("-number", "-pk")[: SHOWN_ATTEMPTS + 1])
    others = (
        Delivery.objects.using(alias)
        .filter(emission=delivery.emission)
        .exclude(pk=delivery.pk)
        .defer("payload", "result")
    )
    siblings = list(others.order_by("pk")[: SHOWN_SIBLINGS + 1])
    paused = ledger.pauses()
    pauses = pauses_of(delivery, paused)
    conditions = {name: one.condition("") for name, one in OPERATIONS.items()}
    possible: Any = Delivery.objects.using(alias).filter(pk=delivery.pk).values(**conditions).first()
    merged: list[int] = []
    if delivery.waiting_since:
        into_it = Delivery.objects.using(alias).filter(merged_into=delivery.pk)
        merged = list(into_it.order_by("-pk").values_list("pk", flat=True))
    why = explain(delivery, pauses=paused, last=last_failed(newest), now=now)
    named = delivery.merged_into or (ahead.pk if delivery.behind and (ahead := ahead_of(delivery)) else None)
    if named and f"#{named}" in why:
        before, number, after = why.rpartition(f"#{named}")
        why = format_html("{}{}{}", before, formatting.link_to(site, named, number), after)
    offered = [one for name, one in OPERATIONS.items() if possible and possible[name]]
    return {
        "is_final": delivery.state in FINAL_STATES,
        "badge": formatting.badge(*formatting.standing(delivery, paused, now)),
        "why": why,
        "progress": formatting.progress_bar(delivery),
        "operations": [(one, one.consequence % {"count": 1}) for one in offered if user.has_perm(one.permission)],
        "can_pause": user.has_perm(PAUSE_PERMISSION),
        "now": now,
        "waited": written(formatting.waited(delivery, now)),
        "ran": written(formatting.ran(delivery, now)),
        "place": formatting.place(site, delivery.sent_from),
        "batch": formatting.link_to_batch(site, delivery.batch),
        "key": formatting.readable_name(delivery.coalesce_key),
        "merged": len(merged),
        "newest_merged": [formatting.link_to(site, one, f"#{one}") for one in merged[:SHOWN_MERGED]],
        "paused": {one.kind for one in pauses},
        "trace": (trace := formatting.trace_id(delivery.trace)),
        "trace_url": formatting.trace_url(trace),
        "context": readable_payload(delivery.context, indent=None),
        "runs": list(folded(runs_of(delivery, newest[SHOWN_ATTEMPTS - 1 :: -1], now))),
        "older_runs": len(newest) > SHOWN_ATTEMPTS,
        "payload": readable_payload(delivery.payload),
        "result": readable_payload(delivery.result),
        "siblings": [
            {
                "delivery": one,
                "badge": formatting.standing_badge(one, paused, now),
                "waited": written(formatting.waited(one, now)),
                "ran": written(formatting.ran(one, now)),
            }
            for one in siblings[:SHOWN_SIBLINGS]
        ],
        "more_siblings": len(siblings) > SHOWN_SIBLINGS,
    }


def folded(runs: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield executions in order, those in a row that ended with an equal error as one: the last, and when each ran."""
    for _end, equal in groupby(runs, key=lambda run: (run["kind"], run.get("error_class"), run.get("message"))):
        each = list(equal)
        yield {**each[-1], "key": each[0]["key"], "first": each[0]["number"], "each": each}


def objects_in(payload: str, request: HttpRequest, site: AdminSite) -> list[tuple[str, str, str]]:
    """Return the model objects in a payload whose pages in an ``AdminSite`` the user may view.

    Each is the argument that holds it, its name and its page's address. None is fetched, so it may be gone.
    """
    found: dict[tuple[str, str, str], None] = {}
    with suppress(ValueError, RecursionError, TypeError, AttributeError, KeyError):  # of a forged payload
        read: Any = masked(json.loads(payload))
        each = ((argument, *one) for argument, value in read["arguments"].items() for one in _instances(value))
        for argument, model, key in islice(each, SHOWN_OBJECTS):
            if site.is_registered(model) and site.get_model_admin(model).has_view_permission(request):
                name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
                with suppress(NoReverseMatch, UnicodeEncodeError):
                    url = reverse(name, args=[quote(key)], current_app=site.name)
                    found[one_line(argument), f"{model._meta.label} {one_line(key)}", url] = None
    return [*found]


def _instances(value: Any) -> Iterator[tuple[type[Model], str]]:
    label, key = instance_in(value)
    if isinstance(key, dict) and len(key) == 1:  # such as a UUID
        (key,) = key.values()
    if type(key) in (int, str) and key != MASKED and (model := model_of(label)):
        yield model, str(key)
    for part in parts_of(value):
        yield from _instances(part)


def runs_of(delivery: Delivery, attempts: Iterable[Attempt], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the executions in order: its failed attempts, and the one that runs or succeeded, which has no row."""
    number = 0
    for one in attempts:
        number = max(number, one.number)
        yield {
            "key": str(one.pk),
            "number": one.number,
            "process": formatting.process_name(one.owner),
            "error_class": one_line(one.error_class),
            "message": masked_text(one.message),
            "traceback": masked_text(one.traceback),
            **_executed(formatting.kind_and_word(Outcome, one.outcome), one.started_at, one.finished_at),
        }
    if formatting.has_run(delivery) and (delivery.state == State.RUNNING or number != delivery.attempts):
        end = now if delivery.state == State.RUNNING else delivery.finished_at or now
        yield {
            "key": "last",
            "number": delivery.attempts,
            "process": formatting.process_name(delivery.owner),
            **_executed(formatting.kind_and_word(State, delivery.state), delivery.started_at, end),
        }


def _executed(ended: tuple[str, str], start: datetime | None, end: datetime) -> dict[str, Any]:
    return {
        "kind": ended[0],
        "badge": formatting.badge(*ended),
        "start": start or end,
        "started": moment(start),
        "end": end,
        "ran": written(end - start if start else None),
    }


def emission_page(emission: UUID, rows: QuerySet[Delivery], *, site: str, now: datetime) -> dict[str, Any]:
    """Return what the page of an emission in an ``AdminSite`` shows: five queries.

    Raises Http404 where no delivery has that emission.
    """
    pauses = ledger.pauses()
    found = list(rows.filter(emission=emission).order_by("pk")[: SHOWN_SIBLINGS + 1])
    if not found:
        raise Http404(_("No delivery has that emission."))
    shown = found[:SHOWN_SIBLINGS]
    first = shown[0]
    start = min(one.enqueued_at for one in shown)
    end = max(one.finished_at or now if one.state in FINAL_STATES else now for one in shown)
    attempts: dict[int, list[Attempt]] = {one.pk: [] for one in shown}
    newest = Attempt.objects.using(first._state.db).filter(delivery__in=shown).order_by("-pk")[:SHOWN_IN_LANES]
    for attempt in reversed(newest):
        attempts[attempt.delivery_id].append(attempt)
    whole = max((end - start).total_seconds(), 0.001)
    payloads: dict[str, list[str]] = {}  # to whom each went: drop and snapshot make payloads of one send differ
    for one in shown:
        payloads.setdefault(one.payload, []).append(one_line(one.receiver))
    history = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Delivery), object_id__in=[str(one.pk) for one in shown]
    )
    return {
        "emission": emission,
        "first": first,
        "place": formatting.place(site, first.sent_from),
        "lanes": [
            {
                "delivery": one,
                "badge": formatting.standing_badge(one, pauses, now),
                "progress": formatting.progress_bar(one),
                "steps": [_placed(step, start, whole) for step in _steps(one, attempts[one.pk], now)],
            }
            for one in shown
        ],
        "payloads": [(readable_payload(payload), names) for payload, names in payloads.items()],
        "history": history.select_related("user").order_by("-action_time")[:SHOWN_SIBLINGS],
        "took": written(end - start),
        "ticks": [(label, place) for after, label in TICKS if (place := _place(after, whole)) < 85],
        "is_cut": len(found) > SHOWN_SIBLINGS,
        "is_final": all(one.state in FINAL_STATES for one in shown),
    }


def _steps(delivery: Delivery, attempts: Iterable[Attempt], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield waits and executions in the order in which they came."""
    last = delivery.enqueued_at
    for run in runs_of(delivery, attempts, now):
        if run["start"] > last:
            yield {"kind": "wait", "start": last, "end": run["start"]}
        yield run
        last = run["end"]
    end = now if delivery.state == State.READY else last
    if delivery.state in (State.CANCELLED, State.MERGED):
        end = delivery.finished_at or now
    if end > last:
        yield {"kind": "wait", "start": last, "end": end}


def _place(after: float, whole: float) -> float:
    """Return where a moment lies on the axis, in percent: logarithmic, for 10 ms are to be seen beside two minutes."""
    return round(100 * min(1.0, math.log1p(max(0.0, after) * 1000) / math.log1p(whole * 1000)), 2)


def _placed(step: dict[str, Any], start: datetime, whole: float) -> dict[str, Any]:
    """Place a step on the axis that all lanes share."""
    first, last = (_place((step[end] - start).total_seconds(), whole) for end in ("start", "end"))
    x = min(first, 100 - LEAST)
    return {**step, "took": written(step["end"] - step["start"]), "x": x, "width": round(max(LEAST, last - x), 2)}
