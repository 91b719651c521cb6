"""The map's rows as a page shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app.console import formatting
from signals_app.console.signals_map.graph import Counts, Edge, Loose, Mark, Node
from signals_app.console.signals_map.listeners import Connection, Form, Kind, Option, Place
from signals_app.models import State
from signals_app.redaction.records import one_line

Numbers = list[tuple[State, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of deliveries and the query for the list of them; without one it is a number only."""

    number: str
    word: str
    kind: str  # names its colour
    query: str = ""


def figures_of(counts: Counts, since: datetime, **edge: str) -> tuple[list[Figure], list[Figure]]:
    """Return the figures of now and of the day; ``edge`` is the signal and receiver, by which lists are filtered."""
    now, day = numbers_of(counts)
    ended = [_figure(state, number, finished_at__gte=since.isoformat(), **edge) for state, number in day]
    if counts.runs:
        ended.append(
            Figure(number=_written(counts.runs), word=ngettext("attempt", "attempts", counts.runs), kind="runs")
        )
    return [_figure(state, number, **edge) for state, number in now], ended


def numbers_of(counts: Counts) -> tuple[Numbers, Numbers]:
    """Return the numbers of now and of the day that are not 0, the worst first."""
    now = [(State.RUNNING, counts.running), (State.READY, counts.waiting)]
    day = [(State.FAILED, counts.failed), (State.SUCCESSFUL, counts.successful), (State.CANCELLED, counts.cancelled)]
    return [one for one in now if one[1]], [one for one in day if one[1]]


def words(state: State) -> str:
    """Return what a number of deliveries in a state is called."""
    return _("waiting") if state == State.READY else str(state.label)


def _figure(state: State, number: int, **filters: str) -> Figure:
    query = urlencode({"state": state.value, **filters})
    return Figure(number=_written(number), word=words(state), kind=state.value.lower(), query=query)


def _written(number: int) -> str:
    return number_format(number, force_grouping=True)


Text = str | SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One receiver, with what the record knows of it where it is queued; ``key`` tells it from others of its group."""

    key: str
    name: Text
    place: Place | None
    marks: Sequence[Text]
    kind: Text
    how: Sequence[str]
    given: Sequence[Option]
    defaults: Sequence[Option]
    now: Sequence[Figure]
    day: Sequence[Figure]
    is_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A signal, or a heading for receivers without one, and the rows beneath it."""

    anchor: str
    name: Text
    place: Place | None
    marks: Sequence[Text]
    rows: Sequence[Row]


def group_of(node: Node, since: datetime) -> Group:
    """Return the rows of a signal; ``since`` is where the lists behind the numbers begin."""
    queued = Counter(edge.connection.receiver for edge in node.edges if edge.counts is not None)
    return Group(
        anchor=anchor(node.name),
        name=formatting.name(node.name),
        place=node.place,
        marks=_badges(node.marks),
        rows=[
            _edge(node.name, edge, since, is_counted_twice=queued[edge.connection.receiver] > 1) for edge in node.edges
        ],
    )


def unconnected(some: Iterable[Loose], since: datetime) -> Group | None:
    """Return the rows of queued receivers that no signal calls."""
    rows = [_loose(one, [_("no signal")], since) for one in some]
    return (
        Group(anchor="unconnected", name=_("Connected to no signal"), place=None, marks=(), rows=rows) if rows else None
    )


def unexplained(some: Iterable[Loose], since: datetime) -> Group | None:
    """Return the rows of deliveries whose signal and receiver are not connected in this process."""
    rows = [
        _loose(one, [_("of %(signal)s") % {"signal": one.signal or _("a signal without a name")}], since)
        for one in some
    ]
    name = _("Not connected in this process")
    return Group(anchor="unexplained", name=name, place=None, marks=(), rows=rows) if rows else None


def anchor(signal: str) -> str:
    """Return the id of a signal's rows."""
    return f"signal-{signal}"


def _edge(signal: str, edge: Edge, since: datetime, *, is_counted_twice: bool) -> Row:
    connection = edge.connection
    counted = [_("the numbers are of all its connections")] if is_counted_twice else []
    return _row(
        signal,
        connection.receiver,
        name=formatting.name(connection.receiver) if connection.receiver else _("a receiver that is gone"),
        place=connection.place,
        marks=edge.marks,
        kind=connection.kind,
        how=[*_how(connection), *counted],
        options=connection.options,
        counts=edge.counts,
        since=since,
    )


def _loose(one: Loose, how: list[str], since: datetime) -> Row:
    return _row(
        one.signal,
        one.receiver,
        name=formatting.name(one.receiver),
        place=one.place,
        marks=one.marks,
        kind=Kind.QUEUED,
        how=how,
        options=one.options,
        counts=one.counts,
        since=since,
    )


def _row(
    signal: str,
    receiver: str,
    *,
    name: Text,
    place: Place | None,
    marks: Iterable[Mark],
    kind: Kind,
    how: list[str],
    options: Sequence[Option],
    counts: Counts | None,
    since: datetime,
) -> Row:
    now, day = figures_of(counts or Counts(), since, signal=signal, receiver=receiver)
    return Row(
        key=f"{signal} {receiver}",
        name=name,
        place=place,
        marks=_badges(marks),
        kind=formatting.badge(kind.value, kind.label),
        how=how,
        given=[option for option in options if option.is_given],
        defaults=[option for option in options if not option.is_given],
        now=now,
        day=day,
        is_counted=counts is not None,
    )


def _how(connection: Connection) -> Iterator[str]:
    if connection.form not in (Form.FUNCTION, Form.GONE):
        yield str(connection.form.label)
    if connection.sender == "?":
        yield _("one sender, which cannot be named")
    elif connection.sender:
        yield _("sender %(name)s") % {"name": one_line(connection.sender)}
    if connection.dispatch_uid:
        yield _("dispatch_uid %(uid)s") % {"uid": one_line(connection.dispatch_uid)}
    if connection.is_dead:
        yield _("weak, and gone")
    else:
        yield _("weak") if connection.is_weak else _("strong")


def _badges(marks: Iterable[Mark]) -> list[SafeString]:
    return [formatting.badge(mark.value, mark.label) for mark in marks]
