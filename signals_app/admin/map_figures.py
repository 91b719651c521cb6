"""The numbers of the signals map, each with a link to the list of deliveries that it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app.introspection import Counts
from signals_app.models import State

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
