"""Signals, receivers, what connects them, and the record's counts of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet, Sum, TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from signals_app import ledger
from signals_app.console.signals_map.listeners import (
    Connection,
    Kind,
    Option,
    Place,
    callee,
    connections,
    options_of,
    place_of_signal,
)
from signals_app.dispatcher import registry
from signals_app.models import FINAL_STATES, Delivery, PauseKind, State
from signals_app.payloads.names import named_signals

DAY = timedelta(days=1)
COUNTED = 50_000  # ended deliveries of each state that are counted, the newest; a million takes seconds on SQLite


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Deliveries by state. ``runs`` are the attempts, good and bad, of those that ended."""

    waiting: int = 0
    running: int = 0
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    runs: int = 0

    def __bool__(self) -> bool:
        return self != _NONE


_NONE = Counts()
_FIELD_OF = {
    State.READY: "waiting",
    State.RUNNING: "running",
    State.SUCCESSFUL: "successful",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts by signal name and receiver key; ``since`` is a day ago, or later where that would be too many."""

    since: datetime
    is_whole_day: bool
    by_edge: Mapping[tuple[str, str], Counts]

    def of(self, signal: str, receiver: str) -> Counts:
        """Return the counts of one edge."""
        return self.by_edge.get((signal, receiver), _NONE)


def tally(now: datetime | None = None) -> Tally:
    """Count in four queries, whatever there is."""
    rows = Delivery.objects.using(ledger.connection().alias)
    day_ago = (now or timezone.now()) - DAY
    cuts = [_cut(rows.filter(state=state, finished_at__gte=day_ago)) for state in FINAL_STATES]
    since = max((cut for cut in cuts if cut), default=day_ago)
    by_edge: dict[tuple[str, str], Counts] = {}
    for signal, receiver, state, count, runs in _grouped(rows, since):
        counts = by_edge.get((signal, receiver), _NONE)
        ended = runs if state in FINAL_STATES else 0
        by_edge[signal, receiver] = replace(counts, runs=counts.runs + ended, **{_FIELD_OF[State(state)]: count})
    return Tally(since=since, is_whole_day=since == day_ago, by_edge=by_edge)


def _cut(ended: QuerySet[Delivery]) -> datetime | None:
    """Return when the last delivery ended that is one too many."""
    return ended.order_by("-finished_at").values_list("finished_at", flat=True)[COUNTED : COUNTED + 1].first()


def _grouped(rows: QuerySet[Delivery], since: datetime) -> QuerySet[Delivery, tuple[str, str, str, int, int]]:
    """Return signal, receiver, state, count and attempts, state by state: OR or IN would read the whole table."""
    of_state = [rows.filter(state=state, finished_at__gte=since) for state in FINAL_STATES]
    of_state += [rows.filter(state=state) for state in (State.READY, State.RUNNING)]
    first, *others = (
        some.order_by().values_list("signal", "receiver", "state").annotate(count=Count("pk"), runs=Sum("attempts"))
        for some in of_state
    )
    return first.union(*others, all=True)


class Mark(TextChoices):
    """What deserves a look."""

    FAILING = "failing", _("failures")  # a queued receiver, of whose deliveries some failed within the day
    PAUSED = "paused", _("paused")  # a queued receiver that is paused itself, or whose queue is
    UNHEARD = "unheard", _("nobody listens")  # a signal of the project without a living receiver
    UNSENT = "unsent", _("nobody sends")  # a queued receiver without a delivery within the day, connected or not
    DEAD = "dead", _("dead reference")  # a connection whose receiver or sender is gone
    UNEXPLAINED = "unexplained", _("only in the record")  # deliveries of what is not connected in this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A connection and its counts; None for receivers that work within send(), which leave no record.

    Deliveries do not tell by which of several connections of one receiver they came, so these have the same counts.
    """

    connection: Connection
    counts: Counts | None
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A signal and its edges, in the order in which they are called."""

    name: str
    place: Place | None
    edges: tuple[Edge, ...]
    marks: tuple[Mark, ...]

    @property
    def is_foreign(self) -> bool:
        """Whether signal and receivers are all of libraries, Django included, and none is queued."""
        return _is_library(self.place) and all(
            _is_library(edge.connection.place) and edge.counts is None for edge in self.edges
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """A queued receiver without a connection. Place and options are those of this process, if it knows the receiver."""

    signal: str  # that of its deliveries; "" where there are none, or the signal has no name
    receiver: str
    place: Place | None
    options: tuple[Option, ...]
    counts: Counts
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsMap:
    """Everything at one moment. ``since`` says from when ended deliveries are counted."""

    at: datetime
    since: datetime
    is_whole_day: bool
    nodes: tuple[Node, ...]
    unconnected: tuple[Loose, ...]  # queued receivers of this process that no signal calls, and no delivery names
    unexplained: tuple[Loose, ...]  # deliveries of a signal and a receiver that are not connected in this process

    def marked(self, mark: Mark) -> SignalsMap:
        """Return the part of the map that bears a mark."""
        nodes = (replace(node, edges=tuple(e for e in node.edges if mark in e.marks)) for node in self.nodes)
        return replace(
            self,
            nodes=tuple(node for node in nodes if node.edges or mark in node.marks),
            unconnected=tuple(one for one in self.unconnected if mark in one.marks),
            unexplained=tuple(one for one in self.unexplained if mark in one.marks),
        )

    def count(self, mark: Mark) -> int:
        """Return how many signals, connections and receivers bear a mark."""
        of_nodes = [node.marks for node in self.nodes]
        of_edges = [edge.marks for node in self.nodes for edge in node.edges]
        of_the_rest = [one.marks for one in (*self.unconnected, *self.unexplained)]
        return sum(mark in marks for marks in (*of_nodes, *of_edges, *of_the_rest))


def signals_map() -> SignalsMap:
    """Look at this process and at the record: five queries."""
    now = timezone.now()
    record = _Record(counted=tally(now), paused=frozenset((one.kind, one.name) for one in ledger.pauses()))
    named = named_signals()
    found = connections([signal for signal, _name in named])
    nodes = tuple(_node(name, some, record) for (_signal, name), some in zip(named, found, strict=True))
    queued = {(node.name, edge.connection.receiver) for node in nodes for edge in node.edges if edge.counts is not None}
    return SignalsMap(
        at=now,
        since=record.counted.since,
        is_whole_day=record.counted.is_whole_day,
        nodes=nodes,
        unconnected=tuple(_unconnected(queued, record)),
        unexplained=tuple(_unexplained(queued, record)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What the database says of receivers."""

    counted: Tally
    paused: frozenset[tuple[str, str]]  # kind and name

    def marks(self, receiver: str, options: Iterable[Option], counts: Counts) -> Iterator[Mark]:
        """Yield what deserves a look about a queued receiver."""
        if counts.failed:
            yield Mark.FAILING
        queues = {(PauseKind.QUEUE.value, str(option.value)) for option in options if option.name == "queue"}
        if self.paused & {(PauseKind.RECEIVER.value, receiver), *queues}:
            yield Mark.PAUSED
        if not counts:
            yield Mark.UNSENT


def _node(name: str, found: Iterable[Connection], record: _Record) -> Node:
    edges = tuple(_edge(name, connection, record) for connection in found)
    place = place_of_signal(name)
    is_unheard = not _is_library(place) and all(edge.connection.is_dead for edge in edges)
    return Node(name=name, place=place, edges=edges, marks=(Mark.UNHEARD,) if is_unheard else ())


def _edge(signal: str, connection: Connection, record: _Record) -> Edge:
    # libraries, Django included, leave dead references behind, and nobody here can mend that
    is_marked_dead = connection.is_dead and not _is_library(connection.place)
    dead = (Mark.DEAD,) if is_marked_dead else ()
    if connection.kind != Kind.QUEUED:
        return Edge(connection=connection, counts=None, marks=dead)
    counts = record.counted.of(signal, connection.receiver)
    marks = record.marks(connection.receiver, connection.options, counts)
    return Edge(connection=connection, counts=counts, marks=(*marks, *dead))


def _unconnected(queued: set[tuple[str, str]], record: _Record) -> Iterator[Loose]:
    heard_of = {receiver for _signal, receiver in (*queued, *record.counted.by_edge)}
    for receiver in registry.all():
        if receiver.key not in heard_of:
            yield _loose("", receiver.key, Counts(), record)


def _unexplained(queued: set[tuple[str, str]], record: _Record) -> Iterator[Loose]:
    for (signal, key), counts in sorted(record.counted.by_edge.items()):
        if (signal, key) not in queued:
            yield _loose(signal, key, counts, record)


def _loose(signal: str, key: str, counts: Counts, record: _Record) -> Loose:
    known = registry.get(key)
    options = options_of(known) if known else ()
    return Loose(
        signal=signal,
        receiver=key,
        place=callee(known).place if known else None,
        options=options,
        counts=counts,
        marks=(*record.marks(key, options, counts), *((Mark.UNEXPLAINED,) if counts else ())),
    )


def _is_library(place: Place | None) -> bool:
    return place is not None and place.is_library
