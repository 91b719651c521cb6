"""The signals map for programs: plain dicts and lists, as ``manage.py signals --json`` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from signals_app.introspection.options import Option
from signals_app.introspection.places import Place
from signals_app.introspection.signals_map import Edge, Loose, Mark, Node, SignalsMap


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
        "receivers": [_edge(edge) for edge in node.edges],
    }


def _edge(edge: Edge) -> dict[str, Any]:
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
