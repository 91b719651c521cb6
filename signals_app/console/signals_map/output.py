"""The map as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from signals_app.console.signals_map.graph import COUNTED, Counts, Edge, Loose, Mark, Node, SignalsMap
from signals_app.console.signals_map.listeners import Connection, Form, Option, Place


def as_json(whole: SignalsMap) -> dict[str, Any]:
    """Return the map; moments are ISO 8601, options that are times are seconds."""
    return {
        "at": whole.at.isoformat(),
        "since": whole.since.isoformat(),
        "is_whole_day": whole.is_whole_day,
        "signals": [_signal(node) for node in whole.nodes],
        "unconnected": [_loose(one) for one in whole.unconnected],
        "unexplained": [_loose(one) for one in whole.unexplained],
    }


def _signal(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "place": _place(node.place),
        "is_foreign": node.is_foreign,
        "marks": _marks(node.marks),
        "receivers": [_edge_as_json(edge) for edge in node.edges],
    }


def _edge_as_json(edge: Edge) -> dict[str, Any]:
    connection = edge.connection
    return {
        "receiver": connection.receiver,
        "kind": connection.kind.value,
        "form": connection.form.value,
        "place": _place(connection.place),
        "sender": connection.sender,
        "dispatch_uid": connection.dispatch_uid,
        "is_weak": connection.is_weak,
        "is_dead": connection.is_dead,
        "options": _options(connection.options),
        "counts": asdict(edge.counts) if edge.counts is not None else None,
        "marks": _marks(edge.marks),
    }


def _loose(one: Loose) -> dict[str, Any]:
    return {
        "signal": one.signal,
        "receiver": one.receiver,
        "place": _place(one.place),
        "options": _options(one.options),
        "counts": asdict(one.counts),
        "marks": _marks(one.marks),
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    return {"path": place.path, "line": place.line} if place else None


def _options(options: Iterable[Option]) -> dict[str, Any]:
    return {option.name: option.value for option in options}


def _marks(marks: Iterable[Mark]) -> list[str]:
    return [mark.value for mark in marks]


_IN = "  "
_DEEP = _IN * 5  # beneath the name of a receiver


def lines(whole: SignalsMap, *, with_foreign: bool = False) -> Iterator[str]:
    """Yield the map; signals that only libraries send and hear are left out unless they are asked for."""
    shown = [node for node in whole.nodes if with_foreign or not node.is_foreign]
    for node in shown:
        yield from _node(node)
        yield ""
    yield from _group("Connected to no signal:", whole.unconnected)
    yield from _group("Deliveries of what is not connected in this process:", whole.unexplained)
    moment = timezone.localtime(whole.since) if timezone.is_aware(whole.since) else whole.since
    cut = "" if whole.is_whole_day else f", the newest {COUNTED} of the day"
    yield f"Deliveries that ended are counted from {moment:%Y-%m-%d %H:%M:%S}{cut}."
    if left_out := len(whole.nodes) - len(shown):
        yield f"{left_out} signals of libraries are left out; --all shows them."


def _node(node: Node) -> Iterator[str]:
    yield _spaced(node.name, node.place, _written(node.marks))
    for edge in node.edges:
        yield from _edge_as_line(edge)
    if not node.edges:
        yield f"{_IN}no receiver"


def _edge_as_line(edge: Edge) -> Iterator[str]:
    connection = edge.connection
    name = connection.receiver or "a receiver that is gone"
    yield _IN + _spaced(f"{connection.kind.value:<6}", name, connection.place, _written(edge.marks))
    if how := ", ".join(_how(connection)):
        yield _DEEP + how
    yield from _queued(connection.options, edge.counts)


def _how(connection: Connection) -> Iterator[str]:
    if connection.form != Form.FUNCTION:
        yield connection.form.value
    if connection.sender:
        yield f"sender {connection.sender}"
    if connection.dispatch_uid:
        yield f"dispatch_uid {connection.dispatch_uid}"
    if not connection.is_weak:
        yield "strong"
    if connection.is_dead:
        yield "dead"


def _group(title: str, some: Iterable[Loose]) -> Iterator[str]:
    for number, one in enumerate(some):
        if not number:
            yield title
        signal = f"{one.signal} →" if one.signal else ""
        yield _IN + _spaced("queued", signal, one.receiver, one.place, _written(one.marks))
        yield from _queued(one.options, one.counts)
    if some:
        yield ""


def _queued(options: Iterable[Option], counts: Counts | None) -> Iterator[str]:
    if given := " ".join(str(option) for option in options if option.is_given):
        yield _DEEP + given
    if counts:
        yield _DEEP + ", ".join(f"{number} {name}" for name, number in asdict(counts).items() if number)


def _written(marks: Iterable[Mark]) -> str:
    return " ".join(f"[{mark.label}]" for mark in marks)


def _spaced(*parts: str | Place | None) -> str:
    return "  ".join(str(part) for part in parts if part)
