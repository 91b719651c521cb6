"""The signals map in the admin: what is connected to what, and what came of it within a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from signals_app.console.admin.pages import LIVE, PageAdmin
from signals_app.console.formatting import badge, name
from signals_app.console.signals_map.graph import Counts, Kind, Mark, Row, SignalRows, SignalsMap, signals_map
from signals_app.models import State

LEGEND = {
    Kind.PLAIN: gettext_lazy("works within send()"),
    Kind.ASYNC: gettext_lazy("is awaited within send()"),
    Kind.QUEUED: gettext_lazy("works in a worker"),
}

# what a mark means, and what to do about it
MEANINGS = {
    Mark.FAILING_NOW: gettext_lazy(
        "Queued receivers of whose attempts many failed in the last minutes. Their errors are on the overview."
    ),
    Mark.FAILING: gettext_lazy("Queued receivers with failed deliveries. The numbers lead to them."),
    Mark.PAUSED: gettext_lazy("Queued receivers that are paused, or whose queue is: what waits for them stays ready."),
    Mark.UNHEARD: gettext_lazy("Signals of the project that call nobody: their receivers may not be imported."),
    Mark.UNSENT: gettext_lazy(
        "Queued receivers without a delivery in the time counted: nobody sent their signal, their when said no, "
        "or they are connected to none. Plain and async receivers leave no record, so nothing is known of them."
    ),
    Mark.DEAD: gettext_lazy(
        "Connections that Django will drop: only the signal held the receiver or the sender. "
        "Keep a reference to it, or connect it with weak=False."
    ),
    Mark.UNEXPLAINED: gettext_lazy(
        "Deliveries whose receiver is not connected to their signal in this process. It was renamed, removed or "
        "called by hand, or only other processes connect it."
    ),
}


SHOWN = 12  # receivers in one picture; the others are in the table


class MapAdmin(PageAdmin):
    """The page; ``?show=`` a mark leaves what bears it."""

    template = "admin/signals_app/map.html"

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css", "signals_app/map.css")}
        js: ClassVar = (LIVE,)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        """Look once, and lay out the part that was asked for: seven queries."""
        whole = signals_map()
        mark = next((one for one in Mark if one.value == request.GET.get("show")), None)
        part = whole.marked(mark) if mark else whole
        own = [_group(signal, part.since) for signal in part.signals if not signal.is_foreign]
        return {
            "map": part,
            "choices": list(_choices(whole, mark, request.path)),
            "meaning": MEANINGS[mark] if mark else "",
            "legend": [(badge(kind.value, kind.label), meaning) for kind, meaning in LEGEND.items()],
            "pictures": own,
            "groups": [*own, *_loose_groups(part)],
            "shown": f":{SHOWN}",
            "foreign": [_group(signal, part.since) for signal in part.signals if signal.is_foreign],
        }


def _choices(whole: SignalsMap, chosen: Mark | None, address: str) -> Iterator[dict[str, Any]]:
    connections = sum(len(signal.receivers) for signal in whole.signals)
    yield {"label": _("All connections"), "number": connections, "url": address, "is_chosen": chosen is None}
    for mark in Mark:
        label, url = badge(mark.value, mark.label), f"{address}?show={mark.value}"
        yield {"label": label, "number": whole.count(mark), "url": url, "is_chosen": mark == chosen}


def _group(signal: SignalRows, since: datetime) -> dict[str, Any]:
    """Return a heading and the rows beneath it; ``since`` is where the lists behind the numbers begin."""
    connected = Counter(row.receiver for row in signal.receivers if row.counts is not None)
    rows = []
    for row in signal.receivers:
        how = [*row.how(), *([_("weak")] if row.is_weak and not row.is_dead else [])]
        how += [_("the numbers are of all its connections")] if connected[row.receiver] > 1 else []
        rows.append(_row(row, how, since))
    return {
        "anchor": f"signal-{signal.name}",
        "name": name(signal.name),
        "place": signal.place,
        "marks": signal.marks,
        "schedules": signal.schedules,
        "rows": rows,
        "more": max(0, len(rows) - SHOWN),
    }


def _loose_groups(part: SignalsMap) -> Iterator[dict[str, Any]]:
    if part.unconnected:
        rows = [_row(one, [_("no signal")], part.since) for one in part.unconnected]
        yield {"anchor": "unconnected", "name": _("Connected to no signal"), "rows": rows}
    if part.unexplained:
        rows = [
            _row(one, [_("of %(signal)s") % {"signal": one.signal or _("a signal without a name")}], part.since)
            for one in part.unexplained
        ]
        yield {"anchor": "unexplained", "name": _("Not connected in this process"), "rows": rows}


def _row(row: Row, how: Iterable[str], since: datetime) -> dict[str, Any]:
    edge = {"signal": row.signal, "receiver": row.receiver}
    counts = row.counts or Counts()
    standing = {State.RUNNING: counts.running, State.READY: counts.waiting}
    ends = {
        State.FAILED: counts.failed,
        State.SUCCESSFUL: counts.successful,
        State.CANCELLED: counts.cancelled,
        State.MERGED: counts.merged,
    }
    now = [_figure(state, number, **edge) for state, number in standing.items() if number]
    day = [
        _figure(state, number, finished_at__gte=since.isoformat(), **edge) for state, number in ends.items() if number
    ]
    troubles = [*day[:1], *now] if counts.failed else now
    if runs := counts.runs:
        day.append({"number": _grouped(runs), "word": ngettext("attempt", "attempts", runs), "kind": "runs"})
    total = sum(standing.values()) + sum(ends.values())
    return {
        "of": row,
        "how": how,
        "given": row.texts(given=True),
        "defaults": row.texts(given=False),
        "now": now,
        "day": day,
        "troubles": troubles,
        "total": _grouped(total) if total else "",
    }


def _figure(state: State, number: int, **filters: str) -> dict[str, str]:
    query = urlencode({"state": state.value, **filters})
    word = _("waiting") if state == State.READY else str(state.label)
    return {"number": _grouped(number), "word": word, "kind": state.value.lower(), "query": query}


def _grouped(number: int) -> str:
    return number_format(number, force_grouping=True)
