"""The picture of one signal: it stands at the left, its receivers at the right, and lines with numbers lead to them.

Everything is laid out here, in pixels; the template only draws, and the style sheet colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app.console.admin.map_table import anchor, numbers_of, words
from signals_app.console.signals_map.graph import Counts, Edge, Mark, Node
from signals_app.console.signals_map.listeners import Form
from signals_app.models import State

SHOWN = 12  # receivers of one picture; the others are in the table

WIDTH = 336  # fits a phone
_SIGNAL_WIDTH, _RECEIVER_LEFT = 112, 168
_ROW, _BOX = 48, 40  # heights: of a receiver with its gap, of its box
_MARGIN = 2
_LINE = 15  # height of a line of text
_JOINT = " · "
_SIGNAL_LETTERS, _NAME_LETTERS, _NOTE_LETTERS = 14, 18, 24  # that fit into a box in a wide font


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text; ``y`` is where it stands."""

    text: str
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A receiver: its box, its text, and the line that leads to it."""

    kind: str
    is_bad: bool
    is_gone: bool
    top: float
    name: str
    note: str
    path: str
    number: str
    number_y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One signal's picture."""

    anchor: str
    name: str
    module: str
    sentence: str  # all of it, for those who do not see it
    height: int
    signal_top: float
    signal_height: float
    signal_lines: Sequence[Line]
    is_heard: bool
    targets: Sequence[Target]
    more: int
    width: int = WIDTH
    signal_width: int = _SIGNAL_WIDTH
    receiver_left: int = _RECEIVER_LEFT
    receiver_width: int = WIDTH - _RECEIVER_LEFT
    receiver_height: int = _BOX
    box_width: int = WIDTH - _RECEIVER_LEFT - 2
    box_height: int = _BOX - 2
    signal_middle: int = _SIGNAL_WIDTH // 2
    number_right: int = _RECEIVER_LEFT - 5


def picture_of(node: Node) -> Picture:
    """Lay out a signal and its receivers."""
    module, _dot, name = node.name.rpartition(".")
    shown = node.edges[:SHOWN]
    parts = _folded(name)
    signal_height = len(parts) * _LINE + 16
    height = max(len(shown) * _ROW, signal_height + 2 * _MARGIN + 4)
    middle = height / 2
    first = middle - (len(parts) - 1) * _LINE / 2 + 4
    lowest = middle - len(shown) * _ROW / 2
    return Picture(
        anchor=anchor(node.name),
        name=name,
        module=module,
        sentence=_sentence(name, node.edges),
        height=height,
        signal_top=middle - signal_height / 2,
        signal_height=signal_height,
        signal_lines=[Line(text=part, y=first + number * _LINE) for number, part in enumerate(parts)],
        is_heard=Mark.UNHEARD not in node.marks,
        targets=[_target(edge, lowest + (number + 0.5) * _ROW, middle) for number, edge in enumerate(shown)],
        more=len(node.edges) - len(shown),
    )


def _target(edge: Edge, y: float, middle: float) -> Target:
    bend = (_SIGNAL_WIDTH + _RECEIVER_LEFT) / 2
    total = _total(edge.counts)
    return Target(
        kind=edge.connection.kind.value,
        is_bad=Mark.FAILING in edge.marks,
        is_gone=edge.connection.is_dead,
        top=y - _BOX / 2,
        name=_cut(_name(edge), _NAME_LETTERS),
        note=_fitting(_note(edge)),
        path=f"M{_SIGNAL_WIDTH} {middle:g}C{bend:g} {middle:g} {bend:g} {y:g} {_RECEIVER_LEFT} {y:g}",
        number=_short(total) if total else "",
        number_y=y - 5,
    )


def _name(edge: Edge) -> str:
    return edge.connection.receiver.rpartition(".")[2] or _("gone")


def _note(edge: Edge) -> list[str]:
    """Say how a receiver works, and what went wrong, runs or waits."""
    connection = edge.connection
    parts = [str(connection.kind.label)]
    if connection.is_dead:
        parts.append(_("gone"))
    if edge.counts is None:
        is_one_of_many = connection.form == Form.PARTIAL and connection.dispatch_uid
        return [*parts, connection.dispatch_uid] if is_one_of_many else parts
    now, day = numbers_of(edge.counts)
    parts += [f"{_short(number)} {words(state)}" for state, number in day if state == State.FAILED]
    if Mark.PAUSED in edge.marks:
        parts.append(str(Mark.PAUSED.label))
    if Mark.UNSENT in edge.marks:
        parts.append(_("no delivery"))
    return parts + [f"{_short(number)} {words(state)}" for state, number in now]


def _fitting(parts: list[str]) -> str:
    """Return as many parts as fit into a box; where there is more to say, the icon alone says the kind."""
    if len(_JOINT.join(parts)) > _NOTE_LETTERS:
        parts = parts[1:]
    while len(parts) > 1 and len(_JOINT.join(parts)) > _NOTE_LETTERS:
        parts = parts[:-1]
    return _cut(_JOINT.join(parts), _NOTE_LETTERS)


def _sentence(name: str, edges: Sequence[Edge]) -> str:
    if not edges:
        return _("%(signal)s: nobody listens.") % {"signal": name}
    receivers = "; ".join(", ".join([_name(edge), *_note(edge)]) for edge in edges)
    calls = ngettext("%(signal)s calls %(count)d receiver:", "%(signal)s calls %(count)d receivers:", len(edges))
    return calls % {"signal": name, "count": len(edges)} + f" {receivers}."


def _total(counts: Counts | None) -> int:
    if counts is None:
        return 0
    return counts.waiting + counts.running + counts.successful + counts.failed + counts.cancelled


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
