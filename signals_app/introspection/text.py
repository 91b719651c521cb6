"""The signals map for a terminal, line by line, without escape codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from django.utils import timezone

from signals_app.introspection.callables import Form
from signals_app.introspection.connections import Connection
from signals_app.introspection.counts import COUNTED, Counts
from signals_app.introspection.options import Option
from signals_app.introspection.places import Place
from signals_app.introspection.signals_map import Edge, Loose, Mark, Node, SignalsMap

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
        yield from _edge(edge)
    if not node.edges:
        yield f"{_IN}no receiver"


def _edge(edge: Edge) -> Iterator[str]:
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
