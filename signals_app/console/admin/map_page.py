"""The signals map in the admin: what is connected to what, and what came of it within a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from signals_app.console.admin.pages import LIVE, PageAdmin
from signals_app.console.formatting import badge, name
from signals_app.console.signals_map.callables import Form
from signals_app.console.signals_map.graph import Counts, Kind, Mark, Row, SignalRows, SignalsMap, signals_map
from signals_app.models import State

LEGEND = {
    Kind.PLAIN: gettext_lazy("works within send()"),
    Kind.ASYNC: gettext_lazy("is awaited within send()"),
    Kind.QUEUED: gettext_lazy("works in a worker"),
}

# what a mark means, and what to do about it
MEANINGS = {
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


class MapAdmin(PageAdmin):
    """The page; ``?show=`` a mark leaves what bears it."""

    template = "admin/signals_app/map.html"

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css", "signals_app/map.css")}
        js: ClassVar = (LIVE,)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        """Look once, and lay out the part that was asked for: five queries."""
        whole = signals_map()
        mark = next((one for one in Mark if one.value == request.GET.get("show")), None)
        part = whole.marked(mark) if mark else whole
        own = [signal for signal in part.signals if not signal.is_foreign]
        return {
            "map": part,
            "choices": list(_choices(whole, mark, request.path)),
            "meaning": MEANINGS[mark] if mark else "",
            "legend": [(badge(kind.value, kind.label), meaning) for kind, meaning in LEGEND.items()],
            "pictures": [picture_of(signal) for signal in own],
            "groups": [*(_group(signal, part.since) for signal in own), *_loose_groups(part)],
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
        "anchor": anchor(signal.name),
        "name": name(signal.name),
        "place": signal.place,
        "marks": signal.marks,
        "rows": rows,
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
    now, day = numbers_of(row.counts)
    ended = [_figure(state, number, finished_at__gte=since.isoformat(), **edge) for state, number in day]
    if row.counts and (runs := row.counts.runs):
        ended.append({"number": _grouped(runs), "word": ngettext("attempt", "attempts", runs), "kind": "runs"})
    return {
        "of": row,
        "how": how,
        "given": row.texts(given=True),
        "defaults": row.texts(given=False),
        "now": [_figure(state, number, **edge) for state, number in now],
        "day": ended,
    }


def _figure(state: State, number: int, **filters: str) -> dict[str, str]:
    query = urlencode({"state": state.value, **filters})
    return {"number": _grouped(number), "word": word(state), "kind": state.value.lower(), "query": query}


def _grouped(number: int) -> str:
    return number_format(number, force_grouping=True)


# The picture of one signal: it stands at the left, its receivers at the right, and lines with numbers lead to them.
# Everything is laid out here, in pixels; the template only draws, and the style sheet colours.

SHOWN = 12  # receivers of one picture; the others are in the table

WIDTH = 336  # fits a phone
SIGNAL_WIDTH, RECEIVER_LEFT = 112, 168
_ROW, BOX = 48, 40  # heights: of a receiver with its gap, of its box
_LINE = 15  # height of a line of text
_JOINT = " · "
_SIGNAL_LETTERS, _NAME_LETTERS, _NOTE_LETTERS = 14, 18, 24  # that fit into a box in a wide font


def picture_of(signal: SignalRows) -> dict[str, Any]:
    module, _dot, name = signal.name.rpartition(".")
    shown = signal.receivers[:SHOWN]
    parts = _folded(name)
    signal_height = len(parts) * _LINE + 16
    height = max(len(shown) * _ROW, signal_height + 8)
    middle = height / 2
    first = middle - (len(parts) - 1) * _LINE / 2 + 4
    lowest = middle - len(shown) * _ROW / 2
    return {
        "anchor": anchor(signal.name),
        "name": name,
        "module": module,
        "sentence": _sentence(name, signal.receivers),  # all of it, for those who do not see it
        "is_heard": Mark.UNHEARD not in signal.marks,
        "width": WIDTH,
        "height": height,
        "signal_top": middle - signal_height / 2,
        "signal_width": SIGNAL_WIDTH,
        "signal_height": signal_height,
        "signal_middle": SIGNAL_WIDTH // 2,
        "signal_lines": [{"text": part, "y": first + number * _LINE} for number, part in enumerate(parts)],
        "receiver_left": RECEIVER_LEFT,
        "receiver_width": WIDTH - RECEIVER_LEFT,
        "receiver_height": BOX,
        "box_width": WIDTH - RECEIVER_LEFT - 2,
        "box_height": BOX - 2,
        "number_right": RECEIVER_LEFT - 5,
        "targets": [_target(row, lowest + (number + 0.5) * _ROW, middle) for number, row in enumerate(shown)],
        "more": len(signal.receivers) - len(shown),
    }


def anchor(signal: str) -> str:
    return f"signal-{signal}"


def numbers_of(counts: Counts | None) -> tuple[list[tuple[State, int]], list[tuple[State, int]]]:
    """Return the numbers of now and of the day that are not 0, the worst first."""
    found = counts or Counts()
    now = [(State.RUNNING, found.running), (State.READY, found.waiting)]
    day = [(State.FAILED, found.failed), (State.SUCCESSFUL, found.successful), (State.CANCELLED, found.cancelled)]
    return [one for one in now if one[1]], [one for one in day if one[1]]


def word(state: State) -> str:
    """Return what a number of deliveries in a state is called."""
    return _("waiting") if state == State.READY else str(state.label)


def _target(row: Row, y: float, middle: float) -> dict[str, Any]:
    """Lay out a receiver: its box, its text, and the line that leads to it."""
    bend = (SIGNAL_WIDTH + RECEIVER_LEFT) / 2
    now, day = numbers_of(row.counts)
    total = sum(number for _state, number in (*now, *day))
    return {
        "kind": row.kind.value,
        "is_bad": Mark.FAILING in row.marks,
        "is_gone": row.is_dead,
        "top": y - BOX / 2,
        "name": _cut(_name(row), _NAME_LETTERS),
        "note": _fitting(_note(row)),
        "path": f"M{SIGNAL_WIDTH} {middle:g}C{bend:g} {middle:g} {bend:g} {y:g} {RECEIVER_LEFT} {y:g}",
        "number": _short(total) if total else "",
        "number_y": y - 5,
    }


def _name(row: Row) -> str:
    return row.receiver.rpartition(".")[2] or _("gone")


def _note(row: Row) -> list[str]:
    parts = [str(row.kind.label)]
    if row.is_dead:
        parts.append(_("gone"))
    if row.form == Form.PARTIAL and row.dispatch_uid and row.counts is None:  # one of many
        parts.append(row.dispatch_uid)
    now, day = numbers_of(row.counts)
    parts += [f"{_short(number)} {word(state)}" for state, number in day if state == State.FAILED]
    if Mark.PAUSED in row.marks:
        parts.append(str(Mark.PAUSED.label))
    if Mark.UNSENT in row.marks:
        parts.append(_("no delivery"))
    return parts + [f"{_short(number)} {word(state)}" for state, number in now]


def _fitting(parts: list[str]) -> str:
    """Return as many parts as fit into a box; where there is more to say, the icon alone says the kind."""
    if len(_JOINT.join(parts)) > _NOTE_LETTERS:
        parts = parts[1:]
    while len(parts) > 1 and len(_JOINT.join(parts)) > _NOTE_LETTERS:
        parts = parts[:-1]
    return _cut(_JOINT.join(parts), _NOTE_LETTERS)


def _sentence(name: str, rows: Sequence[Row]) -> str:
    if not rows:
        return _("%(signal)s: nobody listens.") % {"signal": name}
    receivers = "; ".join(", ".join([_name(row), *_note(row)]) for row in rows)
    calls = ngettext("%(signal)s calls %(count)d receiver:", "%(signal)s calls %(count)d receivers:", len(rows))
    return calls % {"signal": name, "count": len(rows)} + f" {receivers}."


def _short(number: int) -> str:
    """Write a number in at most four or five letters: 999, 1.2k, 45k, 3.4M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            places = 1 if number < 10 * size else 0
            return number_format(number * 10**places // size / 10**places, decimal_pos=places) + unit
    return str(number)


def _folded(name: str) -> list[str]:
    """Break a name after its underscores into lines that fit into the signal's box."""
    lines = [""]
    for part in name.replace("_", "_\n").split("\n"):
        if len(lines[-1]) + len(part) > _SIGNAL_LETTERS and lines[-1]:
            lines.append("")
        lines[-1] += part
    return [_cut(line, _SIGNAL_LETTERS) for line in lines]


def _cut(text: str, letters: int) -> str:
    """Leave out the middle: names that begin alike differ at their end."""
    tail = letters // 3
    return text if len(text) <= letters else f"{text[: letters - tail - 1]}…{text[-tail:]}"
