"""The overview's charts: what ended in the last hour, day or week, and how long attempts waited and ran."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import groupby, pairwise
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.console import formatting
from signals_app.ledger import SPANS, Span, Totals

WIDTH, HEIGHT = 10, 100  # units of a picture; a slot is ten wide


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A part of a span, and what was counted in it: None where no cluster ran."""

    start: datetime
    end: datetime
    did: Totals | None
    query: str = ""  # of the list of deliveries that ended in it


def charts(name: str, receiver: str, site: str) -> dict[str, Any]:
    """Return what the template shows of a span, of an hour where no other is named, and of a receiver, "" for all.

    It takes three queries.
    """
    span = next((one for one in SPANS if one.name == name), SPANS[0])
    slots, receivers = read_slots(span, receiver)
    did = reduce(Totals.plus, (slot.did for slot in slots if slot.did), Totals())
    ended = _("%(succeeded)d succeeded, %(failed)d failed") % {"succeeded": did.succeeded, "failed": did.failed}
    mean = _("%(mean)s over %(count)d attempts")
    waits = mean % {"mean": formatting.written(did.mean_wait), "count": did.waits}
    runs = mean % {"mean": formatting.written(did.mean_run), "count": did.runs}
    drawn = [
        {"title": _("Ended"), "said": ended, **_chart(slots, successful="succeeded", failed="failed")},
        {"title": _("Mean wait"), "said": waits, **_chart(slots, ready="mean_wait")},
        {"title": _("Mean run"), "said": runs, **_chart(slots, running="mean_run")},
    ]
    return {
        "span": span,
        "spans": SPANS,
        "deliveries": formatting.address(site, "delivery_changelist"),
        "receiver": receiver,
        "receivers": sorted(receivers | {receiver} - {""}),
        "per": _per(span.minutes),
        "width": span.slots * WIDTH,
        "ticks": [slots[span.slots * quarter // 4].start for quarter in range(4)],
        "gaps": [WIDTH * number for number, slot in enumerate(slots) if slot.did is None],
        "drawn": drawn if any(did) else [],
        "rows": [*_rows(slots)][::-1],
    }


def read_slots(span: Span, receiver: str) -> tuple[list[Slot], set[str]]:
    """Return the slots of a span that ends now, of a receiver or "" for all, and the names of all receivers."""
    minute = ledger.this_minute()
    found, now = ledger.read_snapshots(span, minute), ledger.read_totals()
    did = {}
    for (number, before), (_next, after) in pairwise([*found.items(), (0, now)]):
        names = after.keys() & {receiver} if receiver else after.keys()
        did[number] = reduce(Totals.plus, (after[name].since(before.get(name, Totals())) for name in names), Totals())
    if found and next(reversed(found)) == minute // span.minutes - 1:
        did[minute // span.minutes] = Totals()  # a minute has begun, and a pusher notes so within a second
    first, zone = span.first(minute), UTC if settings.USE_TZ else None  # that of the process is TIME_ZONE
    times = [datetime.fromtimestamp((first + n) * span.minutes * 60, zone) for n in range(span.slots + 1)]
    of = {"receiver": receiver} if receiver else {}
    slots = []
    for number, (start, end) in enumerate(pairwise(times), first):
        query = urlencode({"finished_at__gte": start.isoformat(), "finished_at__lt": end.isoformat(), **of})
        slots.append(Slot(start=start, end=end, did=did.get(number), query=query))
    return slots, set(now)


def _per(minutes: int) -> str:
    if minutes < 60:
        return ngettext("per minute", "per %(count)d minutes", minutes) % {"count": minutes}
    return ngettext("per hour", "per %(count)d hours", minutes // 60) % {"count": minutes // 60}


def _chart(slots: Sequence[Slot], **figures: str) -> dict[str, Any]:
    """Return a picture's axis and bars; ``figures`` are what of a slot is piled up, by kind of bar, from the ground."""
    is_count = "successful" in figures
    peak = max((sum(getattr(slot.did, name) for name in figures.values()) for slot in slots if slot.did), default=0)
    top, written = _top(peak, is_count), int if is_count else formatting.written
    bars = []
    for number, slot in enumerate(slots):
        y = float(HEIGHT)
        for kind, name in figures.items():
            if slot.did and (figure := getattr(slot.did, name)):
                height = max(1.0, HEIGHT * figure / top)
                y -= height
                place = {"x": number * WIDTH, "y": round(y, 2), "height": round(height, 2)}
                bars.append({"kind": kind, "slot": slot, "said": written(figure), **place})
    axis = [written(top), written(top / 2), 0]
    return {"peak": written(peak), "axis": axis, "bars": bars, "is_count": is_count}


def _top(peak: float, is_count: bool) -> float:
    """Return the height of an axis: a number as easy to read as its half, a time in its greatest unit."""
    unit = 1.0 if is_count or peak <= 40 else 60.0 if peak <= 2_400 else 3_600.0
    peak = max(peak / unit, 2.0 if is_count else 0.001)
    power = 10.0 ** math.floor(math.log10(peak))
    return unit * next(power * nice for nice in (1, 2, 4, 10) if power * nice >= peak * (1 - 1e-9))


def _rows(slots: Sequence[Slot]) -> Iterator[Slot]:
    """Yield the slots in which anything was counted, and each time without a cluster as one."""
    for is_gap, some in groupby(slots, key=lambda slot: slot.did is None):
        group = list(some)
        if is_gap:
            yield Slot(start=group[0].start, end=group[-1].end, did=None)
        else:
            yield from (slot for slot in group if slot.did and any(slot.did))
